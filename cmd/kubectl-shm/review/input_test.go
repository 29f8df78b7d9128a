package review

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

func podWithVolume(limit, more string) string {
	return `apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: a
    image: a
    resources: {limits: {memory: ` + limit + `}}
    volumeMounts:
    - {name: shm, mountPath: /dev/shm}
  volumes:
  - {name: shm, emptyDir: {medium: Memory}}
` + more
}

func TestReview_BadInputHasNoOutput(t *testing.T) {
	pod := podWithVolume("1Gi", "")
	tests := map[string]struct {
		files []string // name and content in turn
		args  string
		want  string
	}{
		"YAML that is malformed": {
			[]string{"pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a\nspec: {}\n"},
			"-f pod.yaml",
			"pod.yaml:3: is not YAML: did not find expected ',' or '}': correct the syntax there",
		},
		"a Pod of 10 MiB": {
			[]string{"pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: big\n  annotations:\n    filler: " + strings.Repeat("x", 10<<20) + "\nspec: {}\n"},
			"-f pod.yaml",
			`pod.yaml:1: Pod "big" is 10485856 bytes long as JSON, and the API server takes no more than 3145728: make it smaller or split it`,
		},
		"a quantity of 1e400": {
			[]string{"pod.yaml", podWithVolume("1e400", "")},
			"-f pod.yaml",
			`pod.yaml:8: spec.containers[0].resources.limits.memory: "1e400" is beyond what Kubernetes can count: write a quantity such as 512Mi`,
		},
		"a memory limit that is negative": {
			[]string{"pod.yaml", podWithVolume("-1Gi", "")},
			"-f pod.yaml",
			`pod.yaml:8: spec.containers[0].resources.limits.memory: "-1Gi" is negative: write a quantity such as 512Mi`,
		},
		"a volume name that is given twice": {
			[]string{"pod.yaml", podWithVolume("1Gi", "  - name: shm\n    emptyDir: {}\n")},
			"-f pod.yaml",
			`pod.yaml:13: spec.volumes[1].name: "shm" is the name of another volume too: rename one of them`,
		},
		"a volume name that is given twice in an item of a List": {
			[]string{"pods.yaml", "apiVersion: v1\nkind: List\nitems:\n- " + strings.TrimRight(strings.ReplaceAll(podWithVolume("1Gi", "  - name: shm\n    emptyDir: {}\n"), "\n", "\n  "), " ")},
			"-f pods.yaml",
			`pods.yaml:16: items[0].spec.volumes[1].name: "shm" is the name of another volume too: rename one of them`,
		},
		"mistakes in several documents": {
			[]string{"pods.yaml", podWithVolume("-1Gi", "") + "---\n" + podWithVolume("x", "")},
			"-f pods.yaml",
			`pods.yaml:8: spec.containers[0].resources.limits.memory: "-1Gi" is negative: write a quantity such as 512Mi
pods.yaml:21: spec.containers[0].resources.limits.memory: "x" is not a quantity: write a quantity such as 512Mi`,
		},
		"a template without containers": {
			[]string{"job.yaml", "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec:\n  jobTemplate: {}\n"},
			"-f job.yaml",
			"job.yaml:5: spec.jobTemplate.spec.template.spec.containers: there are no containers: give at least one",
		},
		"a file that does not exist": {
			nil, "-f pod.yaml",
			"pod.yaml: there is no such file or directory: check the path",
		},
		"an empty directory": {
			[]string{"dir/README", ""},
			"-f dir",
			"dir: the directory has no *.yaml, *.yml or *.json file: name a directory that has some, or read it recursively",
		},
		"manifests without an object": {
			[]string{"none.yaml", "# rendered nothing\n---\n"},
			"-f none.yaml",
			"none.yaml: there is no object in it: check what wrote it",
		},
		"an unknown field in a policy": {
			[]string{"pod.yaml", pod, "p.yaml", clitest.Policy + "  memmory: Raise\n"},
			"-f pod.yaml -p p.yaml",
			`p.yaml:9: spec.memmory: unknown field: did you mean "memory"?`,
		},
		"a negative duration in a policy": {
			[]string{"pod.yaml", pod, "p.yaml", strings.Replace(clitest.Policy, "fixed: {size: 1Gi}", `files: {createdPerMinute: "1", fileSize: 1, retention: -1h}`, 1)},
			"-f pod.yaml -p p.yaml",
			`p.yaml:8: spec.sizing.files.retention: Invalid value: "-1h": must be a positive duration in h, m, s or ms, such as 168h: a day is 24h`,
		},
		"all that is wrong with a policy": {
			[]string{"pod.yaml", pod, "p.yaml", clitest.Policy + "    min: 5Gi\n  mode: Foo\n"},
			"-f pod.yaml -p p.yaml",
			`p.yaml:10: spec.mode: Unsupported value: "Foo": supported values: "Audit", "Enforce", "Warn"
p.yaml:7: spec.sizing: Invalid value: min must not be greater than max: lower min or raise max`,
		},
		"a policy of another version": {
			[]string{"pod.yaml", pod, "p.yaml", strings.Replace(clitest.Policy, "v1alpha1", "v2", 1)},
			"-f pod.yaml -p p.yaml",
			`p.yaml:1: apiVersion: "shmkeeper.dev/v2" is not a version of SharedMemoryPolicy: write shmkeeper.dev/v1alpha1`,
		},
		"a file of policies that has none": {
			[]string{"pod.yaml", pod},
			"-f pod.yaml -p pod.yaml",
			"pod.yaml: there is no SharedMemoryPolicy in it: name a file that has one",
		},
		"two policies of one name": {
			[]string{"pod.yaml", pod, "a/p.yaml", clitest.Policy, "b/p.yaml", clitest.Policy},
			"-f pod.yaml -p a -p b/p.yaml",
			`b/p.yaml:3: metadata.name: "p" is also the name of the policy at a/p.yaml:3: rename or remove one of them`,
		},
		"a policy that is neither built in nor a file": {
			[]string{"pod.yaml", pod},
			"-f pod.yaml -p outposts",
			"outposts: there is no such file or directory: check the path; kubectl shm policies lists the built-in ones",
		},
		"no -f": {
			nil, "",
			"-f is missing: give a file, a directory, or - for standard input; or give -k and the directory of a kustomization or chart",
		},
		"a second file without -f": {
			nil, "-f a.yaml b.yaml",
			`"b.yaml" is not a flag: write -f before each file`,
		},
		"standard input for manifests and policies": {
			nil, "-f - -p -",
			`-p: "-" is stdin, which -f reads already: give the policies as a file`,
		},
		"an unknown output": {
			nil, "-f - -o tree",
			`invalid argument "tree" for "-o, --output" flag: write report, table, diff, yaml, json, patch, sarif, junit or github: see kubectl shm review --help`,
		},
		"an unknown mode": {
			nil, "-f - --mode Enforce",
			`invalid argument "Enforce" for "--mode" flag: did you mean enforce? If not, write audit, warn or enforce: see kubectl shm review --help`,
		},
		"a namespace label without a value": {
			nil, "-f - --namespace-labels a=b,c",
			`--namespace-labels: "c" is not a label: write key=value, several with commas`,
		},
		"a namespace label that is given twice": {
			nil, "-f - --namespace-labels a=b,c=d --namespace-labels a=c",
			`--namespace-labels: "a=c" gives a label that "a=b" gives already: leave one of them out`,
		},
		"standard input without an object": {
			[]string{"none.yaml", "# rendered nothing\n"},
			"-f none.yaml -f -",
			"none.yaml, stdin: there is no object in it: check what wrote it",
		},
		"standard input twice": {
			nil, "-f - -f -",
			`stdin: is given twice: give "-" once`,
		},
		"invalid policies on standard input": {
			[]string{"pod.yaml", pod},
			"-f pod.yaml -p -",
			"stdin: there is no SharedMemoryPolicy in it: name a file that has one",
		},
		"a word that YAML takes for a boolean": {
			[]string{"pod.yaml", strings.Replace(pod, "image: a", "image: y", 1)},
			"-f pod.yaml",
			`pod.yaml:7: spec.containers[0].image: "y" is not a string, since YAML reads an unquoted y, yes or on as true: put it in quotes`,
		},
		"a namespace that could not be": {
			nil, "-f - -n A",
			`-n: "A" is not the name of a namespace: write lower-case letters, digits and -`,
		},
		"an unknown flag": {
			nil, "-f - --dry-run",
			"unknown flag: --dry-run: see kubectl shm review --help",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clitest.InDir(t, test.files...)
			got := shm("", append([]string{"review"}, strings.Fields(test.args)...)...)
			if diff := cmp.Diff(clitest.Result{Code: cli.ExitUsage, ErrOut: "error: " + test.want + "\n"}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestReview_BuiltInNameIsNeverAFile(t *testing.T) {
	clitest.InDir(t, "ray", clitest.Policy, "pod.yaml", clitest.Pod)
	if got := shm("", "review", "-f", "pod.yaml", "-p", "ray"); got.Code != cli.ExitOK || !strings.Contains(got.Out, "1 NotMatched") {
		t.Errorf("got %+v", got)
	}
	if got := shm("", "review", "-f", "pod.yaml", "-p", "./ray"); got.Code != cli.ExitOK {
		t.Errorf("the file: got %+v", got)
	}
}

func TestReview_ReportsAtMostSoMany(t *testing.T) {
	got := shm(strings.Repeat(podWithVolume("-1Gi", "---\n"), cli.MaxErrors+3), "review", "-f", "-")
	lines := strings.Split(strings.TrimSpace(got.ErrOut), "\n")
	if last := lines[len(lines)-1]; got.Code != cli.ExitUsage || len(lines) != cli.MaxErrors+1 || last != "and 3 more like these" {
		t.Errorf("got exit status %d and %d lines, the last of them %q", got.Code, len(lines), last)
	}
}
