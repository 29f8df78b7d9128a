package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
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

func TestReviewOutputs(t *testing.T) {
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

func TestReviewingTheOutputAgainChangesNothing(t *testing.T) {
	first := shm("", append(exampleManifests(), "review", "-o", "yaml")...)
	again := shm(first.out, "review", "-f", "-", "-o", "yaml")
	if again.code != exitOK || again.errOut != first.errOut {
		t.Fatalf("exit status %d, standard error (-first +second)\n%s", again.code, cmp.Diff(first.errOut, again.errOut))
	}
	if diff := cmp.Diff(first.out, again.out); diff != "" {
		t.Errorf("the second review changes (-first +second):\n%s", diff)
	}
	if diff := shm(first.out, "review", "-f", "-", "-o", "diff"); diff.out != "" {
		t.Errorf("the second review has the diff\n%s", diff.out)
	}
}

func TestTheIncidentsPodGetsItsLimitRaisedByTheCharge(t *testing.T) {
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
		// 256Mi and 897Mi and 229,632 files of 1,064 bytes of kernel memory, at least.
		if op.Path == "/spec/containers/0/resources/limits/memory" {
			limit := bytesOf(t, op.Value)
			if least := int64(256+897)<<20 + 229632*1064; limit < least || limit >= least+1<<20 {
				t.Errorf("the limit is %d, want %d or up to 1 MiB more", limit, least)
			}
			return
		}
	}
	t.Error("the memory limit is not raised")
}

func TestTheFirstRepairIsRefusedWithBothReasons(t *testing.T) {
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

func TestReviewReports(t *testing.T) {
	tests := map[string]struct {
		in, args string
		want     ran
	}{
		"a Pod that no policy matches is left alone": {
			in: "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}",
			want: ran{out: `NotMatched  Pod/default/a  -  -
  no policy matches

1 reviewed under the library's policies: 1 NotMatched
`},
		},
		"a name that would break the line is quoted": {
			in: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a\nb \u001b[1m"},"spec":{"containers":[{"name":"a","image":"nginx"}]}}`,
			want: ran{out: `NotMatched  Pod/default/"a\nb \x1b[1m"  -  -
  no policy matches

1 reviewed under the library's policies: 1 NotMatched
`},
		},
		"a Pod on the node's /dev/shm is left alone, with the reason": {
			in: simplePod + "  hostIPC: true\n",
			want: ran{out: `Skipped  Pod/default/browser  selenium  -
  container "chrome" uses the node's own /dev/shm by hostIPC, which it shares with every Pod of the node that does so: nothing bounds it but the node's memory

1 reviewed under the library's policies: 1 Skipped
`},
		},
		"a violation is refused with exit status 1": {
			in: mountedOnDisk,
			want: ran{code: 1, out: `Violating  Pod/shop/browser  selenium  2Gi
  violates ` + diskViolation + `

1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"--mode warn refuses nothing": {
			in: mountedOnDisk, args: "--mode warn",
			want: ran{out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `

1 reviewed under the library's policies: 1 Violating
`},
		},
		"--mode audit changes nothing and says what would be": {
			in: simplePod, args: "--mode audit",
			want: ran{out: `Mutated (audit)  Pod/default/browser  selenium  2Gi
  would be changed in mode enforce: adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
` + noFigures + `
1 reviewed under the library's policies: 1 Mutated
`},
		},
		"the label of the namespace lowers the mode": {
			in: mountedOnDisk, args: "--namespace-labels team=a,shmkeeper.dev/mode=audit",
			want: ran{out: `Violating (audit)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `

1 reviewed under the library's policies: 1 Violating
`},
		},
		"a Namespace in the stream gives its labels to its own Pods only": {
			in: "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {shmkeeper.dev/mode: warn}}}\n---\n" +
				mountedOnDisk + "---\n" + strings.Replace(mountedOnDisk, "shop", "lab", 1),
			want: ran{code: 1, out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `
Violating         Pod/lab/browser   selenium  2Gi
  violates ` + diskViolation + `

2 reviewed under the library's policies: 2 Violating; 1 would be rejected
`},
		},
		"--namespace-labels come before those of a Namespace": {
			in:   "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {shmkeeper.dev/mode: warn}}}\n---\n" + mountedOnDisk,
			args: "--namespace-labels shmkeeper.dev/mode=enforce",
			want: ran{code: 1, out: `Violating  Pod/shop/browser  selenium  2Gi
  violates ` + diskViolation + `

1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"an unknown mode on the namespace is audit, with a warning": {
			in: simplePod, args: "--namespace-labels shmkeeper.dev/mode=on",
			want: ran{out: `Mutated (audit)  Pod/default/browser  selenium  2Gi
  would be changed in mode enforce: adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
  warning: namespace "default": label shmkeeper.dev/mode: mode "on" is unknown and counts as audit: write audit, warn or enforce
` + noFigures + `
1 reviewed under the library's policies: 1 Mutated
`},
		},
		"a LimitRange refuses a limit that would have to be raised above it": {
			in: `{apiVersion: v1, kind: LimitRange, metadata: {name: small}, spec: {limits: [{type: Container, max: {memory: 1Gi}}]}}
---
` + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the memory of container "chrome" would have to be 2565Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: the largest size that would fit is 510Mi: set annotation shmkeeper.dev/size-limit: 510Mi if that is enough, or ask whoever administers the namespace for more memory
` + noVolume + `
1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"a LimitRange of another namespace does not count": {
			in: `{apiVersion: v1, kind: LimitRange, metadata: {name: small, namespace: lab}, spec: {limits: [{type: Container, max: {memory: 1Gi}}]}}
---
` + simplePod,
			want: ran{out: `Mutated  Pod/default/browser  selenium  2Gi
  adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"
` + noFigures + `
1 reviewed under the library's policies: 1 Mutated
`},
		},
		"a ResourceQuota refuses a Pod that would have to be raised above what it leaves": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 8Gi}}, status: {hard: {limits.memory: 4Gi}, used: {limits.memory: 2Gi}}}
---
` + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod would need 2565Mi of limits.memory, of which 2053Mi are for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 4Gi: the largest size that would fit is 1532Mi: set annotation shmkeeper.dev/size-limit: 1532Mi if that is enough, or ask whoever administers the namespace for more memory
` + noVolume + `
1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"nothing is used of a ResourceQuota without status": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 2Gi}}}
---
` + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod would need 2565Mi of limits.memory, of which 2053Mi are for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 2Gi: the largest size that would fit is 1532Mi: set annotation shmkeeper.dev/size-limit: 1532Mi if that is enough, or ask whoever administers the namespace for more memory
` + noVolume + `
1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"a ResourceQuota counts what a LimitRange gives": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 2Gi}}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: limits}, spec: {limits: [{type: Container, default: {memory: 256Mi}}]}}
---
` + simplePod,
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod would need 2309Mi of limits.memory, of which 2053Mi are for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 2Gi: the largest size that would fit is 1787Mi: set annotation shmkeeper.dev/size-limit: 1787Mi if that is enough, or ask whoever administers the namespace for more memory
` + noVolume + `  note: LimitRange "limits" gives container "chrome" a memory limit of 256Mi, with which it is evaluated

1 reviewed under the library's policies: 1 Violating; 1 would be rejected
`},
		},
		"a ResourceQuota of another namespace does not count": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small, namespace: lab}, spec: {hard: {limits.memory: 600Mi}}}
---
` + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{out: `Mutated  Pod/default/browser  selenium  2Gi
  adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome", raises the memory limit of "chrome" from 512Mi to 2565Mi and makes its request 1Gi

1 reviewed under the library's policies: 1 Mutated
`},
		},
		"Lists are looked into, and -n names the namespace of what has none": {
			in:   "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}, {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}]}",
			args: "-n lab",
			want: ran{out: `NotMatched  Pod/lab/a  -  -
  no policy matches

1 reviewed under the library's policies: 1 NotMatched; 1 skipped (1 ConfigMap)
`},
		},
		"workloads of versions that are not looked at are named": {
			in: "{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: old}, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}\n---\n" +
				"{apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: older, namespace: lab}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: a}]}}}}}}\n---\n" + mountedOnDisk,
			args: "--mode warn",
			want: ran{out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `
note: Deployment/default/old has a Pod template that is not looked at: it is of extensions/v1beta1, which no API server has any more: write apps/v1
note: CronJob/lab/older has a Pod template that is not looked at: it is of batch/v1beta1, which no API server has any more: write batch/v1

1 reviewed under the library's policies: 1 Violating; 2 skipped (1 CronJob, 1 Deployment)
`},
		},
		"workloads of other projects just pass": {
			in:   "{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, metadata: {name: a}}",
			want: ran{out: "0 reviewed under the library's policies; 1 skipped (1 Job)\n"},
		},
		"a ReplicationController without a template passes": {
			in:   "{apiVersion: v1, kind: ReplicationController, metadata: {name: a}, spec: {replicas: 0}}",
			want: ran{out: "0 reviewed under the library's policies; 1 skipped (1 ReplicationController)\n"},
		},
		"an empty List is no mistake": {
			in:   "{apiVersion: v1, kind: List, items: []}",
			want: ran{out: "0 reviewed under the library's policies\n"},
		},
		"a volume of a claim template is a volume": {
			in: `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {
 volumeClaimTemplates: [{metadata: {name: data}}],
 template: {spec: {containers: [{name: a, image: nginx, volumeMounts: [{name: data, mountPath: /data}]}]}}}}`,
			want: ran{out: `NotMatched  StatefulSet/default/a  -  -
  no policy matches

1 reviewed under the library's policies: 1 NotMatched
`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, append([]string{"review", "-f", "-"}, strings.Fields(test.args)...)...)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(ran{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestOutputsForProgramsNameWhatIsNotLookedAtOnStandardError(t *testing.T) {
	for _, output := range []string{"json", "yaml", "diff", "patch"} {
		got := shm("{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: \"a\\nb\"}, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}", "review", "-f", "-", "-o", output)
		want := "note: Deployment/default/\"a\\nb\" has a Pod template that is not looked at: it is of apps/v1beta1, which no API server has any more: write apps/v1\n"
		if got.errOut != want || got.code != exitOK {
			t.Errorf("-o %s: exit status %d, got %q, want %q", output, got.code, got.errOut, want)
		}
	}
}

func TestNewTyped_EachVersionHasAType(t *testing.T) {
	for kind, version := range typedVersions {
		if newTyped(manifest.Object{Kind: kind, APIVersion: version}) == nil {
			t.Errorf("%s of %s has none", kind, version)
		}
	}
}

func TestReviewWritesWhatKubectlCanApply(t *testing.T) {
	const volume = `      volumes:
      - name: shmkeeper-shm
        emptyDir:
          medium: Memory
          sizeLimit: 2Gi
`
	tests := map[string]struct {
		in, want string
	}{
		"a template without metadata is given some": {
			in: `apiVersion: batch/v1
kind: Job
metadata:
  name: scrape # every night
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: chrome
        image: selenium/standalone-chrome
---
# left as it is
apiVersion:   v1
kind: ConfigMap
metadata: {name:  c}
`,
			want: `apiVersion: batch/v1
kind: Job
metadata:
  name: scrape # every night
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: chrome
        image: selenium/standalone-chrome
        volumeMounts:
        - name: shmkeeper-shm
          mountPath: /dev/shm
` + volume + `    metadata:
      annotations:
        shmkeeper.dev/injected: '{"policy":"selenium","volume":"shmkeeper-shm","sizeLimit":"2Gi"}'
        shmkeeper.dev/policy: selenium
---
# left as it is
apiVersion:   v1
kind: ConfigMap
metadata: {name:  c}
`,
		},
		"fields that are newer than this program survive": {
			in: simplePod + "    fieldOfTomorrow: 7\n  otherOfTomorrow: [x]\n",
			want: `apiVersion: v1
kind: Pod
metadata:
  name: browser
  annotations:
    shmkeeper.dev/injected: '{"policy":"selenium","volume":"shmkeeper-shm","sizeLimit":"2Gi"}'
    shmkeeper.dev/policy: selenium
spec:
  containers:
  - name: chrome
    image: selenium/node-chrome
    fieldOfTomorrow: 7
    volumeMounts:
    - name: shmkeeper-shm
      mountPath: /dev/shm
  otherOfTomorrow: [x]
  volumes:
  - name: shmkeeper-shm
    emptyDir:
      medium: Memory
      sizeLimit: 2Gi
`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, "review", "-f", "-", "-o", "yaml")
			if diff := cmp.Diff(test.want, got.out); diff != "" {
				t.Errorf("exit status %d (-want +got)\n%s", got.code, diff)
			}
			if again := shm(got.out, "review", "-f", "-", "-o", "yaml"); again.out != got.out {
				t.Errorf("the second review gives\n%s", again.out)
			}
		})
	}
}

func TestOutputsForProgramsTellViolationsOnStandardError(t *testing.T) {
	for _, output := range []string{"yaml", "diff", "patch"} {
		t.Run(output, func(t *testing.T) {
			want := ran{code: 1, errOut: "Pod/shop/browser: violates " + diskViolation + "\n"}
			switch output {
			case "yaml":
				want.out = mountedOnDisk
			case "patch":
				want.out = "[]\n"
			}
			got := shm(mountedOnDisk, "review", "-f", "-", "-o", output)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(ran{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestJSONHasAllFieldsAndNoNulls(t *testing.T) {
	got := shm("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}", "review", "-f", "-", "-o", "json")
	want := `[
  {
    "kind": "Pod",
    "namespace": "default",
    "name": "a",
    "template": "",
    "outcome": "NotMatched",
    "policy": "",
    "reason": "NoPolicy",
    "detail": "no policy matches",
    "sizeLimit": "",
    "patch": [],
    "violations": [],
    "warnings": [],
    "notes": []
  }
]
`
	if diff := cmp.Diff(want, got.out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	empty := shm("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}", "review", "-f", "-", "-o", "json")
	if empty.out != "[]\n" {
		t.Errorf("without subjects: %q", empty.out)
	}
}

func TestTheLineNumbersOfADiffAreRight(t *testing.T) {
	in := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n" + simplePod + "---\n" + strings.Replace(simplePod, "  name: browser\n", "  name: other\n  namespace: lab\n  labels:\n    a: a\n    b: b\n    c: c\n    d: d\n", 1) + "  restartPolicy: Never\n  hostname: a\n  subdomain: b\n  nodeName: c\n  priority: 1\n  hostAliases: []\n  overhead: {}\n  dnsPolicy: Default\n  volumes:\n  - name: x\n    emptyDir: {}\n"
	after := strings.Split(shm(in, "review", "-f", "-", "-o", "yaml").out, "\n")
	before := strings.Split(in, "\n")
	diff := shm(in, "review", "-f", "-", "-o", "diff").out
	hunks := 0
	var from, to int
	for line := range strings.Lines(strings.TrimPrefix(diff, "--- stdin\n+++ stdin\n")) {
		text := strings.TrimSuffix(line[1:], "\n")
		if line[0] == '@' {
			var n int
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &from, &n, &to, &n); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			hunks++
			continue
		}
		if line[0] != '+' {
			if from > len(before) || before[from-1] != text {
				t.Errorf("line %d before is not %q", from, text)
			}
			from++
		}
		if line[0] != '-' {
			if to > len(after) || after[to-1] != text {
				t.Errorf("line %d after is not %q", to, text)
			}
			to++
		}
	}
	if hunks < 3 {
		t.Errorf("only %d hunks:\n%s", hunks, diff)
	}
}

func TestADiffIsColouredOnATerminal(t *testing.T) {
	got := colored("--- a\n+++ a\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n\\ No newline at end of file")
	want := "\x1b[1m--- a\x1b[0m\n\x1b[1m+++ a\x1b[0m\n\x1b[36m@@ -1,2 +1,2 @@\x1b[0m\n x\n\x1b[31m-y\x1b[0m\n\x1b[32m+z\x1b[0m\n\\ No newline at end of file"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
