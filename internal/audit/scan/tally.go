package scan

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const (
	// mostResults bounds the results of one report: it is one object, for which etcd has 1.5 MiB.
	mostResults = 200
	// mostWorkloads bounds the workloads of a namespace that get events in one scan.
	mostWorkloads = 64
	// mostNamed is how many Pods a warning names.
	mostNamed = 3
)

// counts are those of a policy, or of a namespace.
type counts struct {
	matched, violating, outdated, rejected, unmatchedWriters int32
	byReason                                                 map[policy.Reason]int32
}

func (c *counts) add(f *audit.Finding) {
	if f.Outcome == policy.NotMatched {
		return
	}
	c.matched++
	if f.Outdated {
		c.outdated++
	}
	if couldNotBeCreated(f) {
		c.rejected++
	}
	if !f.Violates() {
		return
	}
	c.violating++
	if c.byReason == nil {
		c.byReason = map[policy.Reason]int32{}
	}
	for _, reason := range audit.Reasons(f.Violations) {
		c.byReason[reason]++
	}
}

// couldNotBeCreated reports whether a Pod would be rejected if it were created again in a namespace
// that enforces: a policy of mode Warn or Audit rejects nothing.
func couldNotBeCreated(f *audit.Finding) bool {
	return f.Rejected() && f.PolicyMode == v1alpha1.Enforce
}

// tally is what a scan has found so far. It grows with the policies and the namespaces, and not
// with the Pods.
type tally struct {
	byPolicy    map[string]*counts
	byNamespace map[string]counts // those with the label of a mode
	blocked     map[string]blocked
	failed      map[string]error // namespaces of which the Pods could not be listed
	pods        int64
}

// blocked are the Pods of a namespace that could not be created again.
type blocked struct {
	Pods  int32    `json:"pods"`
	Names []string `json:"names"` // the first few, sorted
}

func newTally() *tally {
	return &tally{
		byPolicy: map[string]*counts{}, byNamespace: map[string]counts{},
		blocked: map[string]blocked{}, failed: map[string]error{},
	}
}

// namespaceTally is what a scan has found in one namespace. Its lists are bounded.
type namespaceTally struct {
	name     string
	labelled bool
	counts
	byPolicy  map[string]*counts
	blocked   blocked
	results   []result
	writers   []result // of Pods that no policy matches
	workloads map[audit.Workload]*workload
	pods      int64
}

// workload is what is said about one of them in events.
type workload struct {
	name                 string
	controller           policy.OwnerView // of a Pod
	policy               string
	violating, rejected  int
	violation, rejection string // the first
}

func newNamespaceTally(name string, labelled bool) *namespaceTally {
	return &namespaceTally{
		name: name, labelled: labelled,
		byPolicy: map[string]*counts{}, workloads: map[audit.Workload]*workload{},
	}
}

// add counts a Pod that a policy matches.
func (n *namespaceTally) add(f *audit.Finding, pod *audit.Pod) {
	n.counts.add(f)
	if n.byPolicy[f.Policy] == nil {
		n.byPolicy[f.Policy] = &counts{}
	}
	n.byPolicy[f.Policy].add(f)
	if couldNotBeCreated(f) {
		n.blocked.Pods++
		n.blocked.Names = firstNames(append(n.blocked.Names, f.Pod))
	}
	if f.Violates() && len(n.results) < mostResults {
		n.results = append(n.results, resultOf(f, pod))
	}
	n.addWorkload(f, pod)
}

// addWriter counts a Pod that no policy matches and that looks like one that writes to /dev/shm.
func (n *namespaceTally) addWriter(suggestion string, pod *audit.Pod) {
	n.unmatchedWriters++
	if len(n.writers) < mostResults {
		n.writers = append(n.writers, writerResult(suggestion, pod))
	}
}

func (n *namespaceTally) addWorkload(f *audit.Finding, pod *audit.Pod) {
	if !f.Violates() && !couldNotBeCreated(f) {
		return
	}
	w := n.workloads[f.Workload]
	if w == nil {
		if len(n.workloads) == mostWorkloads {
			return
		}
		w = &workload{name: policy.TopWorkloadOf(&pod.Metadata.MetadataView), controller: controllerOf(pod), policy: f.Policy}
		n.workloads[f.Workload] = w
	}
	if f.Violates() {
		if w.violating++; w.violating == 1 {
			w.violation = policy.Details(f.Violations)
		}
	}
	if couldNotBeCreated(f) {
		if w.rejected++; w.rejected == 1 {
			w.rejection = policy.Details(f.Rejections)
		}
	}
}

// firstNames returns the first few of a list of names, sorted.
func firstNames(names []string) []string {
	slices.Sort(names)
	return names[:min(len(names), mostNamed)]
}

// addNamespace adds what was found in a namespace.
func (t *tally) addNamespace(n *namespaceTally) {
	t.pods += n.pods
	if n.labelled {
		t.byNamespace[n.name] = n.counts
	}
	if n.blocked.Pods > 0 {
		t.blocked[n.name] = n.blocked
	}
	for name, c := range n.byPolicy {
		sum := t.byPolicy[name]
		if sum == nil {
			sum = &counts{}
			t.byPolicy[name] = sum
		}
		sum.matched += c.matched
		sum.violating += c.violating
		sum.outdated += c.outdated
		sum.rejected += c.rejected
		for reason, pods := range c.byReason {
			if sum.byReason == nil {
				sum.byReason = map[policy.Reason]int32{}
			}
			sum.byReason[reason] += pods
		}
	}
}

// sortedResults returns the results of a report: a stable order, so that a report that says the
// same is the same.
func sortedResults(results []result) []result {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.pod(), b.pod()) })
	return results
}

// podReference names a Pod in a report.
func podReference(pod *audit.Pod) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod",
		Namespace: pod.Metadata.Namespace, Name: pod.Metadata.Name, UID: pod.Metadata.UID,
	}
}
