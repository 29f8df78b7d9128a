package runbooks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// Trial says how a command is tried.
type Trial struct {
	// Command is as in the page, with the words in capitals that stand for something else.
	Command string
	// Shows is a regular expression that what it prints matches. Without one there is nothing to print, as in a
	// cluster where nothing is wrong, and grep may find nothing.
	Shows string
	// Status is the exit status that belongs to it.
	Status int
	// Then is the command that is tried next, again and again until it succeeds. One that ends in "&" runs meanwhile.
	Then string
}

// Shell is what commands are run in.
type Shell struct {
	Dir string   // the current folder
	Env []string // KUBECONFIG, and a PATH with kubectl and kubectl-shm
	// Replace has what the words in capitals stand for, and Instead other texts that a test replaces.
	Replace, Instead map[string]string
}

// capitals is a word that stands for something else.
var capitals = regexp.MustCompile(`\b[A-Z]{3,}\b`)

// limit is how long a command may take.
const limit = 2 * time.Minute

// Run runs the command in bash and returns an error unless it prints what it should.
func (t Trial) Run(ctx context.Context, shell Shell) error {
	command, then := shell.replaced(t.Command), shell.replaced(t.Then)
	script := command
	if then != "" {
		script = "set -e\n" + command + "\nuntil " + then + "; do sleep 0.1; done 2>/dev/null"
	}
	if strings.HasSuffix(command, "&") {
		script += "; kill $!"
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = shell.Dir, shell.Env
	cmd.WaitDelay = 5 * time.Second // for what it has left in the background
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	status := cmd.ProcessState.ExitCode()
	nothingFound := t.Shows == "" && status == 1 && errOut.Len() == 0
	switch {
	case status != t.Status && !nothingFound:
		return fmt.Errorf("%s: %w: %s", command, cmp.Or(err, errors.New("it ends without an error")), errOut.String())
	case t.Shows == "" && strings.TrimSpace(out.String()) != "":
		return fmt.Errorf("%s: it prints\n%s; want nothing", command, out.String())
	case t.Shows != "" && !regexp.MustCompile(`(?m)`+t.Shows).Match(out.Bytes()):
		return fmt.Errorf("%s: it prints\n%s; want a match of %q", command, out.String(), t.Shows)
	}
	return nil
}

// replaced returns a command with what the shell has in place of its words.
func (s Shell) replaced(command string) string {
	command = capitals.ReplaceAllStringFunc(command, func(word string) string {
		if value, known := s.Replace[word]; known {
			return value
		}
		return word
	})
	for text, with := range s.Instead {
		command = strings.ReplaceAll(command, text, with)
	}
	return command
}
