package review

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// writeReport writes a line for each result, with its sentences below it, notes on what is
// not listed or not reviewed, and the totals.
func (v *review) writeReport(s cli.Streams) {
	listed := v.listed()
	rows := make([][]string, len(listed))
	for i, r := range listed {
		rows[i] = []string{outcome(r), r.Title(), cmp.Or(r.Policy, "-"), cmp.Or(sizeLimit(r), "-")}
	}
	for i, line := range cli.Align(cli.Fit(rows, s.Width, cli.Cut{Column: 1, Start: true})) {
		fmt.Fprintln(s.Out, colorOutcome(s, line, listed[i].Outcome))
		for _, sentence := range sentences(listed[i]) {
			fmt.Fprintln(s.Out, cli.Wrap("  "+sentence, s.Width, "    "))
		}
	}
	notes := v.notes()
	for _, note := range notes {
		fmt.Fprintln(s.Out, cli.Wrap("note: "+note, s.Width, "  "))
	}
	if len(listed)+len(notes) > 0 {
		fmt.Fprintln(s.Out)
	}
	v.writeTotals(s)
}

// writeTable writes a line for each result, and the totals.
func (v *review) writeTable(s cli.Streams) {
	listed := v.listed()
	rows := [][]string{{"OUTCOME", "OBJECT", "POLICY", "SIZE", "LIMIT", "REQUEST", "PODS", "FILE"}}
	for _, r := range listed {
		file, line := v.in.Place(r.Object, "")
		pods := "?"
		if r.Replicas != nil {
			pods = strconv.FormatInt(*r.Replicas, 10)
		}
		rows = append(rows, []string{
			outcome(r), r.Title(), cmp.Or(r.Policy, "-"), cmp.Or(sizeLimit(r), "-"),
			change(r.Current.Limit, r.Planned.Limit), change(r.Current.Request, r.Planned.Request), pods, fmt.Sprintf("%s:%d", cli.PlainFile(file), line),
		})
	}
	for i, line := range cli.Align(cli.Fit(rows, s.Width, cli.Cut{Column: 7, Start: true}, cli.Cut{Column: 1, Start: true}, cli.Cut{Column: 2})) {
		if i > 0 {
			line = colorOutcome(s, line, listed[i-1].Outcome)
		}
		fmt.Fprintln(s.Out, line)
	}
	writeNotes(s.ErrOut, v.notes())
	fmt.Fprintln(s.Out)
	v.writeTotals(s)
}

// change returns a figure before and after.
func change(before, after sizing.Bytes) string {
	text := func(n sizing.Bytes) string {
		if n == 0 {
			return "-"
		}
		return n.Quantity().String()
	}
	if before == after {
		return text(before)
	}
	return text(before) + "->" + text(after)
}

// notes returns the notes on objects that are not listed, each with the objects that it is about, and
// those on the input.
func (v *review) notes() []string {
	var order []string
	about := map[string][]string{}
	for _, r := range v.results {
		if r.Outcome != policy.NotMatched || v.all {
			continue
		}
		for _, note := range slices.Concat(r.Warnings, r.Notes) {
			if about[note] == nil {
				order = append(order, note)
			}
			about[note] = append(about[note], r.Title())
		}
	}
	const most = 3
	out := make([]string, 0, len(order)+len(v.in.Notes))
	for _, note := range order {
		titles := about[note]
		text := strings.Join(titles[:min(most, len(titles))], ", ")
		if more := len(titles) - most; more > 0 {
			text += fmt.Sprintf(", and %d more", more)
		}
		out = append(out, note+" ("+text+")")
	}
	return append(out, v.in.Notes...)
}

// outcome names the mode too if it keeps the webhook from doing anything.
func outcome(r reviewer.Result) string {
	outcome := string(r.Outcome)
	if acts(r) && !r.Enforced() {
		outcome += " (" + strings.ToLower(string(r.Effective)) + ")"
	}
	return outcome
}

// acts reports whether the webhook would do something in mode enforce.
func acts(r reviewer.Result) bool {
	return r.Outcome == policy.Mutated || r.Outcome == policy.Violating
}

// colorOutcome colors the outcome that a line begins with.
func colorOutcome(s cli.Streams, line string, o policy.Outcome) string {
	color := map[policy.Outcome]string{
		policy.Violating: cli.Red, policy.Mutated: cli.Yellow, policy.Compliant: cli.Green, policy.NotMatched: cli.Dim, policy.Skipped: cli.Dim,
	}[o]
	rest, found := strings.CutPrefix(line, string(o))
	if !found {
		return line
	}
	return s.Colored(color, string(o)) + rest
}

// sentences returns the sentences about a result.
func sentences(r reviewer.Result) []string {
	var out []string
	switch {
	case r.Outcome == policy.Violating:
		for _, x := range r.After {
			out = append(out, r.SentenceOf(x))
		}
	case r.Outcome == policy.Mutated && !r.Enforced():
		out = append(out, "would be changed in mode enforce: "+r.Detail)
	default:
		out = append(out, r.Detail)
	}
	return append(out, asides(r)...)
}

// asides returns the warnings and notes.
func asides(r reviewer.Result) []string {
	var out []string
	for _, warning := range r.Warnings {
		out = append(out, "warning: "+warning)
	}
	for _, note := range r.Notes {
		out = append(out, "note: "+note)
	}
	return out
}

// sizeLimit returns the computed size as a quantity; empty if there is none.
func sizeLimit(r reviewer.Result) string {
	if r.Size.Limit == 0 {
		return ""
	}
	return r.Size.Limit.Quantity().String()
}

// outcomes are all outcomes, in the order in which they are counted.
var outcomes = []policy.Outcome{
	policy.Mutated, policy.Violating, policy.Compliant, policy.Exempt, policy.Skipped, policy.NotMatched,
}

// writeTotals writes how many objects came to what, and the memory that is added.
func (v *review) writeTotals(s cli.Streams) {
	if text := memoryTotals(v.results); text != "" {
		fmt.Fprintln(s.Out, cli.Wrap(text, s.Width, "  "))
	}
	fmt.Fprintln(s.Out, cli.Wrap(v.summary(), s.Width, "  "))
}

func (v *review) summary() string {
	counts := map[policy.Outcome]int{}
	rejected := 0
	for _, r := range v.results {
		counts[r.Outcome]++
		if r.Rejected() {
			rejected++
		}
	}
	var parts []string
	for _, o := range outcomes {
		if counts[o] == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", counts[o], o)
		if o == policy.NotMatched && !v.all {
			part += " (--all lists them)"
		}
		parts = append(parts, part)
	}
	text := strconv.Itoa(len(v.results)) + " reviewed under " + v.chosen.Whose
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if len(v.in.Skipped) > 0 {
		text += "; " + cli.CountSkipped(v.in.Skipped)
	}
	if rejected > 0 {
		text += fmt.Sprintf("; %d would be rejected", rejected)
	}
	if n := len(v.in.Problems); n > 0 {
		text += "; not all could be read: " + human.Plural(n, "error")
	}
	return text
}

// memoryTotals says how much memory the changes add, over all Pods; empty for nothing.
func memoryTotals(results []reviewer.Result) string {
	var requests, limits sizing.Bytes
	var pods, unknown, reported, changed int64
	for _, r := range results {
		if r.Outcome != policy.Mutated || r.Current.Limit == r.Planned.Limit && r.Current.Request == r.Planned.Request {
			continue
		}
		n := int64(1)
		if r.Replicas != nil {
			n = *r.Replicas
		} else {
			unknown++
		}
		changed, pods = changed+1, pods+n
		if !r.Enforced() {
			reported++
		}
		requests = requests.Plus(r.Planned.Request.Minus(r.Current.Request).Times(n))
		limits = limits.Plus(r.Planned.Limit.Minus(r.Current.Limit).Times(n))
	}
	if changed == 0 {
		return ""
	}
	text := fmt.Sprintf("memory that is added: %s of requests, %s of limits, for %s of %s",
		requests, limits, human.Plural(int(pods), "Pod"), human.Plural(int(changed), "object"))
	if reported > 0 {
		text += fmt.Sprintf(", %d of them in mode enforce only", reported)
	}
	if unknown > 0 {
		text += fmt.Sprintf("; %s that do not say how many Pods they make are counted as one Pod", human.Plural(int(unknown), "object"))
		if unknown == 1 {
			text = strings.Replace(text, "that do not say how many Pods they make are", "that does not say how many Pods it makes is", 1)
		}
	}
	return text
}
