// Command mutants compares what tools/mutate found with the mutants that policy/testdata/mutants.yaml
// justifies: it prints the score and the survivors. Without -reports it checks the list alone.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// key names a mutant by text, which stays when lines move.
type key struct {
	File     string `json:"file"`     // relative to the module's root
	Function string `json:"function"` // Name or Type.Name; absent outside of functions
	Line     string `json:"line"`     // the source line, without its indentation
	Mutator  string `json:"mutator"`
	// Nth counts, from 1, the mutants that are alike in the rest, in the order of the source.
	Nth int `json:"nth"`
}

func (k key) String() string {
	fn := cmp.Or(k.Function, "no function")
	return fmt.Sprintf("%s: %s: %q: %s, nth %d", k.File, fn, k.Line, k.Mutator, cmp.Or(k.Nth, 1))
}

// justification says why a mutant may survive.
type justification struct {
	key
	Equivalence string `json:"equivalence"` // why no input can tell the mutant from the code
	Tried       string `json:"tried"`       // an input that was tried
}

// mutant is one change of the code, and what the tests said to it.
type mutant struct {
	key
	status      string // KILLED, LIVED, NOT COVERED, TIMED OUT or NOT VIABLE: does not compile
	row, column int
}

func (m mutant) survives() bool { return m.status == "LIVED" || m.status == "NOT COVERED" }

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	listFile := flags.String("list", "policy/testdata/mutants.yaml", "the justified survivors")
	reports := flags.String("reports", "",
		"the folder of reports, FILE.json for each argument: the mutated files")
	least := flags.Float64("min", 90, "per cent of the mutants without justification to be killed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	data, err := os.ReadFile(*listFile)
	if err != nil {
		return err
	}
	var list []justification
	if err := yaml.UnmarshalStrict(data, &list); err != nil {
		return fmt.Errorf("%s: %w", *listFile, err)
	}
	faults := checkList(list)
	if *reports != "" {
		var mutants []mutant
		minutes := 0.0
		for _, file := range flags.Args() {
			found, took, err := readReport(filepath.Join(*reports, filepath.FromSlash(file)+".json"))
			if err != nil {
				return err
			}
			mutants = append(mutants, found...)
			minutes += took
		}
		faults = append(faults, compare(out, mutants, list, flags.Args(), *least)...)
		fmt.Fprintf(out, "%.1f minutes\n", minutes)
	}
	if len(faults) > 0 {
		return fmt.Errorf("mutants: with %s:\n  %s", *listFile, strings.Join(faults, "\n  "))
	}
	return nil
}

// readLines returns a key for each line of a Go file, without mutator.
func readLines(name string) ([]key, error) {
	data, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, data, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var lines []key
	for line := range strings.Lines(string(data)) {
		lines = append(lines, key{File: name, Line: strings.TrimSpace(line)})
	}
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		function := fn.Name.Name
		if fn.Recv.NumFields() == 1 {
			receiver := strings.TrimPrefix(types.ExprString(fn.Recv.List[0].Type), "*")
			function = receiver + "." + function
		}
		for i := fset.Position(fn.Pos()).Line; i <= fset.Position(fn.End()).Line; i++ {
			lines[i-1].Function = function
		}
	}
	return lines, nil
}

// readReport returns the mutants of a report in the order of the source, and its minutes.
func readReport(name string) ([]mutant, float64, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, 0, err
	}
	var report struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type, Status string
				Line, Column int
			}
		}
		Seconds float64 `json:"elapsed_time"`
	}
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, 0, fmt.Errorf("%s: not a report of mutants: %w", name, err)
	}
	var all []mutant
	for _, f := range report.Files {
		lines, err := readLines(f.Name)
		if err != nil {
			return nil, 0, err
		}
		for _, m := range f.Mutations {
			if m.Line < 1 || m.Line > len(lines) {
				return nil, 0, fmt.Errorf("%s: %s has no line %d: run it again", name, f.Name, m.Line)
			}
			k := lines[m.Line-1]
			k.Mutator = m.Type
			all = append(all, mutant{key: k, status: m.Status, row: m.Line, column: m.Column})
		}
	}
	slices.SortFunc(all, func(a, b mutant) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.row-b.row, a.column-b.column)
	})
	count := map[key]int{}
	for i := range all {
		count[all[i].key]++
		all[i].Nth = count[all[i].key]
	}
	return all, report.Seconds / 60, nil
}

// checkList returns what is wrong with the list on its own, and fills in each absent nth.
func checkList(list []justification) []string {
	var faults []string
	seen := map[key]bool{}
	for i := range list {
		j := &list[i]
		j.Nth = cmp.Or(j.Nth, 1)
		fault := func(text string) { faults = append(faults, j.String()+": "+text) }
		if seen[j.key] {
			fault("listed twice: remove one of the two")
		}
		seen[j.key] = true
		if strings.TrimSpace(j.Equivalence) == "" || strings.TrimSpace(j.Tried) == "" {
			fault("needs an equivalence and a tried input: add them, or kill the mutant with a test")
		}
		lines, err := readLines(j.File)
		if err != nil {
			fault(err.Error() + ": correct the file or remove the entry")
		} else if !slices.Contains(lines, key{File: j.File, Function: j.Function, Line: j.Line}) {
			fault("no such line in that function: correct the entry or remove it")
		}
	}
	return faults
}

// score counts the mutants of one file, or of all.
type score struct {
	status    map[string]int
	justified int
}

func (s score) viable() int {
	total := 0
	for status, n := range s.status {
		if status != "NOT VIABLE" {
			total += n
		}
	}
	return total
}

// compare prints every mutant that is neither killed nor justified, the score of each file and of
// all, and returns why the run fails. Entries about files that were not mutated do not count.
func compare(
	out io.Writer, mutants []mutant, list []justification, files []string, least float64,
) []string {
	var faults []string
	all, byFile := score{status: map[string]int{}}, map[string]*score{}
	found := map[key]mutant{}
	open := 0
	for _, m := range mutants {
		found[m.key] = m
		if byFile[m.File] == nil {
			byFile[m.File] = &score{status: map[string]int{}}
		}
		all.status[m.status]++
		byFile[m.File].status[m.status]++
		switch listed := func(j justification) bool { return j.key == m.key }; {
		case m.survives() && slices.ContainsFunc(list, listed):
			all.justified++
			byFile[m.File].justified++
			continue
		case m.survives():
			open++
		case m.status != "TIMED OUT":
			continue
		}
		fmt.Fprintf(out, "%s:%d:%d: %s: %s in %s, nth %d\n\t%s\n", m.File, m.row, m.column,
			m.status, m.Mutator, cmp.Or(m.Function, "no function"), m.Nth, m.Line)
	}
	for _, j := range list {
		if !slices.Contains(files, j.File) {
			continue
		}
		switch found[j.key].status {
		case "", "NOT VIABLE":
			faults = append(faults, j.String()+": no such mutant: correct the entry or remove it")
		case "KILLED":
			faults = append(faults, j.String()+": is killed now: remove the entry")
		}
	}
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		s := byFile[file]
		fmt.Fprintf(out, "%s: %d of %d killed, %d justified, %d timed out, %d do not compile\n", file,
			s.status["KILLED"], s.viable(), s.justified, s.status["TIMED OUT"], s.status["NOT VIABLE"])
	}
	count, total := all.status, all.viable()
	share := 100 * float64(count["KILLED"]) / float64(max(total-all.justified, 1))
	fmt.Fprintf(out, "%.1f per cent killed (%d of %d, without %d justified)\n"+
		"%d lived, %d timed out, %d do not compile\n",
		share, count["KILLED"], total-all.justified, all.justified,
		count["LIVED"]+count["NOT COVERED"], count["TIMED OUT"], count["NOT VIABLE"])
	if open > 0 {
		faults = append(faults, fmt.Sprintf("%d survivors are not listed: "+
			"kill them with tests, or justify them one by one", open))
	}
	if total > all.justified && share < least || total == 0 {
		faults = append(faults,
			fmt.Sprintf("%.1f per cent killed, less than %g: add tests", share, least))
	}
	return faults
}
