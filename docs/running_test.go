package docs_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The verbs that look into running Pods, and their flags, are as the pages about them say. What they do is tried by test/node/incident.
func TestRunningPods_CommandsAreThere(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kubectl-shm")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/kubectl-shm").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	help := map[string]string{}
	for _, page := range []string{"how-to/running-pods.md", "runbooks/on-call/sites-answer-400.md"} {
		commands := regexp.MustCompile(`kubectl shm ([a-z]+)([^|>;\n]*)`).FindAllStringSubmatch(read(t, page), -1)
		if len(commands) < 3 {
			t.Errorf("%s has only %d commands", page, len(commands))
		}
		for _, command := range commands {
			verb := command[1]
			if help[verb] == "" {
				out, err := exec.Command(program, verb, "--help").Output()
				if err != nil || !strings.Contains(string(out), "kubectl shm "+verb) {
					t.Errorf("%s: there is no verb %q: %v", page, verb, err)
					continue
				}
				help[verb] = string(out)
			}
			for _, flag := range regexp.MustCompile(`\s(--?[a-zA-Z-]+)`).FindAllStringSubmatch(command[2], -1) {
				if !regexp.MustCompile(`(?m)^ .*` + regexp.QuoteMeta(flag[1]) + `\b`).MatchString(help[verb]) {
					t.Errorf("%s: kubectl shm %s has no flag %s", page, verb, flag[1])
				}
			}
		}
	}
}
