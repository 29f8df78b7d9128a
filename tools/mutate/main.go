// Command mutate makes mutants of the module's packages for their tests to find. In FOLDER it writes a report for
// each file, in the form of gremlins' reports, which internal/mutants compares with the justified survivors.
//
//	mutate -reports FOLDER [-workers N] [-seconds N] [-files REGEXP] [-resume] PACKAGE...
//
// Most mutants are compiled together, into one program for each package of tests, and the environment chooses one of them.
// Those of constants, of bits and the like are compiled one by one.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/go/packages"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// source is a file with mutants.
type source struct {
	name    string // relative to the module
	path    string
	folder  string // of its package, relative to the module
	pkg     *packages.Package
	syntax  *ast.File
	text    []byte
	mutants []*mutant
	began   time.Time
}

func run(args []string) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	reports := flags.String("reports", "", "the folder for the reports")
	workers := flags.Int("workers", 2, "how many mutants are tried at a time")
	seconds := flags.Int("seconds", 20, "the processor time that the tests of one package may use, in seconds")
	only := flags.String("files", ".", "which files to mutate: a regular expression")
	resume := flags.Bool("resume", false, "mutate only files without a report")
	if err := flags.Parse(args); err != nil {
		return err
	}
	files, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-files: %w", err)
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	sources, err := load(root, flags.Args())
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &builder{root: root, work: work, seconds: *seconds}
	if err := b.weave(sources); err != nil {
		return err
	}
	var chosen []*source
	for _, s := range sources {
		_, err := os.Stat(s.report(*reports))
		if files.MatchString(s.name) && (!*resume || err != nil) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no file of %s matches %q, or all have a report already", strings.Join(flags.Args(), " "), *only)
	}
	if err := b.prepare(chosen); err != nil {
		return err
	}
	for _, s := range chosen {
		if len(s.mutants) == 0 {
			continue
		}
		if err := b.try(s, *workers); err != nil {
			return err
		}
		if err := s.write(*reports); err != nil {
			return err
		}
	}
	return nil
}

// load parses packages, and finds their mutants. What is generated has none.
func load(root string, patterns []string) ([]*source, error) {
	config := &packages.Config{Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedSyntax |
		packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports, Dir: root}
	pkgs, err := packages.Load(config, patterns...)
	if err != nil {
		return nil, err
	}
	if packages.PrintErrors(pkgs) > 0 {
		return nil, errors.New("the packages do not compile")
	}
	var out []*source
	first := 1
	for _, pkg := range pkgs {
		for i, path := range pkg.CompiledGoFiles {
			if ast.IsGenerated(pkg.Syntax[i]) {
				continue
			}
			s := &source{path: path, pkg: pkg, syntax: pkg.Syntax[i]}
			if s.name, err = filepath.Rel(root, path); err != nil {
				return nil, err
			}
			s.folder = filepath.Dir(s.name)
			if s.text, err = os.ReadFile(path); err != nil {
				return nil, err
			}
			s.mutants = find(pkg, s.syntax, first)
			first += len(s.mutants)
			out = append(out, s)
		}
	}
	return out, nil
}

func (s *source) report(folder string) string { return filepath.Join(folder, s.name+".json") }

func (s *source) write(folder string) error {
	type file struct {
		Name      string    `json:"file_name"`
		Mutations []*mutant `json:"mutations"`
	}
	data, err := json.Marshal(struct {
		Files   []file  `json:"files"`
		Seconds float64 `json:"elapsed_time"`
	}{[]file{{s.name, s.mutants}}, time.Since(s.began).Seconds()})
	if err != nil {
		return err
	}
	name := s.report(folder)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// testsOf returns the folders whose tests decide about a package, its own first.
func testsOf(root, folder string) ([]string, error) {
	out := []string{folder}
	for _, other := range tested {
		imports, err := command(root, "go", "list", "-e", "-f", `{{join .TestImports " "}} {{join .XTestImports " "}}`, "./"+other)
		if err != nil {
			return nil, err
		}
		imported := func(path string) bool { return strings.HasSuffix(path, "/"+folder) }
		if other != folder && slices.ContainsFunc(strings.Fields(imports), imported) {
			out = append(out, other)
		}
	}
	return out, nil
}

func command(dir string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
