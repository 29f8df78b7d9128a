package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const code = `package policy

const unit = 1 + 1

func (s *Set[T]) Grow(a, b int) bool {
	if a > b && a > 0 {
		return true
	}
	return b > 0
}

func size(a int) int {
	return a * 2
}
`

type reported struct {
	Type   string `json:"type"`
	Status string `json:"status"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

const entry = `
- file: policy/set.go
  function: Set[T].Grow
  line: if a > b && a > 0 {
  mutator: CONDITIONALS_BOUNDARY
  nth: 2
  equivalence: A zero takes the same way.
  tried: a 0 and b -1
`

const survivor = `policy/set.go:6:16: LIVED: CONDITIONALS_BOUNDARY in Set[T].Grow, nth 2
	if a > b && a > 0 {
`

func TestRun(t *testing.T) {
	const (
		entryName = `policy/set.go: Set[T].Grow: "if a > b && a > 0 {": CONDITIONALS_BOUNDARY, nth 2`
		with      = "mutants: with policy/testdata/mutants.yaml:\n  "
	)
	kills := func(n int) []reported {
		out := make([]reported, n)
		for i := range out {
			out[i] = reported{"ARITHMETIC_BASE", "KILLED", 13, 11 + i}
		}
		return out
	}
	second := func(status string) reported { return reported{"CONDITIONALS_BOUNDARY", status, 6, 16} }
	first := reported{"CONDITIONALS_BOUNDARY", "KILLED", 6, 7}

	tests := map[string]struct {
		list    string
		mutants []reported
		files   []string // policy/set.go unless given
		out     string
		err     string
	}{
		"all mutants are killed": {
			list: "[]", mutants: kills(1),
			out: "policy/set.go: 1 of 1 killed, 0 justified, 0 timed out, 0 do not compile\n" +
				"100.0 per cent killed (1 of 1, without 0 justified)\n" +
				"0 lived, 0 timed out, 0 do not compile\n1.5 minutes\n",
		},
		"a survivor that is listed leaves the score alone": {
			list: entry, mutants: append(kills(1), second("LIVED"), first),
			out: "policy/set.go: 2 of 3 killed, 1 justified, 0 timed out, 0 do not compile\n" +
				"100.0 per cent killed (2 of 2, without 1 justified)\n" +
				"1 lived, 0 timed out, 0 do not compile\n1.5 minutes\n",
		},
		"a survivor that is not listed fails the run whatever the score": {
			list: "[]", mutants: append(kills(99), first, second("LIVED")),
			out: survivor + "policy/set.go: 100 of 101 killed, 0 justified, 0 timed out, 0 do not compile\n" +
				"99.0 per cent killed (100 of 101, without 0 justified)\n" +
				"1 lived, 0 timed out, 0 do not compile\n1.5 minutes\n",
			err: with + "1 survivors are not listed: kill them with tests, or justify them one by one",
		},
		"a mutant that no test covers is a survivor": {
			list: "[]", mutants: append(kills(9), reported{"ARITHMETIC_BASE", "NOT COVERED", 3, 16}),
			out: "policy/set.go:3:16: NOT COVERED: ARITHMETIC_BASE in no function, nth 1\n" +
				"\tconst unit = 1 + 1\n" +
				"policy/set.go: 9 of 10 killed, 0 justified, 0 timed out, 0 do not compile\n" +
				"90.0 per cent killed (9 of 10, without 0 justified)\n" +
				"1 lived, 0 timed out, 0 do not compile\n1.5 minutes\n",
			err: with + "1 survivors are not listed: kill them with tests, or justify them one by one",
		},
		"a mutant that timed out is not a survivor, and not killed either": {
			list: "[]", mutants: append(kills(8), reported{"CONDITIONALS_NEGATION", "TIMED OUT", 9, 11}),
			out: "policy/set.go:9:11: TIMED OUT: CONDITIONALS_NEGATION in Set[T].Grow, nth 1\n" +
				"\treturn b > 0\n" +
				"policy/set.go: 8 of 9 killed, 0 justified, 1 timed out, 0 do not compile\n" +
				"88.9 per cent killed (8 of 9, without 0 justified)\n" +
				"0 lived, 1 timed out, 0 do not compile\n1.5 minutes\n",
			err: with + "88.9 per cent killed, less than 90: add tests",
		},
		"a mutant that does not compile is not counted": {
			list: "[]", mutants: append(kills(9), reported{"ARITHMETIC_BASE", "NOT VIABLE", 3, 16}),
			out: "policy/set.go: 9 of 9 killed, 0 justified, 0 timed out, 1 do not compile\n" +
				"100.0 per cent killed (9 of 9, without 0 justified)\n" +
				"0 lived, 0 timed out, 1 do not compile\n1.5 minutes\n",
		},
		"a run without mutants proves nothing": {
			list: "[]",
			out: "0.0 per cent killed (0 of 0, without 0 justified)\n" +
				"0 lived, 0 timed out, 0 do not compile\n1.5 minutes\n",
			err: with + "0.0 per cent killed, less than 90: add tests",
		},
		"an entry whose mutant is killed": {
			list: entry, mutants: []reported{first, second("KILLED")},
			out: "policy/set.go: 2 of 2 killed, 0 justified, 0 timed out, 0 do not compile\n" +
				"100.0 per cent killed (2 of 2, without 0 justified)\n" +
				"0 lived, 0 timed out, 0 do not compile\n1.5 minutes\n",
			err: with + entryName + ": is killed now: remove the entry",
		},
		"an entry whose mutant is not there": {
			list: entry, mutants: []reported{first},
			out: "policy/set.go: 1 of 1 killed, 0 justified, 0 timed out, 0 do not compile\n" +
				"100.0 per cent killed (1 of 1, without 0 justified)\n" +
				"0 lived, 0 timed out, 0 do not compile\n1.5 minutes\n",
			err: with + entryName + ": no such mutant: correct the entry or remove it",
		},
		"an entry about a file that was not mutated": {
			list: entry, mutants: []reported{first}, files: []string{"policy/other.go"},
			out: "policy/other.go: 1 of 1 killed, 0 justified, 0 timed out, 0 do not compile\n" +
				"100.0 per cent killed (1 of 1, without 0 justified)\n" +
				"0 lived, 0 timed out, 0 do not compile\n1.5 minutes\n",
		},
		"a report of other code": {
			list: "[]", mutants: []reported{{"ARITHMETIC_BASE", "LIVED", 99, 1}},
			err: "reports/policy/set.go.json: policy/set.go has no line 99: run it again",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inModule(t, tt.list)
			files := tt.files
			if files == nil {
				files = []string{"policy/set.go"}
			}
			write(t, "policy/other.go", code)
			report, err := json.Marshal(map[string]any{
				"elapsed_time": 90,
				"files":        []any{map[string]any{"file_name": files[0], "mutations": tt.mutants}},
			})
			if err != nil {
				t.Fatal(err)
			}
			write(t, "reports/"+files[0]+".json", string(report))
			var out strings.Builder
			err = run(append([]string{"-reports", "reports"}, files...), &out)
			if diff := cmp.Diff(tt.out, out.String()); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.err, message(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun_ListAlone(t *testing.T) {
	const (
		with       = "mutants: with policy/testdata/mutants.yaml:\n  "
		entryName  = `policy/set.go: Set[T].Grow: "if a > b && a > 0 {": CONDITIONALS_BOUNDARY, nth 2: `
		incomplete = "needs an equivalence and a tried input: " +
			"add them, or kill the mutant with a test"
	)
	tests := map[string]struct{ list, err string }{
		"an empty list":  {list: "[]"},
		"a proper entry": {list: entry},
		"a line outside of functions": {
			list: strings.NewReplacer(
				"  function: Set[T].Grow\n", "", "if a > b && a > 0 {", "const unit = 1 + 1",
			).Replace(entry),
		},
		"an entry that is listed twice": {
			list: entry + entry, err: with + entryName + "listed twice: remove one of the two",
		},
		"an entry without an input that was tried": {
			list: strings.Replace(entry, "a 0 and b -1", `" "`, 1),
			err:  with + entryName + incomplete,
		},
		"an entry without an equivalence": {
			list: strings.Replace(entry, "  equivalence: A zero takes the same way.\n", "", 1),
			err:  with + entryName + incomplete,
		},
		"a line that is not in the function": {
			list: strings.Replace(entry, "function: Set[T].Grow", "function: size", 1),
			err: with + `policy/set.go: size: "if a > b && a > 0 {": CONDITIONALS_BOUNDARY, nth 2: ` +
				"no such line in that function: correct the entry or remove it",
		},
		"a file that is gone": {
			list: strings.Replace(entry, "set.go", "gone.go", 1),
			err: with + `policy/gone.go: Set[T].Grow: "if a > b && a > 0 {": CONDITIONALS_BOUNDARY, nth 2: ` +
				"open policy/gone.go: no such file or directory: " +
				"correct the file or remove the entry",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inModule(t, tt.list)
			var out strings.Builder
			err := run(nil, &out)
			if diff := cmp.Diff(tt.err, message(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if out.Len() > 0 {
				t.Errorf("printed %q, want nothing", out.String())
			}
		})
	}
}

func TestRun_UnknownField(t *testing.T) {
	inModule(t, entry+"  reason: none\n")
	var out strings.Builder
	err := run(nil, &out)
	if got := message(err); !strings.Contains(got, `unknown field "reason"`) {
		t.Errorf("error %q, want one that names the unknown field", got)
	}
}

// inModule makes a temporary folder with the code and the list the working directory.
func inModule(t *testing.T, list string) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "policy/set.go", code)
	write(t, "policy/testdata/mutants.yaml", list)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
