package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLint(t *testing.T) {
	with := func(old, changed string) string { return strings.Replace(policyFile, old, changed, 1) }
	const clean = "1 policy: 0 errors, 0 warnings; 0 other objects passed\n"
	const oneWarning = "\n1 policy: 0 errors, 1 warning; 0 other objects passed\n"
	const oneError = "\n1 policy: 1 error, 0 warnings; 0 other objects passed\n"
	tests := map[string]struct {
		in   string
		want string
		code int
	}{
		"a policy without a fault": {in: policyFile, want: clean},
		"other objects pass": {
			in:   policyFile + "---\n" + simplePod + "---\n# nothing\n",
			want: "1 policy: 0 errors, 0 warnings; 1 other object passed\n",
		},
		"an unknown field": {
			in:   policyFile + "  memmory: Raise\n",
			want: `stdin:9: p: error: spec.memmory: unknown field: did you mean "memory"?` + oneError, code: exitUsage,
		},
		"a quantity of 1e400": {
			in:   with("1Gi", "1e400"),
			want: `stdin:8: p: error: spec.sizing.fixed: "1e400" is beyond what Kubernetes can count: write a quantity such as 512Mi` + oneError, code: exitUsage,
		},
		"a negative duration": {
			in:   with("fixed: 1Gi", `files: {createdPerMinute: "1", fileSize: 1, retention: -1h}`),
			want: `stdin:8: p: error: spec.sizing.files.retention: Invalid value: "-1h": must be a positive duration in h, m, s or ms, such as 168h: a day is 24h` + oneError, code: exitUsage,
		},
		"an error beside a warning": {
			in: policyFile + "  memmory: Raise\n---\n" + with("images: [a]", "podSelector: {}"),
			want: `stdin:9: p: error: spec.memmory: unknown field: did you mean "memory"?
stdin:13: p: warning: metadata.name: "p" is also the name of the policy at stdin:3, and a cluster has only the one that was applied last: rename or remove one of them
stdin:15: p: warning: spec.match: matches every Pod: name labels, images or tmpfsPaths that recognise the workload
2 policies: 1 error, 2 warnings; 0 other objects passed
`, code: exitUsage,
		},
		"a value that does not fit, beside others": {
			in:   policyFile + "  priority: high\n  mode: Foo\n",
			want: `stdin:9: p: error: spec.priority: "high" is not a whole number: write a whole number without quotes` + oneError, code: exitUsage,
		},
		"errors in the order of their lines, with the line of the field": {
			in: policyFile + "    min: 5Gi\n  exclude: {images: [a, 'b@c']}\n  mode: Foo\n",
			want: `stdin:7: p: error: spec.sizing: Invalid value: min must not be greater than max: lower min or raise max
stdin:10: p: error: spec.exclude.images[1]: Invalid value: "b@c": must be a repository without tag or digest, such as ghcr.io/goauthentik/proxy
stdin:11: p: error: spec.mode: Unsupported value: "Foo": supported values: "Audit", "Enforce", "Warn"
1 policy: 3 errors, 0 warnings; 0 other objects passed
`, code: exitUsage,
		},
		"a policy without a name": {
			in:   with("{name: p}", "{}"),
			want: `stdin:3: : error: metadata.name: Required value: a policy needs a name: add one, such as session-stores` + oneError, code: exitUsage,
		},
		"a version that is not served": {
			in:   with("v1alpha1", "v1"),
			want: `stdin:1: p: error: apiVersion: "shmkeeper.dev/v1" is not a version of SharedMemoryPolicy: write shmkeeper.dev/v1alpha1` + oneError, code: exitUsage,
		},
		"files that are never deleted": {
			in:   with("fixed: 1Gi", `files: {createdPerMinute: "18", fileSize: 1500}`),
			want: "stdin:8: p: warning: spec.sizing.files: without retention no file is ever deleted and no size is enough: 4Gi fills after 40 d 10 h; make the program delete files, and say by retention when" + oneWarning,
		},
		"a max that will fill": {
			in:   with("fixed: 1Gi", "files: {createdPerMinute: \"18\", fileSize: 1500, retention: 168h}\n    max: 256Mi"),
			want: "stdin:9: p: warning: spec.sizing.max: 256Mi is less than the 717.0Mi that are needed, and fills after 2 d 12 h: raise max or shorten the retention" + oneWarning,
		},
		"a max below the demand of a size that is given": {
			in:   with("fixed: 1Gi", "fixed: 8Gi"),
			want: "stdin:7: p: warning: spec.sizing.max: 4Gi is less than the 8Gi that are needed: raise max" + oneWarning,
		},
		"a share that fills the memory that has to hold it": {
			in:   with("fixed: 1Gi", "memoryPercent: 100") + "  memory: Require\n",
			want: "stdin:8: p: warning: spec.sizing.memoryPercent: 100% of a memory limit and the kernel memory for that are more than the limit, so that memory: Require refuses every container whose limit is below 4105.4Mi: lower it, or write memory: Raise" + oneWarning,
		},
		"a share that fills it with its headroom": {
			in:   with("fixed: 1Gi", "memoryPercent: 80\n    headroomPercent: 25\n    max: 1Gi") + "  memory: Require\n",
			want: "stdin:8: p: warning: spec.sizing.memoryPercent: 80% and a headroomPercent of 25 of a memory limit and the kernel memory for that are more than the limit, so that memory: Require refuses every container whose limit is below 1026.4Mi: lower one of them, or write memory: Raise" + oneWarning,
		},
		"a share that leaves room for its kernel memory": {in: with("fixed: 1Gi", "memoryPercent: 99") + "  memory: Require\n", want: clean},
		"a share of all memory on top of it":             {in: with("fixed: 1Gi", "memoryPercent: 100"), want: clean},
		"a match of every Pod": {
			in:   with("images: [a]", "podSelector: {}"),
			want: "stdin:5: p: warning: spec.match: matches every Pod: name labels, images or tmpfsPaths that recognise the workload" + oneWarning,
		},
		"an exclude that leaves nothing": {
			in: policyFile + "  exclude: {images: ['?']}\n",
			want: `stdin:9: p: warning: spec.exclude.images[0]: "?" matches only Docker Hub's own images, docker.io/library/?: write the registry and the folder, "*" for any
stdin:9: p: warning: spec.exclude: leaves out every Pod that spec.match matches, so that the policy governs none: exclude less` + "\n1 policy: 0 errors, 2 warnings; 0 other objects passed\n",
		},
		"an empty exclude, which excludes nothing": {in: policyFile + "  exclude: {}\n", want: clean},
		"an image pattern with capitals": {
			in:   with("[a]", "[ghcr.io/GoAuthentik/proxy]"),
			want: `stdin:6: p: warning: spec.match.images[0]: "ghcr.io/GoAuthentik/proxy" matches no image, whose path has small letters only: write ghcr.io/goauthentik/proxy` + oneWarning,
		},
		"two policies of which one never governs": {
			in: policyFile + "---\n" + with("{name: p}", "{name: q}") + "  priority: 0\n",
			want: `stdin:18: q: warning: spec.priority: 0 is also the priority of "p" at stdin:3, which has the same match; then "p" governs, since its name sorts first: give one of them another priority
2 policies: 0 errors, 1 warning; 0 other objects passed
`,
		},
		"two policies of one name": {
			in: policyFile + "---\n" + with("[a]", "[b]"),
			want: `stdin:12: p: warning: metadata.name: "p" is also the name of the policy at stdin:3, and a cluster has only the one that was applied last: rename or remove one of them
2 policies: 0 errors, 1 warning; 0 other objects passed
`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, "lint", "-f", "-")
			want := ran{code: test.code, out: test.want}
			if test.code != exitOK { // bad input prints nothing but what is wrong with it
				want.out, want.errOut = "", test.want
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(ran{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLintFindingsAsJSON(t *testing.T) {
	got := shm(policyFile+"  memmory: Raise\n", "lint", "-f", "-", "-o", "json")
	want := ran{code: exitUsage, out: `[
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
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ran{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if clean := shm(policyFile, "lint", "-f", "-", "-o", "json"); clean.out != "[]\n" || clean.code != exitOK {
		t.Errorf("without findings: %+v", clean)
	}
}

func TestLintFailsOnWhatCannotBeRead(t *testing.T) {
	tests := map[string]struct{ in, args, want string }{
		"malformed YAML":  {in: "a: [", args: "-f -", want: "stdin:2: is not YAML: did not find expected node content: mend the syntax there"},
		"nothing":         {in: "", args: "-f -", want: "stdin: there is no object in it: check what wrote it"},
		"no -f":           {want: "-f is missing: give a file, a directory, or - for standard input"},
		"an output":       {args: "-f - -o yaml", want: `-o: "yaml" is unknown: write text or json`},
		"a missing file":  {args: "-f no.yaml", want: "no.yaml: there is no such file or directory: check the path"},
		"an unknown flag": {args: "-x", want: "unknown shorthand flag: 'x' in -x: see kubectl shm lint --help"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, append([]string{"lint"}, strings.Fields(test.args)...)...)
			if diff := cmp.Diff(ran{code: exitUsage, errOut: "error: " + test.want + "\n"}, got, cmp.AllowUnexported(ran{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTheLibraryAndTheExamplesAreClean(t *testing.T) {
	for _, dir := range []string{"../../manifests/policies", examples} {
		if got := shm("", "lint", "-f", dir); got.code != exitOK || !strings.Contains(got.out, ": 0 errors, 0 warnings; ") {
			t.Errorf("%s: %+v", dir, got)
		}
	}
}

func TestOddImages(t *testing.T) {
	tests := map[string]string{
		"ghcr.io/goauthentik/proxy": "",
		"nginx":                     "",
		"selenium/node-*":           "",
		"*/oracle/database*":        "",
		"*/*/oracle/database*":      "",
		"registry:5000/a":           "",
		"GHCR.io/a":                 "",
		"https://ghcr.io/a":         "matches no image: leave out the part before ://",
		"ghcr.io//a":                `matches no image: remove the "/" that has nothing before or behind it`,
		"ghcr.io/a/":                `matches no image: remove the "/" that has nothing before or behind it`,
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
