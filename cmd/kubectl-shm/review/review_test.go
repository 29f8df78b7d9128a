package review

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/internal/version"
)

const examples = "../../../examples"

// exampleManifests returns the flags that name all examples but the policy.
func exampleManifests() []string {
	var args []string
	for _, name := range []string{"hand-written-outpost", "incident-deployment", "incident-pod", "naive-repair"} {
		args = append(args, "-f", examples+"/"+name+".yaml")
	}
	return args
}

// Parts of what is said about a Pod of clitest.Pod.
const (
	noFigures = `  warning: the Pod has no memory request or limit, so none is raised: the scheduler does not know that 512Mi are in use at /dev/shm on average: set a memory request
  warning: container "chrome" has no memory limit: if a LimitRange of the namespace gives it one below 2085Mi, it is OOM-killed before /dev/shm is full: set a limit, or add the LimitRange to the input
`
	noVolume = `  violates SharedMemoryPolicy "selenium": container "chrome" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 2Gi there
`
)

func TestReview_Outputs(t *testing.T) {
	tests := map[string]struct {
		golden string
		args   []string
		want   int
	}{
		"a report of all examples": {
			"report.txt", exampleManifests(), cli.ExitOK,
		},
		"a diff of all examples": {
			"changes.diff", append(exampleManifests(), "-o", "diff"), cli.ExitOK,
		},
		"the examples with their changes": {
			"changed.yaml", append(exampleManifests(), "-o", "yaml"), cli.ExitOK,
		},
		"the incident's Pod as JSON": {
			"incident.json", []string{"-f", examples + "/incident-pod.yaml", "-o", "json"}, cli.ExitOK,
		},
		"the patches of the examples": {
			"patches.json", append(exampleManifests(), "-o", "patch"), cli.ExitOK,
		},
		"a report of a Pod that is rejected": {
			"rejected.txt", []string{"-f", examples + "/naive-repair.yaml", "-p", examples + "/require-policy.yaml"}, cli.ExitRejected,
		},
		"a Pod that is rejected as JSON": {
			"rejected.json", []string{"-f", examples + "/naive-repair.yaml", "-p", examples + "/require-policy.yaml", "-o", "json"}, cli.ExitRejected,
		},
		"a table of all examples": {
			"table.txt", append(exampleManifests(), "-o", "table"), cli.ExitOK,
		},
		"all examples for code scanning": {
			"examples.sarif", append(exampleManifests(), "-p", "authentik-proxy-outposts", "-p", examples+"/require-policy.yaml", "-o", "sarif"), cli.ExitRejected,
		},
		"all examples as test cases": {
			"junit.xml", append(exampleManifests(), "-o", "junit", "--fail-on", "changed"), cli.ExitRejected,
		},
		"all examples as workflow commands": {
			"github.txt", append(exampleManifests(), "-p", "authentik-proxy-outposts", "-p", examples+"/require-policy.yaml", "-o", "github"), cli.ExitRejected,
		},
		"a report in mode audit": {
			"audit.txt", append(exampleManifests(), "-p", "authentik-proxy-outposts", "-p", examples+"/require-policy.yaml", "--mode", "audit"), cli.ExitOK,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm("", append([]string{"review"}, test.args...)...)
			if got.Code != test.want {
				t.Errorf("exit status %d, want %d; standard error %q", got.Code, test.want, got.ErrOut)
			}
			clitest.Golden(t, test.golden, []byte(strings.ReplaceAll(got.Out, version.Text(), "VERSION")))
			if got.ErrOut != "" {
				clitest.Golden(t, test.golden+".stderr", []byte(got.ErrOut))
			}
		})
	}
}

func TestReview_OutputAgainChangesNothing(t *testing.T) {
	first := shm("", append(exampleManifests(), "review", "-o", "yaml")...)
	again := shm(first.Out, "review", "-f", "-", "-o", "yaml")
	if again.Code != cli.ExitOK {
		t.Fatalf("exit status %d, standard error %q", again.Code, again.ErrOut)
	}
	if diff := cmp.Diff(first.Out, again.Out); diff != "" {
		t.Errorf("the second review changes (-first +second):\n%s", diff)
	}
	if diff := shm(first.Out, "review", "-f", "-", "-o", "diff"); diff.Out != "" {
		t.Errorf("the second review has the diff\n%s", diff.Out)
	}
}

func TestReview_IncidentsLimitIsRaisedByTheMemoryCost(t *testing.T) {
	got := shm("", "review", "-f", examples+"/incident-pod.yaml", "-o", "json")
	var results []struct {
		Outcome, Policy, SizeLimit string
		Patch                      []struct {
			Path  string
			Value any
		}
	}
	if err := json.Unmarshal([]byte(got.Out), &results); err != nil || len(results) != 1 {
		t.Fatalf("%v; got %s", err, got.Out)
	}
	r := results[0]
	if r.Outcome != "Mutated" || r.Policy != "authentik-proxy-outposts" || r.SizeLimit != "897Mi" {
		t.Errorf("got %+v", r)
	}
	for _, op := range r.Patch {
		// 256Mi and 897Mi and 229,632 files of 1,216 bytes of kernel memory, at least.
		if op.Path == "/spec/containers/0/resources/limits/memory" {
			limit := bytesOf(t, op.Value)
			if least := int64(256+897)<<20 + 229632*1216; limit < least || limit >= least+1<<20 {
				t.Errorf("the limit is %d, want %d or up to 1 MiB more", limit, least)
			}
			return
		}
	}
	t.Error("the memory limit is not raised")
}

func TestReview_FirstRepairIsRejectedForBothReasons(t *testing.T) {
	got := shm("", "review", "-f", examples+"/naive-repair.yaml", "-p", examples+"/require-policy.yaml", "-o", "json")
	var results []struct {
		Violations []struct{ Reason, Detail string }
	}
	if err := json.Unmarshal([]byte(got.Out), &results); err != nil || len(results) != 1 || got.Code != cli.ExitRejected {
		t.Fatalf("%v; exit status %d; got %s", err, got.Code, got.Out)
	}
	details := map[string]string{}
	for _, v := range results[0].Violations {
		details[v.Reason] = v.Detail
	}
	for reason, want := range map[string]string{
		"ClampedByMemoryLimit": `the kubelet would mount 256Mi at /dev/shm instead of the 512Mi of volume "dshm"`,
		"OOMBeforeFull":        `container "proxy" would be OOM-killed before the volume is full`,
	} {
		if !strings.HasPrefix(details[reason], want) {
			t.Errorf("%s: got %q, want it to begin with %q", reason, details[reason], want)
		}
	}
}

const mountedOnDisk = `apiVersion: v1
kind: Pod
metadata: {name: browser, namespace: shop}
spec:
  containers:
  - name: chrome
    image: selenium/node-chrome
    volumeMounts: [{name: shm, mountPath: /dev/shm/}]
  volumes: [{name: shm, emptyDir: {}}]
`

const diskViolation = `SharedMemoryPolicy "selenium": container "chrome" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 2Gi there`

// bytesOf returns the value of a quantity in a JSON document.
func bytesOf(t *testing.T, value any) int64 {
	t.Helper()
	text, ok := value.(string)
	if !ok {
		t.Fatalf("%v is not a quantity", value)
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return q.Value()
}
