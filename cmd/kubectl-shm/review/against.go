package review

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/policy"
)

// comparison represents what other policies make of the same objects.
type comparison struct {
	review
	// changed are the objects of which the policies make something else.
	changed []pair
}

// pair represents one object under the policies of --against, and under those of the review.
type pair struct{ before, after reviewer.Result }

// compare evaluates the input by the policies of --against too.
func (v *review) compare(settings reviewer.Settings, s cli.Streams) (*comparison, error) {
	if !slices.Contains([]string{"report", "json"}, v.output.Value) {
		return nil, fmt.Errorf("--against: -o %s has no place for a comparison: leave -o out, or write -o json", v.output.Value)
	}
	if slices.Contains(v.against, "-") {
		return nil, errors.New(`--against: "-" is not a file: give the policies as a file`)
	}
	loaded, err := policyfile.Load(v.against, s.In)
	if err != nil {
		return nil, fmt.Errorf("--against: %w", err)
	}
	settings.Policies = loaded
	r, err := reviewer.New(v.in, settings)
	if err != nil {
		return nil, err
	}
	before := map[string]reviewer.Result{}
	for _, result := range r.Results() {
		before[key(result)] = result
	}
	out := &comparison{review: *v}
	for _, after := range v.results {
		if was, found := before[key(after)]; found && differ(was, after) {
			out.changed = append(out.changed, pair{was, after})
		}
	}
	return out, nil
}

// key identifies a Pod or template of an input.
func key(r reviewer.Result) string {
	d := r.Object.Document
	return fmt.Sprintf("%s\x00%d\x00%s\x00%s", d.Source, d.Index, r.Object.Path, r.Subject.Pointer)
}

// differ reports whether two results are not the same to the owner of an object. The name of the policy is: it may
// have been renamed.
func differ(a, b reviewer.Result) bool {
	reasons := func(r reviewer.Result) []string {
		var out []string
		for _, x := range r.After {
			out = append(out, string(x.Reason)+" "+x.Container)
		}
		return out
	}
	return outcome(a) != outcome(b) || a.Planned != b.Planned || sizeLimit(a) != sizeLimit(b) || !slices.Equal(reasons(a), reasons(b))
}

// fails reports whether the change ends the command with exit status 1: what was accepted is rejected, or with
// --fail-on changed anything is different.
func (c *comparison) fails() bool {
	switch c.failOn.Value {
	case failChanged:
		return len(c.changed) > 0
	case failNever:
		return false
	default:
		return c.count(func(p pair) bool { return p.after.Rejected() && !p.before.Rejected() }) > 0
	}
}

func (c *comparison) count(is func(pair) bool) int {
	n := 0
	for _, p := range c.changed {
		if is(p) {
			n++
		}
	}
	return n
}

func (c *comparison) write(s cli.Streams) error {
	if c.output.Value == "json" {
		err := cli.WriteJSON(s.Out, c.json())
		writeNotes(s.ErrOut, c.in.Notes)
		return err
	}
	for _, p := range c.changed {
		fmt.Fprintln(s.Out, p.after.Title())
		for _, line := range [...]struct {
			when string
			reviewer.Result
		}{{"before", p.before}, {"now", p.after}} {
			text := fmt.Sprintf("  %-7s %s", line.when+":", outcome(line.Result))
			if line.Policy != "" {
				text += fmt.Sprintf(" by policy %q", line.Policy)
			}
			if size := sizeLimit(line.Result); size != "" {
				text += ", " + size
			}
			if line.Outcome != policy.NotMatched {
				text += ": " + line.Detail
			}
			fmt.Fprintln(s.Out, cli.Wrap(text, s.Width, "          "))
		}
	}
	for _, note := range c.in.Notes {
		fmt.Fprintln(s.Out, cli.Wrap("note: "+note, s.Width, "  "))
	}
	if len(c.changed)+len(c.in.Notes) > 0 {
		fmt.Fprintln(s.Out)
	}
	fmt.Fprintln(s.Out, cli.Wrap(c.summary(), s.Width, "  "))
	return nil
}

// summary counts what changes, by what it was and what it is.
func (c *comparison) summary() string {
	counts := map[string]int{}
	for _, p := range c.changed {
		text := fmt.Sprintf("%s to %s", outcome(p.before), outcome(p.after))
		if outcome(p.before) == outcome(p.after) {
			text = fmt.Sprintf("%s in another way", outcome(p.after))
		}
		counts[text]++
	}
	var parts []string
	for text, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, text))
	}
	slices.Sort(parts)
	text := fmt.Sprintf("%d reviewed under %s, against -p %s: %d change", len(c.results), c.chosen.Whose, strings.Join(c.against, ", "), len(c.changed))
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	if n := c.count(func(p pair) bool { return p.after.Rejected() && !p.before.Rejected() }); n > 0 {
		text += fmt.Sprintf("; %d would be rejected that would not have been", n)
	}
	return text
}

// jsonChange represents one object of which the policies make something else.
type jsonChange struct {
	Version    string     `json:"version"`
	Tool       string     `json:"tool"`
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Namespace  string     `json:"namespace"`
	Name       string     `json:"name"`
	Template   string     `json:"template"`
	File       string     `json:"file"`
	Line       int        `json:"line"`
	Before     jsonResult `json:"before"`
	After      jsonResult `json:"after"`
}

func (c *comparison) json() []jsonChange {
	list := make([]jsonChange, 0, len(c.changed))
	for _, p := range c.changed {
		after := c.jsonResult(&p.after)
		list = append(list, jsonChange{
			Version: formatVersion, Tool: tool(), APIVersion: after.APIVersion, Kind: after.Kind, Namespace: after.Namespace, Name: after.Name,
			Template: after.Template, File: after.File, Line: after.Line, Before: c.jsonResult(&p.before), After: after,
		})
	}
	return list
}
