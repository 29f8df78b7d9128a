package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/verbs"
)

// Each hook of pre-commit runs, finds a mistake, and accepts a repository without one.
func TestPreCommitHooks(t *testing.T) {
	var hooks []struct {
		ID, Entry     string
		Args          []string
		PassFilenames *bool `json:"pass_filenames"`
	}
	text, err := os.ReadFile("../../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &hooks); err != nil || len(hooks) < 3 {
		t.Fatalf("%d hooks, %v", len(hooks), err)
	}
	policy := strings.Replace(clitest.Policy, "images: [a]", "images: [selenium/node-chrome]", 1)
	onDisk := clitest.Pod + "    volumeMounts: [{name: d, mountPath: /dev/shm}]\n  volumes: [{name: d, emptyDir: {}}]\n"
	for _, hook := range hooks {
		if hook.PassFilenames == nil || *hook.PassFilenames {
			t.Errorf("%s: is given names of files, which are taken for arguments", hook.ID)
		}
		args := append(strings.Fields(hook.Entry), hook.Args...)[1:]
		clitest.InDir(t, "a/pod.yaml", clitest.Pod, "p.yaml", policy)
		if got := clitest.Run("", args, verbs.All()...); got.Code != cli.ExitOK {
			t.Errorf("%s: got %+v", hook.ID, got)
		}
		clitest.InDir(t, "a/pod.yaml", onDisk, "p.yaml", strings.Replace(policy, "1Gi", "1G1", 1))
		if got := clitest.Run("", args, verbs.All()...); got.Code == cli.ExitOK {
			t.Errorf("%s: accepts a mistake: %+v", hook.ID, got)
		}
	}
}

// The steps of the action are run by bash, as a runner does, but for those of other actions.
func TestAction(t *testing.T) {
	text, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Steps []struct {
				Run, Shell       string
				WorkingDirectory string `json:"working-directory"`
				Env              map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[string]string{}
	for name, input := range action.Inputs {
		inputs[name] = input.Default
	}
	run := func(dir, temp string) (out string, err error) {
		for _, step := range action.Runs.Steps {
			if step.Run == "" {
				continue
			}
			cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
			cmd.Dir = dir
			if step.WorkingDirectory != "" {
				cmd.Dir = strings.ReplaceAll(step.WorkingDirectory, "${{ github.action_path }}", root)
			}
			cmd.Env = append(os.Environ(), "RUNNER_TEMP="+temp)
			for name, value := range step.Env {
				for input, given := range inputs {
					value = strings.ReplaceAll(value, "${{ inputs."+input+" }}", given)
				}
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			text, err := cmd.CombinedOutput()
			out += string(text)
			if err != nil {
				return out, err
			}
		}
		return out, nil
	}
	temp := t.TempDir()
	clitest.InDir(t, "a/pod.yaml", clitest.Pod)
	if out, err := run(".", temp); err != nil || !strings.Contains(out, "::warning file=a/pod.yaml,line=1,title=AddVolume Pod/default/browser::") {
		t.Errorf("%v: %s", err, out)
	}
	inputs["fail-on"], inputs["sarif"], inputs["policy"] = "changed", "out.sarif", "selenium"
	if out, err := run(".", temp); err == nil || !strings.Contains(out, "::error file=a/pod.yaml") {
		t.Errorf("%v: %s", err, out)
	}
	if sarif, err := os.ReadFile("out.sarif"); err != nil || !strings.Contains(string(sarif), `"ruleId": "AddVolume"`) {
		t.Errorf("%v: %s", err, sarif)
	}
}
