package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
)

// writeReport writes a line for each result, with what there is to say below it, what was passed by, and a line of totals.
func writeReport(w io.Writer, results []result, in *stream) {
	rows := make([][]string, len(results))
	for i, r := range results {
		rows[i] = []string{r.outcome(), r.title(), cmp.Or(r.decision.Policy, "-"), cmp.Or(sizeLimit(r.decision), "-")}
	}
	for i, line := range align(rows) {
		fmt.Fprintln(w, line)
		for _, note := range results[i].notes() {
			fmt.Fprintln(w, "  "+note)
		}
	}
	writePassedBy(w, in.passedBy)
	if len(results)+len(in.passedBy) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, summary(results, in.others))
}

// writePassedBy names the workloads that a reader would expect to be reviewed.
func writePassedBy(w io.Writer, objects []manifest.Object) {
	for _, o := range objects {
		fmt.Fprintf(w, "note: %s is of %s, which is not looked at: write %s\n", titleOf(o.Kind, o.Namespace, o.Name), plainVersion(o.APIVersion), reviewedVersions[o.Kind])
	}
}

// outcome names the mode too where it keeps the webhook from doing anything.
func (r result) outcome() string {
	outcome := string(r.decision.Outcome)
	if r.acts() && !r.enforced() {
		outcome += " (" + strings.ToLower(string(r.mode)) + ")"
	}
	return outcome
}

// acts tells whether the webhook would do something in mode enforce.
func (r result) acts() bool {
	return r.decision.Outcome == policy.Mutated || r.decision.Outcome == policy.Violating
}

// title names the object: kind/namespace/name.
func (r result) title() string { return titleOf(r.subject.Kind, r.subject.Namespace, r.subject.Name) }

func titleOf(kind, namespace, name string) string {
	return plain(kind) + "/" + plain(namespace) + "/" + plain(name)
}

// plainVersion is an apiVersion, of which both parts may be anything.
func plainVersion(version string) string {
	group, version, found := strings.Cut(version, "/")
	if !found {
		return plain(group)
	}
	return plain(group) + "/" + plain(version)
}

// plain quotes a name that could be taken for something else: it is the input's, and may be anything.
func plain(name string) string {
	odd := func(r rune) bool {
		return r == '/' || r == '"' || r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r)
	}
	if strings.ContainsFunc(name, odd) {
		return strconv.Quote(name)
	}
	return name
}

func (r result) notes() []string {
	var notes []string
	switch {
	case r.decision.Outcome == policy.Violating:
		for _, v := range r.decision.Violations {
			notes = append(notes, r.violation(v))
		}
	case r.decision.Outcome == policy.Mutated && !r.enforced():
		notes = append(notes, "would be changed in mode enforce: "+r.decision.Detail)
	default:
		notes = append(notes, r.decision.Detail)
	}
	for _, warning := range r.warnings {
		notes = append(notes, "warning: "+warning)
	}
	return notes
}

// sizeLimit is the computed size as a quantity, empty where there is none.
func sizeLimit(d policy.Decision) string {
	if d.Size.Limit == 0 {
		return ""
	}
	return d.Size.Limit.Quantity().String()
}

func summary(results []result, others int) string {
	counts := map[policy.Outcome]int{}
	refused := 0
	for _, r := range results {
		counts[r.decision.Outcome]++
		if r.refused() {
			refused++
		}
	}
	var parts []string
	for _, o := range []policy.Outcome{policy.Mutated, policy.Violating, policy.Compliant, policy.Exempt, policy.NotGoverned} {
		if counts[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
		}
	}
	text := plural(len(results), "object") + " reviewed"
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	text += "; " + plural(others, "other object") + " passed"
	if refused > 0 {
		text += fmt.Sprintf("; %d would be refused", refused)
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
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
