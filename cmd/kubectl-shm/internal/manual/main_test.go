package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/verbs"
)

func TestMarkUp(t *testing.T) {
	for name, c := range map[string]struct{ help, want string }{
		"running text":               {"Reads *.yaml\nand <this>.", "Reads \\*.yaml\nand \\<this>."},
		"a table amid running text":  {"Words:\n  a  *one*\n  b  two\nMore.", "Words:\n\n```text\na  *one*\nb  two\n```\n\nMore."},
		"a list":                     {"Left alone if\n  - it is paused\n  - it_is new\n\nMore.", "Left alone if\n\n- it is paused\n- it\\_is new\n\nMore."},
		"a table between empty ones": {"File:\n\n  a: 1\n    b: 2\n\nMore.", "File:\n\n```text\na: 1\n  b: 2\n```\n\nMore."},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, markUp(c.help, fenced)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Every command has a section with its flags.
func TestPage_EveryCommand(t *testing.T) {
	page := renderPage(verbs.Offline(), verbs.Online())
	eachCommand(func(cmd *cobra.Command) {
		if !cmd.HasParent() {
			return
		}
		_, section, found := strings.Cut(page, "\n## "+cmd.CommandPath()+"\n")
		if !found {
			t.Errorf("the page has no section about %s", cmd.CommandPath())
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, flag := range regexp.MustCompile(`(?m)^ .*(--[a-z-]+)`).FindAllStringSubmatch(cmd.LocalFlags().FlagUsages(), -1) {
			if !strings.Contains(section, flag[1]) {
				t.Errorf("the section about %s lacks %s", cmd.CommandPath(), flag[1])
			}
		}
	})
}

// Each command has a man page, of which man has nothing to complain about, that is the same each time.
func TestMan_EveryCommand(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := writeMan(dir, "v0.1.0", at); err != nil {
		t.Fatal(err)
	}
	again := t.TempDir()
	if err := writeMan(again, "v0.1.0", at); err != nil {
		t.Fatal(err)
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is not there: the pages are not rendered")
	}
	eachCommand(func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if other, err := os.ReadFile(filepath.Join(again, name)); err != nil || !bytes.Equal(other, text) {
			t.Errorf("%s: another run wrote something else: %v", name, err)
		}
		if !strings.Contains(string(text), `"Jan 2026" "shmkeeper v0.1.0"`) {
			t.Errorf("%s names another date or version", name)
		}
		if groff == "" {
			return
		}
		if out, err := exec.Command(groff, "-man", "-ww", "-z", filepath.Join(dir, name)).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	})
}

// eachCommand calls do for the program's command and every one below it.
func eachCommand(do func(*cobra.Command)) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		do(cmd)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(cli.Root(cli.Streams{}, verbs.All()))
}
