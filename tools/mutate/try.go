package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tested are the packages whose tests decide about every package that they import, those that kill most first; the last starts an
// API server. The tests of every other package decide about that package alone.
var tested = []string{"policy", "policy/policytest", "policy/v1alpha1"}

// skipped are tests that measure time and what is allocated, which mutants change for no reason.
const skipped = "^(TestEvaluate_HugePods|TestEvaluate_AllocatesLittle)$"

// builder compiles tests with mutants in the code.
type builder struct {
	root, work string
	seconds    int
	overlay    map[string]string // the files that the compiler reads instead
	tests      map[string][]string
}

// weave writes the files with their mutants in it.
func (b *builder) weave(sources []*source) error {
	b.overlay = map[string]string{}
	for _, s := range sources {
		woven := weave(s.pkg, s.syntax, s.text, s.mutants)
		if err := b.replace(b.overlay, s.path, woven); err != nil {
			return err
		}
		extra := filepath.Join(b.root, s.folder, "zz_mutants.go")
		if err := b.replace(b.overlay, extra, []byte("package "+s.pkg.Name+"\n"+helpers)); err != nil {
			return err
		}
	}
	return nil
}

// replace has the compiler read a text instead of a file.
func (b *builder) replace(overlay map[string]string, path string, text []byte) error {
	file, err := os.CreateTemp(b.work, "*.go")
	if err != nil {
		return err
	}
	overlay[path] = file.Name()
	if _, err := file.Write(text); err != nil {
		return err
	}
	return file.Close()
}

// prepare builds the tests of all packages that decide about the sources, and sees them pass without a mutant.
func (b *builder) prepare(sources []*source) error {
	b.tests = map[string][]string{}
	built := map[string]bool{}
	for _, s := range sources {
		if b.tests[s.folder] != nil {
			continue
		}
		var err error
		if b.tests[s.folder], err = testsOf(b.root, s.folder); err != nil {
			return err
		}
		for _, folder := range b.tests[s.folder] {
			if built[folder] {
				continue
			}
			built[folder] = true
			if err := b.build(b.overlay, folder, b.program(folder)); err != nil {
				return err
			}
			if passed, out := b.pass(folder, b.program(folder), 0, 10*b.seconds); !passed {
				return fmt.Errorf("the tests of %s fail without a mutant:\n%s", folder, out)
			}
		}
	}
	return nil
}

func (b *builder) program(folder string) string {
	return filepath.Join(b.work, strings.ReplaceAll(folder, "/", "-")+".test")
}

func (b *builder) build(overlay map[string]string, folder, program string) error {
	data, err := json.Marshal(map[string]map[string]string{"Replace": overlay})
	if err != nil {
		return err
	}
	file := program + ".json"
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return err
	}
	_, err = command(b.root, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", file, "-o", program, "./"+folder)
	return err
}

// pass runs the tests of a package with a mutant, 0 for none, and reports whether they pass. They have a limit of
// processor time, which a busy machine does not use up, and one of memory: a mutant may append without end.
func (b *builder) pass(folder, program string, id, seconds int) (bool, string) {
	cmd := exec.Command("sh", "-c", `ulimit -v 8388608 2>/dev/null; ulimit -t "$1"; shift; exec "$@"`, "sh", strconv.Itoa(seconds),
		program, "-test.failfast", "-test.timeout=30m", "-test.skip="+skipped)
	cmd.Dir = filepath.Join(b.root, folder)
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(id))
	out, err := cmd.CombinedOutput()
	// Under -failfast Go ends with 0 where a seed of a fuzz target fails.
	return err == nil && !strings.Contains("\n"+string(out), "\n--- FAIL"), string(out)
}

// try finds out what happens to each mutant of a file.
func (b *builder) try(s *source, workers int) error {
	s.began = time.Now()
	queue := make(chan *mutant)
	faults := make(chan error, len(s.mutants)+1)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for m := range queue {
				faults <- b.judge(s, m)
			}
		})
	}
	for _, m := range s.mutants {
		queue <- m
	}
	close(queue)
	all.Wait()
	close(faults)
	count := map[string]int{}
	for _, m := range s.mutants {
		count[m.Status]++
		if m.Status == "LIVED" {
			fmt.Printf("%s:%d:%d: %s lived\n", s.name, m.Line, m.Column, m.Type)
		}
	}
	fmt.Printf("%s: %d mutants, %d killed, %.0f s\n", s.name, len(s.mutants), count["KILLED"], time.Since(s.began).Seconds())
	for err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

var faultOfCode = regexp.MustCompile(`(?m)^[^ ]*[.]go:[0-9]+:[0-9]+: `)

// judge sets a mutant's status.
func (b *builder) judge(s *source, m *mutant) error {
	m.Status = "LIVED"
	overlay := map[string]string{}
	if !m.woven {
		if err := b.replace(overlay, s.path, alone(s.text, m)); err != nil {
			return err
		}
		defer os.Remove(overlay[s.path])
	}
	for _, folder := range b.tests[s.folder] {
		program, id := b.program(folder), m.id
		if !m.woven {
			program, id = filepath.Join(b.work, fmt.Sprintf("alone-%d.test", m.id)), 0
			if err := b.build(overlay, folder, program); err != nil {
				if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && faultOfCode.MatchString(err.Error()) {
					m.Status = "NOT VIABLE"
					return nil
				}
				return err
			}
		}
		passed, _ := b.pass(folder, program, id, b.seconds)
		if !m.woven {
			_ = os.Remove(program)
			_ = os.Remove(program + ".json")
		}
		if !passed {
			m.Status = "KILLED"
			return nil
		}
	}
	return nil
}
