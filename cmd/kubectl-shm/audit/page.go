package audit

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/htmlpage"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// pageText is the audit's part of the page.
//
//go:embed page.html
var pageText string

// pageData is what the page shows, all of it in words.
type pageData struct {
	htmlpage.Head
	Tiles      []htmlpage.Tile
	Results    []pageResult
	Exceeded   []pageExceeded
	Namespaces []pageNamespace
	Bars       []pageBar
	MoreBars   string
	Workloads  []pageWorkload
}

type pageResult struct {
	Class, Count, Text, Legend string
	N                          int
	Shown                      bool
}

type pageExceeded struct{ Namespace, Text string }

type pageNamespace struct{ Name, Class, Small, Title string }

// pageBar is the memory of a namespace, in per cent of the largest.
type pageBar struct {
	Name, Text string
	Now, More  float64
}

type pageWorkload struct {
	Class, Namespace, Name, Pods, Size, Limits, About string
	Texts                                             []string
	Open                                              bool
}

// mostOpen bounds how many workloads show their texts at once.
const mostOpen = 3

// writePage writes the audit as a page of HTML that needs nothing else.
func writePage(w io.Writer, r *report, now time.Time) error {
	p := pageData{
		Head: htmlpage.Head{
			Title: "/dev/shm audit of " + r.where, Notes: r.notes, Made: "Made by kubectl shm audit. It reads the cluster and changes nothing.",
			About: htmlpage.About(now, fmt.Sprintf("%s under %s, of which no policy matches %s", plural(r.pods, "Pod"), r.whose, plural(r.unmatched, "Pod")), r.host),
		},
		Results: r.pageResults(),
	}
	var before, after policy.Usage
	for _, n := range r.namespaces {
		before, after = plus(before, n.before), plus(after, n.after)
		p.Namespaces = append(p.Namespaces, n.page())
		for _, x := range n.exceeded {
			p.Exceeded = append(p.Exceeded, pageExceeded{n.name, x.String()})
		}
	}
	slices.SortFunc(p.Namespaces, func(a, b pageNamespace) int { return cmp.Compare(a.Name, b.Name) })
	for _, one := range p.Results {
		p.Tiles = append(p.Tiles, htmlpage.Tile{Class: one.Class, Number: one.Count, Text: one.Text})
	}
	p.Tiles = append(p.Tiles,
		htmlpage.Tile{Number: "+" + size(after.Requests.Minus(before.Requests)), Text: "more memory requested"},
		htmlpage.Tile{Number: "+" + size(after.Limits.Minus(before.Limits)), Text: "more in memory limits"},
	)
	p.Bars, p.MoreBars = r.pageBars()
	for i, w := range r.workloads {
		one := w.page()
		one.Open = i < mostOpen && w.worst.outcome == policy.Violating
		p.Workloads = append(p.Workloads, one)
	}
	return htmlpage.Write(w, pageText, p)
}

// pageResults returns the results that are there, and the two that matter in any case.
func (r *report) pageResults() []pageResult {
	texts := map[policy.Outcome]string{
		policy.Violating: "would be rejected", policy.Mutated: "would be changed", policy.Compliant: "would not change",
		policy.NotMatched: "without a policy", policy.Exempt: "would be exempt", policy.Skipped: "would be skipped",
	}
	var out []pageResult
	for _, o := range []policy.Outcome{policy.Violating, policy.Mutated, policy.NotMatched, policy.Compliant, policy.Exempt, policy.Skipped} {
		n := r.count(o)
		matters := severity(o) <= severity(policy.NotMatched)
		if n == 0 && (!matters || o == policy.NotMatched) && o != policy.Compliant {
			continue
		}
		count := human.Count(int64(n))
		out = append(out, pageResult{Class: results[o], Count: count, Text: english.PluralWord(n, "workload", "") + " " + texts[o], Legend: count + " " + results[o], N: n, Shown: matters})
	}
	return out
}

// page returns a namespace in the colour of the worst in it.
func (n *namespace) page() pageNamespace {
	out := pageNamespace{Name: n.name}
	var parts []string
	for _, o := range severities {
		if count := n.workloads[o]; count > 0 {
			out.Class = cmp.Or(out.Class, results[o])
			parts = append(parts, fmt.Sprintf("%d %s", count, results[o]))
		}
	}
	out.Small = strings.Join(parts[:min(2, len(parts))], ", ")
	mode := "no mode: not opted in"
	if n.mode != "" {
		mode = "mode " + n.mode
	}
	out.Title = fmt.Sprintf("%s (%s): %s; limits %s, then %s", n.name, mode, strings.Join(parts, ", "), size(n.before.Limits), size(n.after.Limits))
	return out
}

// pageBars returns the namespaces whose limits would grow most, and how many more there are.
func (r *report) pageBars() (bars []pageBar, more string) {
	const most = 12
	growing := slices.DeleteFunc(slices.Clone(r.namespaces), func(n *namespace) bool { return n.after.Limits == n.before.Limits })
	if left := len(growing) - most; left > 0 {
		growing, more = growing[:most], human.Plural(left, "namespace")+" more would grow by less"
	}
	var largest sizing.Bytes = 1
	for _, n := range growing {
		largest = max(largest, n.after.Limits)
	}
	percent := func(b sizing.Bytes) float64 { return htmlpage.Width(float64(b), float64(largest)) }
	for _, n := range growing {
		bars = append(bars, pageBar{
			Name: n.name, Now: percent(n.before.Limits), More: percent(n.after.Limits.Minus(n.before.Limits)),
			Text: size(n.before.Limits) + " → " + size(n.after.Limits),
		})
	}
	return bars, more
}

func (w *workload) page() pageWorkload {
	v := &w.worst
	out := pageWorkload{
		Class: results[v.outcome], Namespace: w.Namespace, Name: w.Workload.String(), Pods: w.podsOf(), Size: v.sizeLimit,
		Limits: growth(w.before.Limits, w.after.Limits), Texts: []string{v.detail},
	}
	if len(v.violations) > 1 {
		out.Texts = nil
		for _, x := range v.violations {
			out.Texts = append(out.Texts, fmt.Sprintf("%s %s: %s", x.Reason.ID(), x.Reason, x.Detail))
		}
	}
	for _, warning := range v.warnings {
		out.Texts = append(out.Texts, "Warning: "+warning)
	}
	var about []string
	if v.policy != "" {
		about = append(about, "policy "+v.policy)
	}
	about = append(about, string(v.reason))
	switch {
	case v.outcome == policy.NotMatched: // the mode is that of a policy too
	case v.mode == "":
		about = append(about, "the namespace has not opted in")
	default:
		about = append(about, "mode "+modeOf(string(v.mode)))
	}
	if w.example != "" {
		about = append(about, "seen in Pod "+w.example)
	} else {
		about = append(about, "seen in the template")
	}
	out.About = strings.Join(about, " · ")
	return out
}
