package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/verbs"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
)

// The examples of some verbs read files of the repository, from its root; those of size and simulate read
// none, and write some. Those of the verbs that ask a cluster are tried in package e2e.
func TestHelp_EveryExampleWorks(t *testing.T) {
	rejected := []string{"kubectl shm review -f examples/naive-repair.yaml -p examples/require-policy.yaml"}
	tried := 0
	for _, verb := range verbs.Offline() {
		cmd := verb(cli.Streams{})
		t.Run(cmd.Name(), func(t *testing.T) {
			if cmd.Name() == "size" || cmd.Name() == "simulate" {
				clitest.InDir(t)
			} else {
				t.Chdir("../..")
			}
			example := cmd.Example
			for _, sub := range cmd.Commands() {
				example += "\n" + sub.Example
			}
			for line := range strings.Lines(example) {
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
				want := cli.ExitOK
				if slices.Contains(rejected, line) {
					want = cli.ExitRejected
				}
				if got := clitest.Run(string(stdin), strings.Fields(command)[2:], verbs.All()...); got.Code != want || got.Out == "" {
					t.Errorf("%s: exit status %d, want %d; standard error %q", line, got.Code, want, got.ErrOut)
				}
			}
		})
	}
	if tried < 40 {
		t.Errorf("only %d examples were found", tried)
	}
}

func TestCompletion(t *testing.T) {
	var names strings.Builder
	for _, p := range policies.All() {
		names.WriteString(p.Name + "\n")
	}
	// The last line is the shell's: 4 is "no files", 0 is "files too".
	for args, want := range map[string]string{
		"review -o ":     "report\ntable\ndiff\nyaml\njson\npatch\nsarif\njunit\ngithub\n:4\n",
		"review --mode ": "audit\nwarn\nenforce\n:4\n",
		"review -p ":     names.String() + ":0\n",
		"lint -o ":       "text\njson\n:4\n",
		"policies ":      names.String() + ":4\n",
		"export -o ":     "admission-policy\nkyverno\nauthentik\nterraform\n:4\n",
		"export ":        names.String() + ":0\n",
		"policies -o ":   "text\nyaml\njson\n:4\n",
		"size -o ":       "table\njson\nyaml\nsvg\npng\n:4\n",
		"audit -o ":      "table\nwide\njson\nyaml\ncsv\nhtml\n:4\n",
		"audit -p ":      names.String() + ":0\n",
		"rollout -o ":    "table\nwide\njson\nyaml\ncsv\n:4\n",
		"top -o ":        "table\nwide\njson\nyaml\ncsv\nhtml\n:4\n",
		"recommend -o ":  "table\nwide\njson\nyaml\ncsv\nhtml\npolicies\n:4\n",
		"diagnose -o ":   "text\njson\nyaml\n:4\n",
		"simulate -o ":   "table\ncsv\nsvg\npng\n:4\n",
	} {
		got := clitest.Run("", append([]string{"__complete"}, strings.Split(args, " ")...), verbs.All()...)
		if got.Code != cli.ExitOK || got.Out != want {
			t.Errorf("%s: exit status %d, got %q, want %q", args, got.Code, got.Out, want)
		}
	}
}

func TestSuggestions(t *testing.T) {
	for args, want := range map[string]string{
		"revview":                   `there is no command "revview": did you mean review? If not, use one of those that kubectl shm --help lists`,
		"revview -f examples":       `there is no command "revview": did you mean review? If not, use one of those that kubectl shm --help lists`,
		"apply --bogus":             `there is no command "apply": use one of those that kubectl shm --help lists`,
		"create tset -f x":          `create: "tset" is not something to create: use kubectl shm create test`,
		"--bogus apply":             "unknown flag: --bogus: see kubectl shm --help",
		"apply":                     `there is no command "apply": use one of those that kubectl shm --help lists`,
		"review --polcy a":          "unknown flag: --polcy: did you mean --policy? If not, see kubectl shm review --help",
		"review -f - -x":            "unknown shorthand flag: 'x' in -x: see kubectl shm review --help",
		"review -f - -o jsno":       `invalid argument "jsno" for "-o, --output" flag: did you mean json? If not, write report, table, diff, yaml, json, patch, sarif, junit or github: see kubectl shm review --help`,
		"review -f - --mode Warn":   `invalid argument "Warn" for "--mode" flag: did you mean warn? If not, write audit, warn or enforce: see kubectl shm review --help`,
		"review -f x -p seleniun":   "x: there is no such file or directory: check the path\nseleniun: there is no such file or directory: check the path; did you mean selenium? If not, kubectl shm policies lists the built-in ones",
		"policies authentik":        `"authentik" is not a built-in policy: did you mean authentik-proxy-outposts or authentik-server? If not, kubectl shm policies lists them`,
		"policies zzz":              `"zzz" is not a built-in policy: kubectl shm policies lists them`,
		"sim":                       `there is no command "sim": did you mean simulate? If not, use one of those that kubectl shm --help lists`,
		"size --file 18":            "unknown flag: --file: did you mean --file-size or --files-per-minute? If not, see kubectl shm size --help",
		"policies authentik-sever":  `"authentik-sever" is not a built-in policy: did you mean authentik-server? If not, kubectl shm policies lists them`,
		"exprot selenium":           `there is no command "exprot": did you mean export? If not, use one of those that kubectl shm --help lists`,
		"size --file-per-minute 18": "unknown flag: --file-per-minute: did you mean --files-per-minute? If not, see kubectl shm size --help",
	} {
		got := clitest.Run("", strings.Fields(args), verbs.All()...)
		if got.Code != cli.ExitUsage || got.ErrOut != "error: "+want+"\n" {
			t.Errorf("%s: exit status %d, got\n%s, want\n%s", args, got.Code, got.ErrOut, want)
		}
	}
}
