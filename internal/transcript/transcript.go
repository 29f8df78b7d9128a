// Package transcript runs what a page of docs shows: a page is followed from its top, in one folder.
//
// The fenced blocks of a page are steps, by the language that they name:
//
//	console  commands, each after "$ ", and below it what it prints. A line "..." stands for any
//	         lines, and "…" within a line for any text. "(exit status 1)" ends the output of a
//	         command that fails so. A command goes on in lines that begin with "> ".
//	sh       a script, which has to succeed
//	yaml     a file, if its first line is a comment that names one: # deployment.yaml
//
// Other languages are for reading. So is a block below the comment <!-- not run: why -->. The
// comment <!-- run: command --> is a step that the reader does not see: it makes what the page
// takes to be there already.
//
// A page that needs a cluster says so by <!-- cluster -->, or <!-- cluster: of its own --> if other
// pages would be in the way. ": in a checkout" or ", in a checkout" at its end asks for the files of
// this repository: else a page is followed in an empty folder.
package transcript

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Step represents a command or a file of a page.
type Step struct {
	Line int // of the page, from 1
	// File is the name of the file to write Text to; without it Text is a command.
	File, Text string
	// Shown says that Want is what the command prints.
	Shown  bool
	Want   []string
	Status int
}

// Page represents what a page of docs has the reader do.
type Page struct {
	Steps []Step
	// Cluster says that the page needs a cluster, Own that it has to be one of its own, and Checkout
	// that the page needs the files of this repository.
	Cluster, Own, Checkout bool
	// NotRun are the blocks that the page says are not run, each with the reason.
	NotRun []string
	// Indented are the lines of blocks that are code by their indentation alone, of which nobody knows what they are.
	Indented []int
}

var (
	fileName = regexp.MustCompile(`^# ([\w./-]+\.(?:ya?ml|json|rego|tf))$`)
	status   = regexp.MustCompile(`^\(exit status (\d+)\)$`)
	notRun   = regexp.MustCompile(`^<!-- not run: (.+) -->$`)
	cluster  = regexp.MustCompile(`^<!-- cluster(: of its own)?([:,] in a checkout)? -->$`)
	unseen   = regexp.MustCompile(`^<!-- run: (.+) -->$`)
)

// Parse returns the steps of a page.
func Parse(text string) (Page, error) {
	var p Page
	lines := strings.Split(text, "\n")
	reason, blank := "", true
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if m := notRun.FindStringSubmatch(line); m != nil {
			reason = m[1]
			continue
		}
		if m := cluster.FindStringSubmatch(line); m != nil {
			p.Cluster, p.Own, p.Checkout = true, m[1] != "", m[2] != ""
			continue
		} else if strings.HasPrefix(line, "<!-- cluster") {
			return p, fmt.Errorf("line %d: %s: write <!-- cluster -->, and of its own, in a checkout after a colon", i+1, line)
		}
		if m := unseen.FindStringSubmatch(line); m != nil {
			p.Steps = append(p.Steps, Step{Line: i + 1, Text: m[1]})
			continue
		}
		language, fenced := strings.CutPrefix(line, "```")
		if !fenced {
			if blank && strings.HasPrefix(line, "    ") {
				p.Indented = append(p.Indented, i+1)
			}
			blank = line == ""
			continue
		}
		first := i + 1
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		if i == len(lines) {
			return p, fmt.Errorf("line %d: a block begins with ``` and does not end: end it with ```", first)
		}
		block := lines[first:i]
		if reason != "" {
			p.NotRun = append(p.NotRun, reason)
			reason = ""
			continue
		}
		steps, err := parseBlock(language, block, first+1)
		if err != nil {
			return p, err
		}
		p.Steps = append(p.Steps, steps...)
	}
	return p, nil
}

// parseBlock returns the steps of a block that begins at a line of the page.
func parseBlock(language string, block []string, line int) ([]Step, error) {
	switch language {
	case "console":
		return parseConsole(block, line)
	case "sh":
		return []Step{{Line: line, Text: strings.Join(block, "\n")}}, nil
	case "yaml", "json", "hcl":
		if len(block) > 0 {
			if m := fileName.FindStringSubmatch(block[0]); m != nil {
				return []Step{{Line: line, File: m[1], Text: strings.Join(block[1:], "\n") + "\n"}}, nil
			}
		}
	case "":
		return nil, fmt.Errorf("line %d: a block without a language: say console, sh, yaml or text", line-1)
	}
	return nil, nil
}

func parseConsole(block []string, line int) ([]Step, error) {
	var out []Step
	for i, l := range block {
		command, found := strings.CutPrefix(l, "$ ")
		if found {
			out = append(out, Step{Line: line + i, Text: command, Shown: true})
			continue
		}
		if len(out) == 0 {
			return nil, fmt.Errorf("line %d: output without a command: begin the block with \"$ \" and a command", line+i)
		}
		last := &out[len(out)-1]
		if more, found := strings.CutPrefix(l, "> "); found && len(last.Want) == 0 {
			last.Text += "\n" + more
			continue
		}
		if m := status.FindStringSubmatch(l); m != nil {
			if _, err := fmt.Sscan(m[1], &last.Status); err != nil {
				return nil, fmt.Errorf("line %d: %q: %w", line+i, m[1], err)
			}
			continue
		}
		last.Want = append(last.Want, l)
	}
	return out, nil
}

// Run takes a step in a folder, with an environment. An error says how it came out otherwise than the page shows.
func (s Step) Run(ctx context.Context, dir string, env []string) error {
	if s.File != "" {
		path := filepath.Join(dir, s.File)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(s.Text), 0o600)
	}
	cmd := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", s.Text)
	cmd.Dir, cmd.Env = dir, env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	if got := cmd.ProcessState.ExitCode(); got != s.Status {
		return fmt.Errorf("line %d: %s: exit status %d, want %d:\n%s", s.Line, s.Text, got, s.Status, out.String())
	}
	if s.Shown && !matches(trimmed(out.String()), trimmed(strings.Join(s.Want, "\n"))) {
		return fmt.Errorf("line %d: %s: the page does not show what it prints:\n%s", s.Line, s.Text, out.String())
	}
	return nil
}

// trimmed returns the lines of a text without the spaces at their ends, and without empty lines at the ends of the text.
func trimmed(text string) []string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t\r")
	}
	return lines
}

// matches reports whether lines are those that a page shows.
func matches(got, want []string) bool {
	for i, w := range want {
		if w == "..." {
			for j := i; j <= len(got); j++ {
				if matches(got[j:], want[i+1:]) {
					return true
				}
			}
			return false
		}
		if i >= len(got) || !matchesLine(got[i], w) {
			return false
		}
	}
	return len(got) == len(want)
}

// matchesLine reports whether a line is one that a page shows.
func matchesLine(got, want string) bool {
	parts := strings.Split(want, "…")
	rest, found := strings.CutPrefix(got, parts[0])
	if !found || len(parts) == 1 {
		return found && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
