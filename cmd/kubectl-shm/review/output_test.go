package review

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/internal/version"
)

func TestReview_NotesOnStandardError(t *testing.T) {
	for _, output := range []string{"json", "yaml", "diff", "patch"} {
		got := shm("{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: \"a\\nb\"}, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}", "review", "-f", "-", "-o", output)
		want := "note: Deployment/default/\"a\\nb\" has a Pod template that is not looked at: it is of apps/v1beta1, which no API server has any more: write apps/v1\n"
		if got.ErrOut != want || got.Code != cli.ExitOK {
			t.Errorf("-o %s: exit status %d, got %q, want %q", output, got.Code, got.ErrOut, want)
		}
	}
}

func TestReview_YAML(t *testing.T) {
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
			in: clitest.Pod + "    fieldOfTomorrow: 7\n  otherOfTomorrow: [x]\n",
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
			if diff := cmp.Diff(test.want, got.Out); diff != "" {
				t.Errorf("exit status %d (-want +got)\n%s", got.Code, diff)
			}
			if again := shm(got.Out, "review", "-f", "-", "-o", "yaml"); again.Out != got.Out {
				t.Errorf("the second review gives\n%s", again.Out)
			}
		})
	}
}

func TestReview_ViolationsOnStandardError(t *testing.T) {
	for _, output := range []string{"yaml", "diff", "patch"} {
		t.Run(output, func(t *testing.T) {
			want := clitest.Result{Code: 1, ErrOut: "Pod/shop/browser: violates " + diskViolation + "\n"}
			switch output {
			case "yaml":
				want.Out = mountedOnDisk
			case "patch":
				want.Out = "[]\n"
			}
			got := shm(mountedOnDisk, "review", "-f", "-", "-o", output)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestReview_JSONHasAllFieldsAndNoNullLists(t *testing.T) {
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
    "notes": [],
    "version": "1",
    "tool": "kubectl-shm VERSION",
    "policies": [
      "library"
    ],
    "apiVersion": "v1",
    "file": "stdin",
    "line": 1,
    "mode": "",
    "replicas": 1,
    "checks": [],
    "before": {
      "sizeLimitBytes": 0,
      "memoryLimitBytes": 0,
      "memoryRequestBytes": 0
    },
    "after": {
      "sizeLimitBytes": 0,
      "memoryLimitBytes": 0,
      "memoryRequestBytes": 0
    }
  }
]
`
	if diff := cmp.Diff(want, strings.ReplaceAll(got.Out, version.Text(), "VERSION")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	empty := shm("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}", "review", "-f", "-", "-o", "json")
	if empty.Out != "[]\n" {
		t.Errorf("without subjects: %q", empty.Out)
	}
}

func TestReview_LineNumbersOfADiff(t *testing.T) {
	in := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n" + clitest.Pod + "---\n" + strings.Replace(clitest.Pod, "  name: browser\n", "  name: other\n  namespace: lab\n  labels:\n    a: a\n    b: b\n    c: c\n    d: d\n", 1) + "  restartPolicy: Never\n  hostname: a\n  subdomain: b\n  nodeName: c\n  priority: 1\n  hostAliases: []\n  overhead: {}\n  dnsPolicy: Default\n  volumes:\n  - name: x\n    emptyDir: {}\n"
	after := strings.Split(shm(in, "review", "-f", "-", "-o", "yaml").Out, "\n")
	before := strings.Split(in, "\n")
	diff := shm(in, "review", "-f", "-", "-o", "diff").Out
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
