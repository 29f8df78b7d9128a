package review

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/policy"
)

// writeReport writes a line for each result, with what there is to say below it, notes on what is
// not reviewed, and a line of totals.
func writeReport(w io.Writer, results []result, in *input, whose string) {
	rows := make([][]string, len(results))
	for i, r := range results {
		rows[i] = []string{r.outcome(), r.title(), cmp.Or(r.Policy, "-"), cmp.Or(r.sizeLimit(), "-")}
	}
	for i, line := range cli.Align(rows) {
		fmt.Fprintln(w, line)
		for _, sentence := range results[i].sentences() {
			fmt.Fprintln(w, "  "+sentence)
		}
	}
	writeNotes(w, in.notes)
	if len(results)+len(in.notes) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, summary(results, in.skipped, whose))
}

// writeNotes writes notes on the input.
func writeNotes(w io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintln(w, "note: "+note)
	}
}

// outcome names the mode too if it keeps the webhook from doing anything.
func (r result) outcome() string {
	outcome := string(r.Outcome)
	if r.acts() && !r.enforced() {
		outcome += " (" + strings.ToLower(string(r.mode)) + ")"
	}
	return outcome
}

// acts reports whether the webhook would do something in mode enforce.
func (r result) acts() bool {
	return r.Outcome == policy.Mutated || r.Outcome == policy.Violating
}

// title names the object, and the field of the template if its kind does not say where it is.
func (r result) title() string {
	title := titleOf(r.subject.Kind, r.subject.Namespace, r.subject.Name)
	if r.at != "" {
		title += " " + r.at
	}
	return title
}

// titleOf returns kind/namespace/name.
func titleOf(kind, namespace, name string) string {
	return cli.Plain(kind) + "/" + cli.Plain(namespace) + "/" + cli.Plain(name)
}

// plainVersion returns an apiVersion, both parts of which may be anything.
func plainVersion(version string) string {
	group, version, found := strings.Cut(version, "/")
	if !found {
		return cli.Plain(group)
	}
	return cli.Plain(group) + "/" + cli.Plain(version)
}

// sentences returns what there is to say about a result.
func (r result) sentences() []string {
	var out []string
	switch {
	case r.Outcome == policy.Violating:
		for _, v := range r.After {
			out = append(out, r.violation(v))
		}
	case r.Outcome == policy.Mutated && !r.enforced():
		out = append(out, "would be changed in mode enforce: "+r.Detail)
	default:
		out = append(out, r.Detail)
	}
	return append(out, r.asides()...)
}

// asides returns the warnings and notes.
func (r result) asides() []string {
	var out []string
	for _, warning := range r.warnings {
		out = append(out, "warning: "+warning)
	}
	for _, note := range r.notes {
		out = append(out, "note: "+note)
	}
	return out
}

// sizeLimit returns the computed size as a quantity; empty if there is none.
func (r result) sizeLimit() string {
	if r.Size.Limit == 0 {
		return ""
	}
	return r.Size.Limit.Quantity().String()
}

// outcomes are all outcomes, in the order in which they are counted.
var outcomes = []policy.Outcome{
	policy.Mutated, policy.Violating, policy.Compliant, policy.Exempt, policy.Skipped, policy.NotMatched,
}

func summary(results []result, skipped map[string]int, whose string) string {
	counts := map[policy.Outcome]int{}
	rejected := 0
	for _, r := range results {
		counts[r.Outcome]++
		if r.rejected() {
			rejected++
		}
	}
	var parts []string
	for _, o := range outcomes {
		if counts[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
		}
	}
	text := strconv.Itoa(len(results)) + " reviewed under " + whose
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if len(skipped) > 0 {
		text += "; " + cli.CountSkipped(skipped)
	}
	if rejected > 0 {
		text += fmt.Sprintf("; %d would be rejected", rejected)
	}
	return text
}
