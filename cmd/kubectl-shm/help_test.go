package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The examples of these commands read files of the repository, from its root.
func TestHelp_EveryExampleWorks(t *testing.T) {
	refused := []string{"kubectl shm review -f examples/naive-repair.yaml -p examples/require-policy.yaml"}
	tried := 0
	t.Chdir("../..")
	for _, cmd := range newRootCommand(streams{}).Commands() {
		if !slices.Contains([]string{"review", "lint", "policies", "version"}, cmd.Name()) {
			continue
		}
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			tried++
			command, file, _ := strings.Cut(line, " < ")
			var stdin []byte
			if file != "" {
				var err error
				if stdin, err = os.ReadFile(file); err != nil {
					t.Fatal(err)
				}
			}
			want := exitOK
			if slices.Contains(refused, line) {
				want = exitRejected
			}
			if got := shm(string(stdin), strings.Fields(command)[2:]...); got.code != want {
				t.Errorf("%s: exit status %d, want %d; standard error %q", line, got.code, want, got.errOut)
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d examples were found", tried)
	}
}

func TestCompletion(t *testing.T) {
	names := strings.Join(builtInNames(), "\n") + "\n"
	// The last line is the shell's: 4 is "no files", 0 is "files too".
	for args, want := range map[string]string{
		"review -o ":     "report\ndiff\nyaml\njson\npatch\n:4\n",
		"review --mode ": "audit\nwarn\nenforce\n:4\n",
		"review -p ":     names + ":0\n",
		"lint -o ":       "text\njson\n:4\n",
		"policies ":      names + ":4\n",
		"policies -o ":   "text\nyaml\njson\n:4\n",
	} {
		got := shm("", append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if got.code != exitOK || got.out != want {
			t.Errorf("%s: exit status %d, got %q, want %q", args, got.code, got.out, want)
		}
	}
}
