package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// patience bounds the wait for what takes a moment in a cluster.
const patience = time.Minute

// shell runs kubectl in the root of the checkout and shows what it runs.
type shell struct {
	cp   *envtest.ControlPlane
	root string
	out  io.Writer
}

func (s *shell) heading(text string) { fmt.Fprintf(s.out, "== %s\n\n", text) }

func (s *shell) say(text string) { fmt.Fprintf(s.out, "%s\n\n", text) }

// display shows a command and what it prints, warnings and all, and returns how it ended.
func (s *shell) display(ctx context.Context, args []string) error {
	s.prompt(args)
	cmd := s.command(ctx, args)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	s.say(wrap(output.String()))
	return err
}

// kubectl shows a command that has to succeed.
func (s *shell) kubectl(ctx context.Context, args ...string) error {
	if err := s.display(ctx, args); err != nil {
		return fmt.Errorf("the command above: %w; fix what it says and run the demo again", err)
	}
	return nil
}

// rejected shows a command that has to fail.
func (s *shell) rejected(ctx context.Context, args ...string) error {
	if err := s.display(ctx, args); err == nil {
		return errors.New("the command above should have been rejected: run 'make run' and read the server's log")
	}
	return ctx.Err()
}

// summary shows a command and, instead of a line for each object, how many there are.
func (s *shell) summary(ctx context.Context, args ...string) error {
	s.prompt(args)
	output, err := s.run(ctx, args)
	if err != nil {
		return err
	}
	s.say(tally(output))
	return nil
}

// tally counts kubectl's lines by what they say of an object: "clusterrole.../shmkeeper created".
func tally(output string) string {
	var order []string
	count := map[string]int{}
	for line := range strings.Lines(output) {
		_, what, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found {
			continue
		}
		if count[what] == 0 {
			order = append(order, what)
		}
		count[what]++
	}
	for i, what := range order {
		objects := "objects"
		if count[what] == 1 {
			objects = "object"
		}
		order[i] = fmt.Sprintf("(%d %s: %s)", count[what], objects, what)
	}
	return strings.Join(order, "\n")
}

// field shows one field of a Pod in the namespace that enforces, by a command that prints nothing else. The Pod's
// long name is in a variable.
func (s *shell) field(ctx context.Context, pod, path string) error {
	fmt.Fprintf(s.out, "$ kubectl get -n %s $pod -o %s\n", enforced, quote("jsonpath="+path))
	output, err := s.run(ctx, []string{"get", "-n", enforced, pod, "-o", "jsonpath=" + path})
	if err != nil {
		return err
	}
	s.say(output)
	return nil
}

// eventually tries a command, without showing it, until its output will do.
func (s *shell) eventually(ctx context.Context, args []string, done func(output string, err error) bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		output, err := s.run(ctx, args)
		if ctx.Err() == nil && done(output, err) {
			return output, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("kubectl %s did not answer as it should within %s (%q, %w); "+
				"run 'make run' and read the server's log", line(args), patience, output, err)
		case <-time.After(pollEvery):
		}
	}
}

func (s *shell) run(ctx context.Context, args []string) (string, error) {
	cmd := s.command(ctx, args)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", line(args), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func (s *shell) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := s.cp.KubectlCommand(ctx, args...)
	cmd.Dir = s.root
	return cmd
}

func (s *shell) prompt(args []string) { fmt.Fprintf(s.out, "$ kubectl %s\n", line(args)) }

// line returns the arguments as a person would type them.
func line(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = quote(arg)
	}
	return strings.Join(words, " ")
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+-]+$`)

// quote returns s as one word of a POSIX shell.
func quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	// jsonpath='...' reads better than 'jsonpath=...'.
	name, value, found := strings.Cut(word, "=")
	if !found || !plain.MatchString(name) {
		name, value = "", word
	} else {
		name += "="
	}
	return name + "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// width is that of a terminal's line which is easily read.
const width = 100

// wrap breaks lines of prose that are too long. Tables and objects stay as they are.
func wrap(text string) string {
	var out strings.Builder
	for l := range strings.Lines(strings.TrimSpace(text)) {
		if len(l) <= width || strings.Contains(l, "  ") {
			out.WriteString(l)
			continue
		}
		at := 0
		for i, word := range strings.Fields(l) {
			switch {
			case i == 0:
			case at+1+len(word) > width:
				out.WriteString("\n  ")
				at = 2
			default:
				out.WriteByte(' ')
				at++
			}
			out.WriteString(word)
			at += len(word)
		}
		out.WriteByte('\n')
	}
	return strings.TrimRight(out.String(), "\n")
}
