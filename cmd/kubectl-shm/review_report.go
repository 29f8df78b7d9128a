package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/shmkeeper/shmkeeper/policy"
)

// writeReport writes a line for each result, with what there is to say below it, notes on what is
// not reviewed, and a line of totals.
func writeReport(w io.Writer, results []result, in *input, whose string) {
	rows := make([][]string, len(results))
	for i, r := range results {
		rows[i] = []string{r.outcome(), r.title(), cmp.Or(r.Policy, "-"), cmp.Or(r.sizeLimit(), "-")}
	}
	for i, line := range align(rows) {
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
	return plain(kind) + "/" + plain(namespace) + "/" + plain(name)
}

// plainVersion returns an apiVersion, both parts of which may be anything.
func plainVersion(version string) string {
	group, version, found := strings.Cut(version, "/")
	if !found {
		return plain(group)
	}
	return plain(group) + "/" + plain(version)
}

// plain returns a name, quoted if it could be taken for something else: it is the input's, and may
// be anything.
func plain(name string) string {
	odd := func(r rune) bool {
		return r == '/' || r == '"' || r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r)
	}
	if strings.ContainsFunc(name, odd) {
		return strconv.Quote(name)
	}
	return name
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
		text += "; " + countSkipped(skipped)
	}
	if rejected > 0 {
		text += fmt.Sprintf("; %d would be rejected", rejected)
	}
	return text
}

// countSkipped says how many objects were skipped, of which kinds, the most frequent first.
func countSkipped(skipped map[string]int) string {
	total := 0
	kinds := slices.Sorted(maps.Keys(skipped))
	slices.SortStableFunc(kinds, func(a, b string) int { return cmp.Compare(skipped[b], skipped[a]) })
	parts := make([]string, len(kinds))
	for i, kind := range kinds {
		total += skipped[kind]
		parts[i] = fmt.Sprintf("%d %s", skipped[kind], plain(kind))
	}
	const most = 8
	if more := len(parts) - most; more > 0 {
		parts = append(parts[:most], fmt.Sprintf("and %d more kinds", more))
	}
	return fmt.Sprintf("%d skipped (%s)", total, strings.Join(parts, ", "))
}

func plural(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + several
}

// align pads the cells of all columns but the last, two spaces apart.
func align(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		var b strings.Builder
		for j, cell := range row {
			b.WriteString(cell)
			if j < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+2))
			}
		}
		lines[i] = b.String()
	}
	return lines
}
