package create

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/test"
)

func TestCreateTest(t *testing.T) {
	clitest.InDir(t, "pod.yaml", clitest.Pod+"    resources: {limits: {memory: 512Mi}}\n", "p/policy.yaml", clitest.Policy, "tests/.keep", "",
		"a.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a, volumeMounts: [{name: d, mountPath: /dev/shm}]}], volumes: [{name: d, emptyDir: {}}]}}\n")
	got := shm("", "create", "test", "-f", "pod.yaml")
	want := `- library:
  - selenium
  name: Pod browser is Mutated
  object:
    apiVersion: v1
    kind: Pod
    metadata:
      name: browser
    spec:
      containers:
      - image: selenium/node-chrome
        name: chrome
        resources:
          limits:
            memory: 512Mi
  want:
    containers:
      chrome:
        limit: 2565Mi
        request: 1Gi
        sizeLimit: 2Gi
        volume: shmkeeper-shm
    outcome: Mutated
    policy: selenium
    reason: AddVolume
`
	if diff := cmp.Diff(clitest.Result{Out: want}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got = shm("", "create", "test", "-f", "a.yaml", "-p", "p/policy.yaml", "--dir", "tests")
	if got.Code != cli.ExitOK || !strings.Contains(got.Out, "policyFiles:\n  - ../p/policy.yaml\n") || !strings.Contains(got.Out, "violations:\n    - NotMemory\n") {
		t.Errorf("got %+v", got)
	}
}

// What is written passes.
func TestCreateTest_CasesPass(t *testing.T) {
	for _, file := range []string{"incident-pod", "incident-deployment", "naive-repair", "hand-written-outpost"} {
		got := shm("", "create", "test", "-f", "../../../examples/"+file+".yaml")
		if got.Code != cli.ExitOK {
			t.Fatalf("%s: got %+v", file, got)
		}
		t.Run(file, func(t *testing.T) {
			clitest.InDir(t, "cases.yaml", got.Out)
			if got := clitest.Run("", []string{"test", "cases.yaml"}, test.Command); got.Code != cli.ExitOK {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestCreate_BadUsage(t *testing.T) {
	clitest.InDir(t, "c.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n")
	for args, want := range map[string]string{
		"create polcy":               `create: "polcy" is not something to create: use kubectl shm create test`,
		"create test":                "-f is missing: give a file, a directory, or - for standard input",
		"create test -f c.yaml":      "c.yaml: there is no Pod or Pod template in it: name a file that has one",
		"create test -f c.yaml -p -": `-p: "-" has no path that a case could name: give the policies as a file`,
	} {
		if got := shm("", strings.Fields(args)...); got.Code != cli.ExitUsage || got.ErrOut != "error: "+want+"\n" {
			t.Errorf("%s: got %+v, want %s", args, got, want)
		}
	}
}
