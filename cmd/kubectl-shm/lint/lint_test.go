package lint

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

func TestLint(t *testing.T) {
	with := func(old, changed string) string { return strings.Replace(clitest.Policy, old, changed, 1) }
	const clean = "1 policy: 0 errors, 0 warnings\n"
	const oneWarning = "\n1 policy: 0 errors, 1 warning\n"
	const oneError = "\n1 policy: 1 error, 0 warnings\n"
	tests := map[string]struct {
		in   string
		want string
		code int
	}{
		"a policy without a fault": {in: clitest.Policy, want: clean},
		"other objects pass": {
			in:   clitest.Policy + "---\n" + clitest.Pod + "---\n# nothing\n",
			want: "1 policy: 0 errors, 0 warnings; 1 skipped (1 Pod)\n",
		},
		"an unknown field": {
			in:   clitest.Policy + "  memmory: Raise\n",
			want: `stdin:9: p: error: spec.memmory: unknown field: did you mean "memory"?` + oneError, code: cli.ExitUsage,
		},
		"a quantity of 1e400": {
			in:   with("1Gi", "1e400"),
			want: `stdin:8: p: error: spec.sizing.fixed.size: "1e400" is beyond what Kubernetes can count: write a quantity such as 512Mi` + oneError, code: cli.ExitUsage,
		},
		"a negative duration": {
			in:   with("fixed: {size: 1Gi}", `files: {createdPerMinute: "1", fileSize: 1, retention: -1h}`),
			want: `stdin:8: p: error: spec.sizing.files.retention: Invalid value: "-1h": must be a positive duration in h, m, s or ms, such as 168h: a day is 24h` + oneError, code: cli.ExitUsage,
		},
		"an error beside a warning": {
			in: clitest.Policy + "  memmory: Raise\n---\n" + with("images: [a]", "podSelector: {}"),
			want: `stdin:9: p: error: spec.memmory: unknown field: did you mean "memory"?
stdin:13: p: warning: metadata.name: "p" is also the name of the policy at stdin:3, and a cluster has only the one that was applied last: rename or remove one of them
stdin:16: p: warning: spec.match[0]: matches every Pod: name labels, images or tmpfsPaths that recognize the workload
2 policies: 1 error, 2 warnings
`, code: cli.ExitUsage,
		},
		"all faults in one go, also beside values that do not fit": {
			in: `apiVersion: shmkeeper.dev/v1alpha1
kind: SharedMemoryPolicy
metadata: {name: p}
spec:
  mode: ""
  priority: high
  existing: Keep
  containers: [a]
  mountPath: cache
  match:
  - podSelector: {matchLabels: {a: "b c"}}
    images: [ghcr.io/A/b]
  - tmpfsPaths: ""
  sizing: {fixed: 1Gi, max: 1}
  writers: {names: [App, a-, "a*", "[a-c]", b]}
`,
			want: `stdin:5: p: error: spec.mode: "" is empty: write a value, or leave the field out for its default
stdin:6: p: error: spec.priority: "high" is not a whole number: write a whole number without quotes
stdin:7: p: error: spec.existing: Unsupported value: "Keep": supported values: "Enlarge", "Leave", "Require", "SetLimit"
stdin:8: p: error: spec.containers: unknown field: remove it or correct its spelling
stdin:9: p: error: spec.mountPath: Invalid value: "cache": must be an absolute path without empty, . or .. parts, such as /dev/shm
stdin:11: p: error: spec.match[0].podSelector: Invalid value: values[0][a]: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'): correct the selector
stdin:12: p: warning: spec.match[0].images[0]: "ghcr.io/A/b" matches no image, whose path has lower-case letters only: write ghcr.io/a/b
stdin:13: p: error: spec.match[1].tmpfsPaths: "" is empty: write a value, or leave the field out for its default
stdin:14: p: error: spec.sizing.fixed: "1Gi" is not a mapping: write it with keys and values
stdin:14: p: error: spec.sizing.max: Invalid value: "1": must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi
stdin:15: p: warning: spec.writers.names[0]: "App" matches no container, whose name has lower-case letters, digits and - only: write it so
stdin:15: p: warning: spec.writers.names[1]: "a-" matches no container, whose name begins and ends with a letter or digit: remove the "-", or put "*" there
1 policy: 9 errors, 3 warnings
`, code: cli.ExitUsage,
		},
		"a mount path that covers something": {
			in:   clitest.Policy + "  mountPath: /cache\n",
			want: `stdin:9: p: warning: spec.mountPath: "/cache" is not /dev/shm: the volume hides what the image has there, and only the writers get it: make sure that the directory is empty and that no other container needs what is in it` + oneWarning,
		},
		"a match that no match condition can hold": {
			in:   with("- images: [a]", "- namespaceSelector: {matchLabels: {team: a}}"),
			want: "stdin:5: p: warning: spec.match: no match condition can tell which Pods this matches, so the API server calls the webhook for every Pod: add labels or images to each entry" + oneWarning,
		},
		"a container that names the path and is not a writer": {
			in: clitest.Policy + "  writers: {names: [app]}\n---\n" + `apiVersion: v1
kind: Pod
metadata: {name: trading}
spec:
  containers:
  - {name: app, image: a, args: [--dir=/dev/shm/x]}
  - {name: media-driver, image: b, args: [-Daeron.dir=/dev/shm/x]}
  - {name: other, image: b}
`,
			want: `stdin:9: p: warning: spec.writers.names: container "media-driver" of Pod/trading names /dev/shm too and is not among the writers: add it if it writes there, since only the memory of writers is raised
1 policy: 0 errors, 1 warning; 1 skipped (1 Pod)
`,
		},
		"errors in the order of their lines, with the line of the field": {
			in: clitest.Policy + "    min: 5Gi\n  exclude: [{images: [a, 'b@c']}]\n  mode: Foo\n",
			want: `stdin:7: p: error: spec.sizing: Invalid value: min must not be greater than max: lower min or raise max
stdin:10: p: error: spec.exclude[0].images[1]: Invalid value: "b@c": must be a repository without tag or digest, such as ghcr.io/goauthentik/proxy
stdin:11: p: error: spec.mode: Unsupported value: "Foo": supported values: "Audit", "Enforce", "Warn"
1 policy: 3 errors, 0 warnings
`, code: cli.ExitUsage,
		},
		"a policy without a name": {
			in:   with("{name: p}", "{}"),
			want: `stdin:3: : error: metadata.name: Required value: a policy needs a name: add one, such as session-stores` + oneError, code: cli.ExitUsage,
		},
		"a version that is not served": {
			in:   with("v1alpha1", "v1"),
			want: `stdin:1: p: error: apiVersion: "shmkeeper.dev/v1" is not a version of SharedMemoryPolicy: write shmkeeper.dev/v1alpha1` + oneError, code: cli.ExitUsage,
		},
		"files that are never deleted": {
			in:   with("fixed: {size: 1Gi}", `files: {createdPerMinute: "18", fileSize: 1500}`),
			want: "stdin:8: p: warning: spec.sizing.files: files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: delete old files, and set sizing.files.retention to how old they get" + oneWarning,
		},
		"a max that will fill": {
			in:   with("fixed: {size: 1Gi}", "files: {createdPerMinute: \"18\", fileSize: 1500, retention: 168h}\n    max: 256Mi"),
			want: "stdin:9: p: warning: spec.sizing.max: 256Mi fills after 2 d 12 h, as 717.0Mi are required: raise sizing.max, or shorten sizing.files.retention" + oneWarning,
		},
		"a fixed size above max, which is 4Gi if it is absent": {
			in:   with("fixed: {size: 1Gi}", "fixed: {size: 32Gi}"),
			want: `stdin:8: p: error: spec.sizing.fixed.size: Invalid value: "32Gi": must not be greater than max, which is 4Gi if it is absent: raise max or lower the size` + oneError, code: cli.ExitUsage,
		},
		"units above max": {
			in:   with("fixed: {size: 1Gi}", "units: {each: 2Gi, count: {literal: 4}}"),
			want: "stdin:7: p: warning: spec.sizing.max: 4Gi is less than the 8Gi that are required: raise sizing.max" + oneWarning,
		},
		"a share that fills the memory that has to hold it": {
			in:   with("fixed: {size: 1Gi}", "memoryPercent: {percent: 100}") + "  memory: {handling: Require, reserve: \"0\"}\n",
			want: "stdin:8: p: warning: spec.sizing.memoryPercent: 100% of a memory limit, the kernel memory for that and the reserve of 0 B are more than the limit, so memory.handling: Require rejects every container whose limit is below 4105.4Mi: lower it, or write memory.handling: Raise" + oneWarning,
		},
		"a share that fills it with its headroom": {
			in:   with("fixed: {size: 1Gi}", "memoryPercent: {percent: 80}\n    headroomPercent: 25\n    max: 1Gi") + "  memory: {handling: Require, reserve: \"0\"}\n",
			want: "stdin:8: p: warning: spec.sizing.memoryPercent: 80% and a headroomPercent of 25 of a memory limit, the kernel memory for that and the reserve of 0 B are more than the limit, so memory.handling: Require rejects every container whose limit is below 1026.4Mi: lower one of them, or write memory.handling: Raise" + oneWarning,
		},
		"a share that leaves room for its kernel memory": {in: with("fixed: {size: 1Gi}", "memoryPercent: {percent: 99}") + "  memory: {handling: Require, reserve: \"0\"}\n", want: clean},
		"a share of all memory on top of it":             {in: with("fixed: {size: 1Gi}", "memoryPercent: {percent: 100}"), want: clean},
		"a match of every Pod": {
			in:   with("images: [a]", "podSelector: {}"),
			want: "stdin:6: p: warning: spec.match[0]: matches every Pod: name labels, images or tmpfsPaths that recognize the workload" + oneWarning,
		},
		"an exclude that leaves nothing": {
			in: clitest.Policy + "  exclude: [{images: ['?']}]\n",
			want: `stdin:9: p: warning: spec.exclude[0].images[0]: "?" matches only Docker Hub's own images, docker.io/library/?: write the registry and the folder, "*" for any
stdin:9: p: warning: spec.exclude: leaves out every Pod that spec.match matches, so the policy decides about none: exclude less` + "\n1 policy: 0 errors, 2 warnings\n",
		},
		"an empty exclude, which excludes nothing": {in: clitest.Policy + "  exclude: []\n", want: clean},
		"an image pattern with capitals": {
			in:   with("[a]", "[ghcr.io/GoAuthentik/proxy]"),
			want: `stdin:6: p: warning: spec.match[0].images[0]: "ghcr.io/GoAuthentik/proxy" matches no image, whose path has lower-case letters only: write ghcr.io/goauthentik/proxy` + oneWarning,
		},
		"two policies of which one never decides": {
			in: clitest.Policy + "---\n" + with("{name: p}", "{name: q}") + "  priority: 0\n",
			want: `stdin:18: q: warning: spec.priority: 0 is also the priority of "p" at stdin:3, which matches the same: then "p" decides, as its name sorts first: give one of them another priority
2 policies: 0 errors, 1 warning
`,
		},
		"two policies of one name": {
			in: clitest.Policy + "---\n" + with("[a]", "[b]"),
			want: `stdin:12: p: warning: metadata.name: "p" is also the name of the policy at stdin:3, and a cluster has only the one that was applied last: rename or remove one of them
2 policies: 0 errors, 1 warning
`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, "lint", "-f", "-")
			want := clitest.Result{Code: test.code, Out: test.want}
			if test.code != cli.ExitOK { // bad input prints nothing but what is wrong with it
				want.Out, want.ErrOut = "", test.want
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLint_JSON(t *testing.T) {
	got := shm(clitest.Policy+"  memmory: Raise\n", "lint", "-f", "-", "-o", "json")
	want := clitest.Result{Code: cli.ExitUsage, Out: `[
  {
    "file": "stdin",
    "line": 9,
    "policy": "p",
    "severity": "error",
    "field": "spec.memmory",
    "message": "unknown field: did you mean \"memory\"?"
  }
]
`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if clean := shm(clitest.Policy, "lint", "-f", "-", "-o", "json"); clean.Out != "[]\n" || clean.Code != cli.ExitOK {
		t.Errorf("without findings: %+v", clean)
	}
}

func TestLint_UnreadableInput(t *testing.T) {
	tests := map[string]struct{ in, args, want string }{
		"malformed YAML":  {in: "a: [", args: "-f -", want: "stdin:2: is not YAML: did not find expected node content: correct the syntax there"},
		"no policy":       {in: clitest.Pod, args: "-f -", want: "stdin: there is no SharedMemoryPolicy in it, 1 skipped (1 Pod): name a file that has one"},
		"nothing":         {in: "", args: "-f -", want: "stdin: there is no object in it: check what wrote it"},
		"no -f":           {want: "-f is missing: give a file, a directory, or - for standard input"},
		"an output":       {args: "-f - -o yaml", want: `invalid argument "yaml" for "-o, --output" flag: write text or json: see kubectl shm lint --help`},
		"a missing file":  {args: "-f no.yaml", want: "no.yaml: there is no such file or directory: check the path"},
		"an unknown flag": {args: "-x", want: "unknown shorthand flag: 'x' in -x: see kubectl shm lint --help"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, append([]string{"lint"}, strings.Fields(test.args)...)...)
			if diff := cmp.Diff(clitest.Result{Code: cli.ExitUsage, ErrOut: "error: " + test.want + "\n"}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLint_LibraryAndExamplesAreClean(t *testing.T) {
	for _, dir := range []string{"../../../manifests/policies", "../../../examples"} {
		if got := shm("", "lint", "-f", dir); got.Code != cli.ExitOK || !strings.Contains(got.Out, ": 0 errors, 0 warnings") {
			t.Errorf("%s: %+v", dir, got)
		}
	}
}

func TestOddImage(t *testing.T) {
	tests := map[string]string{
		"ghcr.io/goauthentik/proxy": "",
		"nginx":                     "",
		"selenium/node-*":           "",
		"*/oracle/database*":        "",
		"*/*/oracle/database*":      "",
		"registry:5000/a":           "",
		"GHCR.io/a":                 "",
		"https://ghcr.io/a":         "matches no image: leave out the part before ://",
		"ghcr.io//a":                `matches no image: remove the "/" that has nothing before or after it`,
		"ghcr.io/a/":                `matches no image: remove the "/" that has nothing before or after it`,
		"ghcr.io/a b":               "matches no image: use letters, digits and . _ - / only",
		"ghcr.io/goauthentik/**":    `does not match deeper folders, since "**" means the same as "*": write one "*" for each part`,
		"*":                         `matches only Docker Hub's own images, docker.io/library/*: write the registry and the folder, "*" for any`,
		"*/proxy":                   "matches only images that a registry has outside of any folder: write */*/proxy for those in a folder",
	}
	for pattern, want := range tests {
		if got := oddImage(pattern); got != want {
			t.Errorf("%q: got %q, want %q", pattern, got, want)
		}
	}
}
