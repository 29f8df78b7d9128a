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

func TestReviewOutputs(t *testing.T) {
	tests := map[string]struct {
		golden string
		args   []string
		want   int
	}{
		"a report of all examples": {
			"review/report.txt", []string{"-f", examples}, exitOK,
		},
		"a diff of all examples": {
			"review/changes.diff", []string{"-f", examples, "-o", "diff"}, exitOK,
		},
		"the examples with their changes": {
			"review/changed.yaml", []string{"-f", examples, "-o", "yaml"}, exitOK,
		},
		"the incident's Pod as JSON": {
			"review/incident.json", []string{"-f", examples + "/incident-pod.yaml", "-o", "json"}, exitOK,
		},
		"the patches of the examples": {
			"review/patches.json", []string{"-f", examples, "-o", "patch"}, exitOK,
		},
		"a report of a Pod that is refused": {
			"review/refused.txt", []string{"-f", examples + "/naive-repair.yaml", "-p", examples + "/require-policy.yaml"}, exitRejected,
		},
		"a Pod that is refused as JSON": {
			"review/refused.json", []string{"-f", examples + "/naive-repair.yaml", "-p", examples + "/require-policy.yaml", "-o", "json"}, exitRejected,
		},
		"a report in mode audit": {
			"review/audit.txt", []string{"-f", examples, "-p", "authentik-proxy-outposts", "-p", examples + "/require-policy.yaml", "--mode", "audit"}, exitOK,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm("", append([]string{"review"}, test.args...)...)
			if got.code != test.want || got.errOut != "" {
				t.Errorf("exit status %d, want %d; standard error %q", got.code, test.want, got.errOut)
			}
			golden(t, test.golden, []byte(got.out))
		})
	}
}

func TestReviewingTheOutputAgainChangesNothing(t *testing.T) {
	first := shm("", "review", "-f", examples, "-o", "yaml")
	again := shm(first.out, "review", "-f", "-", "-o", "yaml")
	if again.code != exitOK || again.errOut != "" {
		t.Fatalf("exit status %d, standard error %q", again.code, again.errOut)
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
		"ClampedByMemoryLimit": `the kubelet would mount 256Mi at /dev/shm instead of the 512Mi that volume "dshm" has`,
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

const diskViolation = `SharedMemoryPolicy "selenium": container "chrome" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir; mount a Memory emptyDir with sizeLimit: 2Gi there`

func TestReviewReports(t *testing.T) {
	tests := map[string]struct {
		in, args string
		want     ran
	}{
		"a Pod that no policy matches is left alone": {
			in: "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}",
			want: ran{out: `NotGoverned  Pod/default/a  -  -
  no policy matches

1 object reviewed: 1 NotGoverned; 0 other objects passed
`},
		},
		"a name that would break the line is quoted": {
			in: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a\nb \u001b[1m"},"spec":{"containers":[{"name":"a","image":"nginx"}]}}`,
			want: ran{out: `NotGoverned  Pod/default/"a\nb \x1b[1m"  -  -
  no policy matches

1 object reviewed: 1 NotGoverned; 0 other objects passed
`},
		},
		"a Pod on the node's /dev/shm is left alone, with the reason": {
			in: simplePod + "  hostIPC: true\n",
			want: ran{out: `NotGoverned  Pod/default/browser  -  -
  it has hostIPC and uses the node's own /dev/shm

1 object reviewed: 1 NotGoverned; 0 other objects passed
`},
		},
		"a violation is refused with exit status 1": {
			in: mountedOnDisk,
			want: ran{code: 1, out: `Violating  Pod/shop/browser  selenium  2Gi
  violates ` + diskViolation + `

1 object reviewed: 1 Violating; 0 other objects passed; 1 would be refused
`},
		},
		"--mode warn refuses nothing": {
			in: mountedOnDisk, args: "--mode warn",
			want: ran{out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `

1 object reviewed: 1 Violating; 0 other objects passed
`},
		},
		"--mode audit changes nothing and says what would be": {
			in: simplePod, args: "--mode audit",
			want: ran{out: `Mutated (audit)  Pod/default/browser  selenium  2Gi
  would be changed in mode enforce: adds a Memory emptyDir of 2Gi, mounts it at /dev/shm in "chrome"

1 object reviewed: 1 Mutated; 0 other objects passed
`},
		},
		"the label of the namespace lowers the mode": {
			in: mountedOnDisk, args: "--namespace-labels team=a,shmkeeper.dev/mode=audit",
			want: ran{out: `Violating (audit)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `

1 object reviewed: 1 Violating; 0 other objects passed
`},
		},
		"a Namespace in the stream gives its labels to its own Pods only": {
			in: "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {shmkeeper.dev/mode: warn}}}\n---\n" +
				mountedOnDisk + "---\n" + strings.Replace(mountedOnDisk, "shop", "lab", 1),
			want: ran{code: 1, out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `
Violating         Pod/lab/browser   selenium  2Gi
  violates ` + diskViolation + `

2 objects reviewed: 2 Violating; 1 other object passed; 1 would be refused
`},
		},
		"--namespace-labels come before those of a Namespace": {
			in:   "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {shmkeeper.dev/mode: warn}}}\n---\n" + mountedOnDisk,
			args: "--namespace-labels shmkeeper.dev/mode=enforce",
			want: ran{code: 1, out: `Violating  Pod/shop/browser  selenium  2Gi
  violates ` + diskViolation + `

1 object reviewed: 1 Violating; 1 other object passed; 1 would be refused
`},
		},
		"an unknown mode on the namespace is audit, with a warning": {
			in: simplePod, args: "--namespace-labels shmkeeper.dev/mode=on",
			want: ran{out: `Mutated (audit)  Pod/default/browser  selenium  2Gi
  would be changed in mode enforce: adds a Memory emptyDir of 2Gi, mounts it at /dev/shm in "chrome"
  warning: namespace "default": label shmkeeper.dev/mode: mode "on" is unknown and counts as audit: write audit, warn or enforce

1 object reviewed: 1 Mutated; 0 other objects passed
`},
		},
		"a LimitRange refuses a limit that would have to be raised above it": {
			in: `{apiVersion: v1, kind: LimitRange, metadata: {name: small}, spec: {limits: [{type: Container, max: {memory: 1Gi}}]}}
---
` + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the memory limit of container "chrome" would have to be raised from 512Mi to 2564.7Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: raise max.memory of the LimitRange to 2565Mi, or lower the size by a lower sizing.fixed

1 object reviewed: 1 Violating; 1 other object passed; 1 would be refused
`},
		},
		"a LimitRange of another namespace does not count": {
			in: `{apiVersion: v1, kind: LimitRange, metadata: {name: small, namespace: lab}, spec: {limits: [{type: Container, max: {memory: 1Gi}}]}}
---
` + simplePod,
			want: ran{out: `Mutated  Pod/default/browser  selenium  2Gi
  adds a Memory emptyDir of 2Gi, mounts it at /dev/shm in "chrome"

1 object reviewed: 1 Mutated; 1 other object passed
`},
		},
		"a ResourceQuota refuses a Pod that would have to be raised above what it leaves": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 8Gi}}, status: {hard: {limits.memory: 4Gi}, used: {limits.memory: 2Gi}}}
---
` + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod needs 2564.7Mi of limits.memory, of which shmkeeper adds 2052.7Mi for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 4Gi: raise limits.memory under spec.hard of the ResourceQuota to at least 4613Mi, or lower the size by a lower sizing.fixed

1 object reviewed: 1 Violating; 1 other object passed; 1 would be refused
`},
		},
		"nothing is used of a ResourceQuota without status": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 2Gi}}}
---
` + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod needs 2564.7Mi of limits.memory, of which shmkeeper adds 2052.7Mi for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 2Gi: raise limits.memory under spec.hard of the ResourceQuota to at least 2565Mi, or lower the size by a lower sizing.fixed

1 object reviewed: 1 Violating; 1 other object passed; 1 would be refused
`},
		},
		"a ResourceQuota counts what a LimitRange gives": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {limits.memory: 2Gi}}}
---
{apiVersion: v1, kind: LimitRange, metadata: {name: limits}, spec: {limits: [{type: Container, default: {memory: 256Mi}}]}}
---
` + simplePod,
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the Pod needs 2308.7Mi of limits.memory, of which shmkeeper adds 2052.7Mi for a /dev/shm of 2Gi, and ResourceQuota "small" leaves 2Gi of its 2Gi: raise limits.memory under spec.hard of the ResourceQuota to at least 2309Mi, or lower the size by a lower sizing.fixed
  warning: LimitRange "limits" gives container "chrome" a memory limit of 256Mi, with which it was judged

1 object reviewed: 1 Violating; 2 other objects passed; 1 would be refused
`},
		},
		"a ResourceQuota of another namespace does not count": {
			in: `{apiVersion: v1, kind: ResourceQuota, metadata: {name: small, namespace: lab}, spec: {hard: {limits.memory: 600Mi}}}
---
` + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{out: `Mutated  Pod/default/browser  selenium  2Gi
  adds a Memory emptyDir of 2Gi, mounts it at /dev/shm in "chrome", raises the memory limit of "chrome" from 512Mi to 2564.7Mi and makes its request 2564.7Mi

1 object reviewed: 1 Mutated; 1 other object passed
`},
		},
		"Lists are looked into, and -n names the namespace of what has none": {
			in:   "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}, {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}]}",
			args: "-n lab",
			want: ran{out: `NotGoverned  Pod/lab/a  -  -
  no policy matches

1 object reviewed: 1 NotGoverned; 1 other object passed
`},
		},
		"workloads of versions that are not looked at are named": {
			in: "{apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: old}}\n---\n" +
				"{apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: older, namespace: lab}}\n---\n" + mountedOnDisk,
			args: "--mode warn",
			want: ran{out: `Violating (warn)  Pod/shop/browser  selenium  2Gi
  would violate ` + diskViolation + `
note: Deployment/default/old is of extensions/v1beta1, which is not looked at: write apps/v1
note: CronJob/lab/older is of batch/v1beta1, which is not looked at: write batch/v1

1 object reviewed: 1 Violating; 2 other objects passed
`},
		},
		"workloads of other projects just pass": {
			in:   "{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, metadata: {name: a}}",
			want: ran{out: "0 objects reviewed; 1 other object passed\n"},
		},
		"a ReplicationController without a template passes": {
			in:   "{apiVersion: v1, kind: ReplicationController, metadata: {name: a}, spec: {replicas: 0}}",
			want: ran{out: "0 objects reviewed; 1 other object passed\n"},
		},
		"an empty List is no mistake": {
			in:   "{apiVersion: v1, kind: List, items: []}",
			want: ran{out: "0 objects reviewed; 0 other objects passed\n"},
		},
		"a volume of a claim template is a volume": {
			in: `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {
 volumeClaimTemplates: [{metadata: {name: data}}],
 template: {spec: {containers: [{name: a, image: nginx, volumeMounts: [{name: data, mountPath: /data}]}]}}}}`,
			want: ran{out: `NotGoverned  StatefulSet/default/a  -  -
  no policy matches

1 object reviewed: 1 NotGoverned; 0 other objects passed
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
		got := shm("{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: \"a\\nb\"}}", "review", "-f", "-", "-o", output)
		want := "note: Deployment/default/\"a\\nb\" is of apps/v1beta1, which is not looked at: write apps/v1\n"
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
			if diff := cmp.Diff(ran{out: test.want}, got, cmp.AllowUnexported(ran{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
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
    "outcome": "NotGoverned",
    "policy": "",
    "reason": "NoPolicy",
    "detail": "no policy matches",
    "sizeLimit": "",
    "patch": [],
    "violations": [],
    "warnings": []
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
