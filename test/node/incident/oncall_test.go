//go:build linux && node

package incident

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// onCallPage is the page that shows what the commands print when sites answer 400.
const onCallPage = "docs/runbooks/on-call/sites-answer-400.md"

// page serializes the tests that write it.
var page sync.Mutex

// mustBeShown checks that the page shows what a command has printed, which is below the command in the page, or the part of it from
// a line that begins with a word on. Names, times and charges that no two runs share are left out. With
// -update it writes the page.
func (p place) mustBeShown(command, part, printed string) {
	t := p.t
	t.Helper()
	page.Lock()
	defer page.Unlock()
	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, onCallPage)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := paragraph(strings.TrimSpace(printed), part)
	shown := regexp.MustCompile(`(?ms)^    kubectl shm ` + command + "$.*?\n```\n(.*?)```\n")
	if part != "" {
		shown = regexp.MustCompile("(?ms)^```\n(" + part + ".*?)```\n")
	}
	at := shown.FindSubmatchIndex(text)
	if at == nil {
		t.Fatalf("%s does not show the output of kubectl shm %s", onCallPage, command)
	}
	old := string(text[at[2]:at[3]])
	if diff := cmp.Diff(withoutChance(old), withoutChance(got)); diff != "" && !*update {
		t.Errorf("%s does not show what kubectl shm %s prints; make test-node UPDATE=1 writes it (-page +printed):\n%s", onCallPage, command, diff)
	}
	if *update {
		name := podName.FindString(old)
		out := string(text[:at[2]]) + got + "\n" + string(text[at[3]:])
		if pod := podName.FindString(got); name != "" && pod != "" {
			out = strings.ReplaceAll(out, name, pod)
		}
		if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// paragraph returns a text from the line on that begins with a word, up to an empty line; all of it without a word.
func paragraph(text, word string) string {
	if word == "" {
		return text
	}
	_, after, _ := strings.Cut("\n"+text, "\n"+word)
	first, _, _ := strings.Cut(word+after, "\n\n")
	return first
}

// podName is that of the outpost's Pod.
var podName = regexp.MustCompile(`ak-outpost-authentik-embedded-outpost-[a-z0-9]+-[a-z0-9]{5}\b`)

// byChance are the parts of what is printed that differ from run to run.
var byChance = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{podName, "POD"},
	{regexp.MustCompile(`running for [0-9a-z ]+`), "running for SOME TIME"},
	{regexp.MustCompile(`restarted \d+ times`), "restarted SEVERAL times"},
	{regexp.MustCompile(`charged for [0-9.]+ MiB`), "charged for SOME MiB"},
	// Of a container that ends at once, containerd may see the end before the cause, as oomKilled says.
	{regexp.MustCompile(`was killed \(exit code 137: an OOM kill that the runtime missed, or another SIGKILL\)`), "was OOM-killed"},
	{regexp.MustCompile(`(?:\d+ min )?\d+ s (session_)`), "A MOMENT $1"},
	// The files are as old as on the day, and the test takes a minute of its own.
	{regexp.MustCompile(`17 h 1[0-9] min`), "17 h 10 min"},
	{regexp.MustCompile(`since about [12] h[0-9a-z ]*`), "since about 2 h"},
	{regexp.MustCompile(`full again after 15 h 1[0-9] min`), "full again after 15 h 10 min"},
}

// withoutChance returns a text without what differs from run to run, and without its columns and lines.
func withoutChance(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, c := range byChance {
		text = c.pattern.ReplaceAllString(text, c.with)
	}
	return text
}
