package scan

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func violating(name, detail string) (*audit.Finding, *audit.Pod) {
	pod := audit.PodOf(policytest.NewPod(name, policytest.Namespace("shop"), func(p *corev1.Pod) { p.UID = "u1" }))
	found := []policy.Violation{{Reason: policy.TooSmall, Detail: detail}, {Reason: policy.NoMount, Detail: "second"}}
	return &audit.Finding{
		Namespace: "shop", Pod: name, Workload: audit.WorkloadOf(pod), Policy: "p", PolicyMode: v1alpha1.Enforce,
		Outcome: policy.Violating, Violations: found, Rejections: found[:1], Current: 64 * sizing.MiB, Given: sizing.GiB, Outdated: true,
	}, pod
}

func TestNewReport_SaysWhatFails(t *testing.T) {
	n := newNamespaceTally("shop", true)
	n.add(violating("b", "too small: enlarge it"))
	compliant, pod := violating("a", "")
	compliant.Outcome, compliant.Violations, compliant.Rejections = policy.Compliant, nil, nil
	n.add(compliant, pod)
	n.addWriter("postgresql", audit.PodOf(policytest.NewPod("w", policytest.Namespace("shop"))))
	n.addWriter("", audit.PodOf(policytest.NewPod("v", policytest.Namespace("shop"))))
	owner := &metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: "shmkeeper-system", UID: "u"}
	got, ok := newReport(&reportAPIs[0], n, owner)
	if !ok {
		t.Fatal("there is no report")
	}
	pod1 := func(name, uid string) []corev1.ObjectReference {
		r := corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: name}
		if uid != "" {
			r.UID = "u1"
		}
		return []corev1.ObjectReference{r}
	}
	want := report{
		APIVersion: "openreports.io/v1alpha1", Kind: "Report", Source: "shmkeeper",
		Metadata: metav1.ObjectMeta{
			Name: "shmkeeper", Namespace: "shop", OwnerReferences: []metav1.OwnerReference{*owner},
			Labels: map[string]string{"app.kubernetes.io/name": "shmkeeper", "app.kubernetes.io/managed-by": "shmkeeper"},
		},
		Scope:   &corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "shop"},
		Summary: summary{Fail: 1, Warn: 2},
		Results: []result{
			{
				Source: "shmkeeper", Category: "Shared memory", Policy: "p", Rule: "TooSmall", Severity: "high", Result: "fail", Scored: true,
				Resources: pod1("b", "u1"), Message: "too small: enlarge it; second",
				Properties: map[string]string{
					"workload": "Pod/b", "reasons": "NoMount,TooSmall", "created-again": "Violating", "outdated": "true",
					"size": "64Mi", "size-of-policy": "1Gi",
				},
			},
			{
				Source: "shmkeeper", Category: "Shared memory", Policy: "none", Rule: "NoPolicy", Severity: "low", Result: "warn", Resources: pod1("v", ""),
				Message:    "no policy matches this Pod, which names or mounts a path in /dev/shm: match it in a policy of your own",
				Properties: map[string]string{"workload": "Pod/v"},
			},
			{
				Source: "shmkeeper", Category: "Shared memory", Policy: "none", Rule: "NoPolicy", Severity: "low", Result: "warn", Resources: pod1("w", ""),
				Message:    `no policy matches this Pod, and policy "postgresql" of shmkeeper's library would: apply that, or match the Pod in a policy of your own`,
				Properties: map[string]string{"workload": "Pod/w", "library-policy": "postgresql"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if old, _ := newReport(&reportAPIs[1], n, nil); old.Source != "" || old.APIVersion != "wgpolicyk8s.io/v1alpha2" || old.Kind != "PolicyReport" || old.Metadata.OwnerReferences != nil {
		t.Errorf("of the older API: source %q, %s %s", old.Source, old.APIVersion, old.Kind)
	}
	if _, ok := newReport(&reportAPIs[0], newNamespaceTally("shop", true), owner); ok {
		t.Error("there is a report of nothing")
	}
}

// A tenant can write long texts and many Pods; the report stays far below what etcd takes.
func TestNewReport_IsBounded(t *testing.T) {
	n := newNamespaceTally("shop", true)
	for i := range 3 * mostResults {
		f, pod := violating(fmt.Sprintf("%0253d", i), strings.Repeat("€", 4000))
		n.add(f, pod)
		n.addWriter("x", pod)
	}
	r, _ := newReport(&reportAPIs[0], n, nil)
	if len(r.Results) != mostResults+1 {
		t.Errorf("%d results, want %d and what is cut", len(r.Results), mostResults)
	}
	last := r.Results[len(r.Results)-1]
	if want := "1000 more Pods are left out: kubectl shm audit -n shop lists them all"; last.Message != want || last.Result != "skip" {
		t.Errorf("the last result is %s: %q, want %q", last.Result, last.Message, want)
	}
	if want := (summary{Fail: 600, Warn: 600, Skip: 1}); r.Summary != want {
		t.Errorf("summary %+v, want %+v", r.Summary, want)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 1<<19 || !utf8.Valid(text) {
		t.Errorf("%d bytes, valid %v", len(text), utf8.Valid(text))
	}
}

func TestTally_Sums(t *testing.T) {
	all := newTally()
	for _, name := range []string{"a", "b"} {
		n := newNamespaceTally(name, name == "a")
		for i := range 5 {
			n.add(violating(fmt.Sprintf("pod-%d", 9-i), "x"))
		}
		n.pods = 7
		all.addNamespace(n)
	}
	p := all.byPolicy["p"]
	if p.matched != 10 || p.violating != 10 || p.outdated != 10 || p.rejected != 10 || p.byReason[policy.NoMount] != 10 || all.pods != 14 {
		t.Errorf("sums: %+v, %d Pods", p, all.pods)
	}
	if _, found := all.byNamespace["b"]; found || len(all.byNamespace) != 1 {
		t.Error("a namespace without the label has a metric")
	}
	want := blocked{Pods: 5, Names: []string{"pod-5", "pod-6", "pod-7"}}
	if diff := cmp.Diff(want, all.blocked["b"]); diff != "" {
		t.Error(diff)
	}
	f, pod := violating("x", "y")
	f.PolicyMode = v1alpha1.Warn
	n := newNamespaceTally("c", true)
	n.add(f, pod)
	if n.blocked.Pods != 0 || n.rejected != 0 {
		t.Error("a policy that only warns keeps a Pod from being created")
	}
}

func TestWorkload_EventsAreBounded(t *testing.T) {
	n := newNamespaceTally("shop", true)
	for i := range 2 * mostWorkloads {
		f, pod := violating(fmt.Sprintf("pod-%d", i), strings.Repeat("x", 5000))
		n.add(f, pod)
	}
	if len(n.workloads) != mostWorkloads {
		t.Errorf("%d workloads", len(n.workloads))
	}
	w := n.workloads[audit.Workload{APIVersion: "v1", Kind: "Pod", Name: "pod-0", UID: "u1"}]
	var got []string
	for _, e := range w.events() {
		got = append(got, e.Type+" "+e.Reason)
	}
	if diff := cmp.Diff([]string{"Warning PodsWouldBeRejected"}, got); diff != "" {
		t.Error(diff)
	}
	two := workload{policy: "p", violating: 2, rejected: 1, violation: "v", rejection: "r"}
	var notes []string
	for _, e := range two.events() {
		notes = append(notes, e.Note)
	}
	want := []string{
		`1 running Pod could not be created again in mode enforce under SharedMemoryPolicy "p": r`,
		`SharedMemoryPolicy "p" is violated by 2 running Pods: v`,
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Error(diff)
	}
}

func TestLastScan_ReadsWhatTheLeaderWrote(t *testing.T) {
	l := &LastScan{}
	if pods, _, _ := l.CouldNotBeCreated("shop"); pods != 0 || l.LeavesOutUnlabelled() {
		t.Error("it knows something")
	}
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: ConfigMapName}, Data: map[string]string{
		blockedKey: `{"time":"2026-11-26T10:00:00Z","namespaces":{"shop":{"pods":2,"names":["a","b"]}}}`,
	}}
	l.read(m)
	pods, names, at := l.CouldNotBeCreated("shop")
	if pods != 2 || len(names) != 2 || at.UTC().Format("15:04") != "10:00" {
		t.Errorf("%d, %v, %v", pods, names, at)
	}
	if pods, _, _ := l.CouldNotBeCreated("other"); pods != 0 {
		t.Error("another namespace has Pods")
	}
	if !l.LeavesOutUnlabelled() {
		t.Error("a scan of labelled namespaces alone counts for all")
	}
	all := m.DeepCopy()
	all.Data[blockedKey] = `{"time":"2026-11-26T10:00:00Z","unlabelled":true}`
	if l.read(all); l.LeavesOutUnlabelled() {
		t.Error("a scan of all namespaces does not count for those without a label")
	}
	l.read(m)
	other := m.DeepCopy()
	other.Name, other.Data = "x", nil
	l.read(other)
	if pods, _, _ := l.CouldNotBeCreated("shop"); pods != 2 {
		t.Error("another ConfigMap counts")
	}
	m.Data = map[string]string{blockedKey: "{"}
	l.read(m)
	if pods, _, _ := l.CouldNotBeCreated("shop"); pods != 0 {
		t.Error("what cannot be read counts")
	}
}
