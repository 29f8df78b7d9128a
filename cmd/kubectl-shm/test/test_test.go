package test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

const object = `
  object:
    apiVersion: v1
    kind: Pod
    metadata: {name: a}
    spec: {containers: [{name: a, image: a, resources: {limits: {memory: 512Mi}}}]}
`

// pass is a case of clitest.Policy that passes.
const pass = `- name: It gets a volume
  policyFiles: [../p.yaml]` + object + `  want: {outcome: Mutated, reason: AddVolume, policy: p, containers: {a: {volume: shmkeeper-shm, sizeLimit: 1024Mi, limit: 1539Mi, request: 1536Mi}}}
`

func TestTest(t *testing.T) {
	clitest.InDir(t, "p.yaml", clitest.Policy, "tests/a.yaml", pass, "tests/sub/b.yml",
		"- name: By the library\n  library: [ray]"+object+"  want: {outcome: NotMatched, reason: NoPolicy}\n", "tests/policy.yaml", clitest.Policy, "tests/notes.txt", "- a")
	if got := shm("", "test", "tests"); got != (clitest.Result{Out: "2 cases: 2 passed\n"}) {
		t.Errorf("got %+v", got)
	}
	clitest.InDir(t, "p.yaml", clitest.Policy, "tests/a.yaml", strings.NewReplacer("AddVolume", "RaiseMemory", "1539Mi", "1Gi").Replace(pass)+strings.Replace(pass, "It gets", "Again it gets", 1))
	want := clitest.Result{Code: cli.ExitRejected, Out: `FAIL  tests/a.yaml: It gets a volume
  reason: want "RaiseMemory", got "AddVolume"
  container "a": limit: want "1Gi", got "1539Mi"
  said: adds a Memory emptyDir of 1Gi and mounts it at /dev/shm in "a", raises the memory limit of "a" from 512Mi to 1539Mi and makes its request 1536Mi
2 cases: 1 passed, 1 failed
`}
	if diff := cmp.Diff(want, shm("", "test", "tests")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := shm("", "test", "tests", "-o", "json"); got.Code != cli.ExitRejected || !strings.Contains(got.Out, `"pass": false`) || !strings.Contains(got.Out, `"problems": []`) {
		t.Errorf("got %+v", got)
	}
}

// The cases that shmkeeper is tested with are of the format, and pass.
func TestTest_OwnCases(t *testing.T) {
	got := shm("", "test", "../../../policy/policytest/cases")
	if got.Code != cli.ExitOK || !strings.HasSuffix(got.Out, " passed\n") || strings.Count(got.Out, "\n") != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestTest_BadCases(t *testing.T) {
	tests := map[string]struct{ content, want string }{
		"no list":             {"a: b\n", `a.yaml: there is no list of cases in it: write a list, with a name, an object and want for each`},
		"not YAML":            {"- {\n", "a.yaml: is not YAML: "},
		"empty":               {"", `a.yaml: there is no list of cases in it`},
		"an unknown field":    {strings.Replace(pass, "want:", "wants: {}\n  want:", 1), `a.yaml: case 1: unknown field "wants": correct it`},
		"no name":             {strings.Replace(pass, "It gets a volume", `""`, 1), `a.yaml: case 1: name: "" is empty or the name of another case: give each a sentence of its own`},
		"a name twice":        {pass + pass, `a.yaml: case 2: name: "It gets a volume" is empty or the name of another case`},
		"no object":           {"- name: a\n  want: {outcome: Mutated}\n", `a.yaml: case "a": object: is missing: write the Pod or workload there`},
		"no outcome":          {"- name: a" + object + "  want: {}\n", `a.yaml: case "a": want.outcome: is missing: write Mutated, Violating, Compliant, Exempt, Skipped or NotMatched`},
		"no policy":           {"- name: a" + object + "  want: {outcome: Mutated}\n", `a.yaml: case "a": there is no policy: name some with library or policyFiles, write them into policies, or give -p`},
		"a mistyped policy":   {"- name: a\n  library: [seleniun]" + object + "  want: {outcome: Mutated}\n", `a.yaml: case "a": library: "seleniun" is not a built-in policy: did you mean selenium? If not, kubectl shm policies lists them`},
		"an object of no Pod": {"- name: a\n  library: [ray]\n  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n  want: {outcome: Mutated}\n", `a.yaml: case "a": object: has 0 Pods or Pod templates that can be reviewed: give one that has one`},
		"an invalid policy":   {"- name: a\n  policies: [{metadata: {name: p}, spec: {}}]" + object + "  want: {outcome: Mutated}\n", `a.yaml: case "a": policies: policies[0]:1: spec.match: `},
		"an empty group":      {"- name: a\n  library: [ray]" + object + "  want: {outcome: NotMatched, reason: NoPolicy, sharing: [[]]}\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clitest.InDir(t, "a.yaml", test.content)
			got := shm("", "test", "a.yaml")
			if test.want == "" && got.Code != cli.ExitOK || test.want != "" && (got.Code != cli.ExitUsage || !strings.HasPrefix(got.ErrOut, "error: "+test.want)) {
				t.Errorf("got %+v, want %s", got, test.want)
			}
		})
	}
	clitest.InDir(t, "dir/README", "")
	for args, want := range map[string]string{
		"":        "there is nothing to test: name a directory or files of cases, as kubectl shm test --help describes them",
		"nowhere": "nowhere: there is no such file or directory: check the path",
		"dir":     "dir: there are no cases in it: write one with kubectl shm create test",
	} {
		if got := shm("", append([]string{"test"}, strings.Fields(args)...)...); got.Code != cli.ExitUsage || got.ErrOut != "error: "+want+"\n" {
			t.Errorf("%s: got %+v, want %s", args, got, want)
		}
	}
}
