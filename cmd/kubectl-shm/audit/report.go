package audit

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// report is an audit, the worst workloads first.
type report struct {
	where, host     string
	whose           string // the policies
	policies        int
	pods, unmatched int
	workloads       []*workload
	namespaces      []*namespace
	notes           []string
}

// namespace is the sum of the workloads in one that policies match.
type namespace struct {
	name string
	// mode is the namespace's own: audit, warn, enforce, or empty for one that has not opted in.
	mode      string
	workloads map[policy.Outcome]int
	pods      int // with the replicas that are to be

	before, after policy.Usage
	// exceeded are the figures of quotas that have less than would be needed.
	exceeded []exceeded
}

// exceeded is one figure of a ResourceQuota that would not be enough.
type exceeded struct {
	quota    string
	resource corev1.ResourceName
	// hard is what it allows, used what it counts now, and needed what it would count.
	hard, used, needed sizing.Bytes
}

// String says what is exceeded, and the remedy.
func (x exceeded) String() string {
	return fmt.Sprintf("ResourceQuota %s allows %s of %s, of which %s are used, and %s would be needed: raise it to that",
		cli.Quote(x.quota), x.hard, x.resource, x.used, x.needed.RoundUp(sizing.MiB))
}

// results are the words for outcomes.
var results = map[policy.Outcome]string{
	policy.Violating: "violating", policy.Mutated: "changed", policy.Compliant: "compliant",
	policy.Exempt: "exempt", policy.Skipped: "skipped", policy.NotMatched: "unmatched",
}

// sum fills in the namespaces, the one that would need most more memory first.
func (r *report) sum(known live.Namespaces) {
	byName := map[string]*namespace{}
	changes := map[*corev1.ResourceQuota]change{}
	for _, w := range r.workloads {
		n := byName[w.Namespace]
		if n == nil {
			n = &namespace{name: w.Namespace, workloads: map[policy.Outcome]int{}}
			if mode, ok := known.Mode(w.Namespace); ok {
				n.mode = strings.ToLower(string(mode))
			}
			byName[w.Namespace] = n
			r.namespaces = append(r.namespaces, n)
		}
		n.workloads[w.worst.outcome]++
		n.pods += w.replicas
		n.before = plus(n.before, w.before)
		n.after = plus(n.after, w.after)
		for q, c := range w.quotas {
			changes[q] = change{changes[q].requests + c.requests, changes[q].limits + c.limits}
		}
	}
	for q, c := range changes {
		n := byName[q.Namespace]
		n.exceeded = append(n.exceeded, exceededOf(q, c)...)
	}
	for _, n := range r.namespaces {
		slices.SortFunc(n.exceeded, func(a, b exceeded) int {
			return cmp.Or(cmp.Compare(a.quota, b.quota), cmp.Compare(a.resource, b.resource))
		})
	}
	more := func(n *namespace) sizing.Bytes { return n.after.Limits.Minus(n.before.Limits) }
	slices.SortFunc(r.namespaces, func(a, b *namespace) int {
		return cmp.Or(cmp.Compare(more(b), more(a)), cmp.Compare(a.name, b.name))
	})
}

func plus(a, b policy.Usage) policy.Usage {
	return policy.Usage{Requests: a.Requests.Plus(b.Requests), Limits: a.Limits.Plus(b.Limits)}
}

// exceededOf returns the figures of a quota that are less than what a change would need. What is too
// much already, without a change, is not its fault.
func exceededOf(q *corev1.ResourceQuota, c change) []exceeded {
	var out []exceeded
	for _, f := range [...]struct {
		resource corev1.ResourceName
		by       int64
	}{{corev1.ResourceLimitsMemory, c.limits}, {corev1.ResourceRequestsMemory, c.requests}, {corev1.ResourceMemory, c.requests}} {
		hard, limited := q.Status.Hard[f.resource]
		used, known := q.Status.Used[f.resource]
		if !limited || !known || f.by <= 0 {
			continue
		}
		x := exceeded{q.Name, f.resource, sizing.BytesOf(hard), sizing.BytesOf(used), sizing.BytesOf(used).Plus(sizing.Bytes(f.by))}
		if x.needed > x.hard {
			out = append(out, x)
		}
	}
	return out
}

// count returns how many workloads have an outcome.
func (r *report) count(o policy.Outcome) int {
	n := 0
	for _, w := range r.workloads {
		if w.worst.outcome == o {
			n++
		}
	}
	return n
}

// fails reports whether a report is as --fail-on says.
func (r *report) fails(on string) bool {
	switch on {
	case "violating":
		return r.count(policy.Violating) > 0
	case "changed":
		return r.count(policy.Violating)+r.count(policy.Mutated) > 0
	default:
		return false
	}
}

// modeOf returns the mode as the label has it; "-" for none.
func modeOf(mode string) string { return cmp.Or(strings.ToLower(mode), "-") }

// podsOf returns how many Pods there are, and of how many if that is not all.
func (w *workload) podsOf() string {
	if w.running == w.replicas {
		return strconv.Itoa(w.running)
	}
	return fmt.Sprintf("%d/%d", w.running, w.replicas)
}

// growth returns by how much an amount of memory would grow; empty if it would not.
func growth(before, after sizing.Bytes) string {
	if after == before {
		return ""
	}
	return "+" + size(after.Minus(before))
}

// table returns the workloads: those that would change or be rejected, or all.
func (r *report) table(all bool) *cli.Table {
	t := &cli.Table{Columns: []cli.Column{
		{Name: "NAMESPACE"},
		{Name: "WORKLOAD"},
		{Name: "PODS", Right: true},
		{Name: "MODE"},
		{Name: "RESULT"},
		{Name: "REASON"},
		{Name: "SIZE", Right: true},
		{Name: "REQUESTS", Right: true},
		{Name: "LIMITS", Right: true},
		{Name: "POLICY"},
		{Name: "EXAMPLE", Wide: true},
		{Name: "DETAIL", Wide: true},
	}}
	for _, w := range r.workloads {
		v := &w.worst
		if !all && severity(v.outcome) > severity(policy.NotMatched) {
			continue
		}
		t.Add(w.Namespace, w.Workload.String(), w.podsOf(), modeOf(string(v.mode)), results[v.outcome], string(v.reason), v.sizeLimit,
			growth(w.before.Requests, w.after.Requests), growth(w.before.Limits, w.after.Limits), v.policy, w.example, v.detail)
	}
	return t
}

// namespaceTable returns the namespaces whose memory would change.
func (r *report) namespaceTable() *cli.Table {
	t := &cli.Table{Columns: []cli.Column{
		{Name: "NAMESPACE"},
		{Name: "MODE"},
		{Name: "PODS", Right: true},
		{Name: "REQUESTS", Right: true},
		{Name: "THEN", Right: true},
		{Name: "LIMITS", Right: true},
		{Name: "THEN", Right: true},
		{Name: "QUOTAS"},
	}}
	for _, n := range r.namespaces {
		if n.before == n.after && len(n.exceeded) == 0 {
			continue
		}
		quotas := "-"
		if len(n.exceeded) > 0 {
			quotas = "exceeded"
		}
		t.Add(n.name, modeOf(n.mode), strconv.Itoa(n.pods), size(n.before.Requests), size(n.after.Requests), size(n.before.Limits), size(n.after.Limits), quotas)
	}
	return t
}

// size returns an amount of memory in MiB, or in GiB with one decimal from 10 GiB on.
func size(b sizing.Bytes) string {
	if b >= 10*sizing.GiB {
		return strconv.FormatFloat(math.Ceil(float64(b)/float64(sizing.GiB)*10)/10, 'f', 1, 64) + "Gi"
	}
	return strconv.FormatInt(b.DivUp(sizing.MiB), 10) + "Mi"
}

// write writes the tables for people.
func (r *report) write(w io.Writer, all, wide bool, width int) {
	if t := r.table(all); len(t.Rows) > 0 {
		t.Write(w, wide, width)
		fmt.Fprintln(w)
	}
	if !wide {
		r.writeViolations(w)
	}
	if t := r.namespaceTable(); len(t.Rows) > 0 {
		t.Write(w, wide, width)
		fmt.Fprintln(w)
	}
	for _, n := range r.namespaces {
		for _, x := range n.exceeded {
			fmt.Fprintf(w, "namespace %s: %s\n", cli.Plain(n.name), x)
		}
	}
	for _, note := range r.notes {
		fmt.Fprintln(w, "note: "+note)
	}
	fmt.Fprintln(w, r.summary())
}

// mostViolations bounds how many workloads have their violations written out.
const mostViolations = 20

// writeViolations writes why workloads violate their policies, and what to do: the table has no room.
func (r *report) writeViolations(w io.Writer) {
	n := 0
	for _, x := range r.workloads {
		if o := x.worst.outcome; o != policy.Violating && o != policy.NotMatched {
			continue
		}
		if n++; n <= mostViolations {
			fmt.Fprintf(w, "%s %s: %s\n", cli.Plain(x.Namespace), x.Workload, x.worst.detail)
		}
	}
	if n > mostViolations {
		fmt.Fprintf(w, "and %d more: -o wide has them all\n", n-mostViolations)
	}
	if n > 0 {
		fmt.Fprintln(w)
	}
}

// summary returns a line of totals.
func (r *report) summary() string {
	var parts []string
	for _, o := range severities {
		if n := r.count(o); n > 0 {
			parts = append(parts, human.Count(int64(n))+" "+results[o])
		}
	}
	text := fmt.Sprintf("%s of %s under %s: ", plural(r.pods, "Pod"), r.where, r.whose)
	if len(parts) == 0 {
		return text + "no policy matches any"
	}
	text += plural(len(r.workloads), "workload") + " (" + strings.Join(parts, ", ") + ")"
	if r.unmatched > 0 {
		text += fmt.Sprintf("; no policy matches %s", plural(r.unmatched, "Pod"))
	}
	return text
}

// plural returns a number of things with commas.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return human.Count(int64(n)) + " " + one + "s"
}
