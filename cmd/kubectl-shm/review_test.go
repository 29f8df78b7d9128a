package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const examples = "../../examples"

// exampleManifests are the flags that name all examples but the policy.
func exampleManifests() []string {
	var args []string
	for _, name := range []string{"hand-written-outpost", "incident-deployment", "incident-pod", "naive-repair"} {
		args = append(args, "-f", examples+"/"+name+".yaml")
	}
	return args
}

// Parts of what is said about a Pod of simplePod.
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
			"review/report.txt", exampleManifests(), exitOK,
		},
		"a diff of all examples": {
			"review/changes.diff", append(exampleManifests(), "-o", "diff"), exitOK,
		},
		"the examples with their changes": {
			"review/changed.yaml", append(exampleManifests(), "-o", "yaml"), exitOK,
		},
		"the incident's Pod as JSON": {
			"review/incident.json", []string{"-f", examples + "/incident-pod.yaml", "-o", "json"}, exitOK,
		},
		"the patches of the examples": {
			"review/patches.json", append(exampleManifests(), "-o", "patch"), exitOK,
		},
		"a report of a Pod that is rejected": {
			"review/rejected.txt", []string{"-f", examples + "/naive-repair.yaml", "-p", examples + "/require-policy.yaml"}, exitRejected,
		},
		"a Pod that is rejected as JSON": {
			"review/rejected.json", []string{"-f", examples + "/naive-repair.yaml", "-p", examples + "/require-policy.yaml", "-o", "json"}, exitRejected,
		},
		"a report in mode audit": {
			"review/audit.txt", append(exampleManifests(), "-p", "authentik-proxy-outposts", "-p", examples+"/require-policy.yaml", "--mode", "audit"), exitOK,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm("", append([]string{"review"}, test.args...)...)
			if got.code != test.want {
				t.Errorf("exit status %d, want %d; standard error %q", got.code, test.want, got.errOut)
			}
			golden(t, test.golden, []byte(got.out))
			if got.errOut != "" {
				golden(t, test.golden+".stderr", []byte(got.errOut))
			}
		})
	}
}

func TestReview_OutputAgainChangesNothing(t *testing.T) {
	first := shm("", append(exampleManifests(), "review", "-o", "yaml")...)
	again := shm(first.out, "review", "-f", "-", "-o", "yaml")
	if again.code != exitOK {
		t.Fatalf("exit status %d, standard error %q", again.code, again.errOut)
	}
	if diff := cmp.Diff(first.out, again.out); diff != "" {
		t.Errorf("the second review changes (-first +second):\n%s", diff)
	}
	if diff := shm(first.out, "review", "-f", "-", "-o", "diff"); diff.out != "" {
		t.Errorf("the second review has the diff\n%s", diff.out)
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
	if err := json.Unmarshal([]byte(got.out), &results); err != nil || len(results) != 1 {
		t.Fatalf("%v; got %s", err, got.out)
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
	if err := json.Unmarshal([]byte(got.out), &results); err != nil || len(results) != 1 || got.code != exitRejected {
		t.Fatalf("%v; exit status %d; got %s", err, got.code, got.out)
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

const simplePod = `apiVersion: v1
kind: Pod
metadata:
  name: browser
spec:
  containers:
  - name: chrome
    image: selenium/node-chrome
`

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
