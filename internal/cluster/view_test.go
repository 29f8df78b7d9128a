package cluster

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

type fakeInformer struct {
	toolscache.Indexer
	synced bool
}

func (f *fakeInformer) GetIndexer() toolscache.Indexer { return f.Indexer }
func (f *fakeInformer) HasSynced() bool                { return f.synced }

func newFakeInformer() *fakeInformer {
	return &fakeInformer{Indexer: toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{
		toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc,
	})}
}

func TestView(t *testing.T) {
	namespaces, limitRanges, quotas := newFakeInformer(), newFakeInformer(), newFakeInformer()
	v := &View{namespaces: namespaces, limitRanges: limitRanges, resourceQuotas: quotas}
	if got := v.Policies().Policies(); len(got) != 0 {
		t.Errorf("before the start there are policies: %v", got)
	}
	m, err := labelsOnly(namespaceAsListed("team-a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := namespaces.Add(m); err != nil {
		t.Fatal(err)
	}
	for _, ns := range []string{"team-a", "team-b"} {
		r := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "limits"}}
		if err := limitRanges.Add(r); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"second", "first"} {
			if err := quotas.Add(&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	labels, ok := v.NamespaceLabels("team-a")
	if diff := cmp.Diff(map[string]string{corev1.LabelMetadataName: "team-a", "shmkeeper.dev/mode": "enforce"}, labels); diff != "" || !ok {
		t.Errorf("labels (-want +got), %v:\n%s", ok, diff)
	}
	if _, ok := v.NamespaceLabels("team-c"); ok {
		t.Error("a namespace is known that there is not")
	}
	if diff := cmp.Diff([]string{"team-a"}, v.Namespaces()); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
	if got := v.LimitRanges("team-a"); len(got) != 1 || got[0].Namespace != "team-a" {
		t.Errorf("LimitRanges: %v", got)
	}
	if got := v.LimitRanges("team-c"); len(got) != 0 {
		t.Errorf("LimitRanges: %v", got)
	}
	if got := v.ResourceQuotas("team-a"); len(got) != 2 || got[0].Name != "first" || got[0].Namespace != "team-a" || got[1].Name != "second" {
		t.Errorf("ResourceQuotas: %v", got)
	}
	if got := v.ResourceQuotas("team-c"); len(got) != 0 {
		t.Errorf("ResourceQuotas: %v", got)
	}
	v.inForce.Store(&inForce{})
	namespaces.synced = true
	if v.Synced() {
		t.Error("the view is synced without LimitRanges")
	}
	limitRanges.synced = true
	if v.Synced() {
		t.Error("the view is synced without ResourceQuotas")
	}
	quotas.synced = true
	if !v.Synced() {
		t.Error("the view is not synced")
	}
}

// namespaceAsListed returns a namespace as a cluster with the usual tools has it.
func namespaceAsListed(name string) *metav1.PartialObjectMetadata {
	m := namespaceMetadata()
	m.Name, m.UID, m.ResourceVersion = strings.Clone(name), "2f1a3f5e-6c5d-4f0e-9a56-0d2a7e2b1a11", "123456"
	m.Labels = map[string]string{strings.Clone(corev1.LabelMetadataName): strings.Clone(name), strings.Clone("shmkeeper.dev/mode"): "enforce"}
	m.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: strings.Repeat("x", 600)}
	m.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(strings.Repeat("f", 400))}}
	return m
}

func TestCacheOptions_TransformsKeepWhatIsUsed(t *testing.T) {
	got, err := labelsOnly(namespaceAsListed("a"))
	if err != nil {
		t.Fatal(err)
	}
	want := namespaceAsListed("a")
	want.Annotations, want.ManagedFields = nil, nil
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r := &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "r", UID: "1", ResourceVersion: "2", Labels: map[string]string{"x": "y"}, Annotations: map[string]string{"x": "y"}},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer}}},
	}
	got, err = limitsOnly(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "r", UID: "1", ResourceVersion: "2"}, Spec: r.Spec}), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	quota := quotaAsListed("a", "q")
	got, err = memoryQuotaOnly(quota)
	if err != nil {
		t.Fatal(err)
	}
	kept := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "q", UID: "1", ResourceVersion: "2"}}
	kept.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeNotBestEffort}
	kept.Spec.ScopeSelector = quota.Spec.ScopeSelector
	kept.Status.Hard = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("8Gi")}
	kept.Status.Used = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("512Mi")}
	if diff := cmp.Diff(any(kept), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	delete(quota.Status.Hard, corev1.ResourceLimitsMemory)
	if got, err = memoryQuotaOnly(quota); err != nil {
		t.Fatal(err)
	}
	kept.Spec, kept.Status = corev1.ResourceQuotaSpec{}, corev1.ResourceQuotaStatus{}
	if diff := cmp.Diff(any(kept), got); diff != "" {
		t.Errorf("a quota that does not limit memory (-want +got):\n%s", diff)
	}
	p := policytest.AppPolicy("a", "a")
	p.ManagedFields = want.ManagedFields
	p.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "shmkeeper.dev/description": "d"}
	if _, err := withoutManagedFields(p); err != nil || p.ManagedFields != nil || len(p.Annotations) != 1 {
		t.Errorf("%v, %v, %v", err, p.ManagedFields, p.Annotations)
	}
	for _, f := range []toolscache.TransformFunc{labelsOnly, limitsOnly, memoryQuotaOnly, withoutManagedFields} {
		if got, err := f("something else"); got != "something else" || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// 10,000 namespaces are to fit in a fraction of the 150 MiB that the server may use.
func TestMemoryOfANamespace(t *testing.T) {
	const n, most = 10_000, 2 << 10
	before := heap()
	namespaces := newFakeInformer()
	for i := range n {
		m, err := labelsOnly(namespaceAsListed(fmt.Sprintf("team-%05d", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := namespaces.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / n
	runtime.KeepAlive(namespaces)
	t.Logf("%d bytes for each namespace", each)
	if each > most {
		t.Errorf("a namespace takes %d bytes, want at most %d: keep less of it", each, most)
	}
}

// quotaAsListed returns a ResourceQuota as a cluster with the usual tools has it.
func quotaAsListed(namespace, name string) *corev1.ResourceQuota {
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{
		Namespace: strings.Clone(namespace), Name: strings.Clone(name), UID: "1", ResourceVersion: "2",
		Annotations:   map[string]string{corev1.LastAppliedConfigAnnotation: strings.Repeat("x", 600)},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(strings.Repeat("f", 400))}},
	}}
	q.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeNotBestEffort}
	q.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{{
		ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpNotIn, Values: []string{"high"},
	}}}
	q.Spec.Hard, q.Status.Hard, q.Status.Used = corev1.ResourceList{}, corev1.ResourceList{}, corev1.ResourceList{}
	for _, resourceName := range []corev1.ResourceName{corev1.ResourceLimitsMemory, corev1.ResourceLimitsCPU, corev1.ResourceRequestsCPU, corev1.ResourcePods} {
		q.Spec.Hard[resourceName] = resource.MustParse("8Gi")
		q.Status.Hard[resourceName] = resource.MustParse("8Gi")
		q.Status.Used[resourceName] = resource.MustParse("512Mi")
	}
	// The quota controller counts later what has been added.
	q.Spec.Hard[corev1.ResourceRequestsMemory] = resource.MustParse("4Gi")
	q.Status.Hard[corev1.ResourceRequestsMemory] = resource.MustParse("4Gi")
	return q
}

// And so are as many ResourceQuotas.
func TestMemoryOfAResourceQuota(t *testing.T) {
	const n, most = 10_000, 4 << 10
	before := heap()
	quotas := newFakeInformer()
	for i := range n {
		q, err := memoryQuotaOnly(quotaAsListed(fmt.Sprintf("team-%05d", i), "quota"))
		if err != nil {
			t.Fatal(err)
		}
		if err := quotas.Add(q); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / n
	runtime.KeepAlive(quotas)
	t.Logf("%d bytes for each ResourceQuota", each)
	if each > most {
		t.Errorf("a ResourceQuota takes %d bytes, want at most %d: keep less of it", each, most)
	}
}

// And so are 1,000 policies, compiled.
func TestMemoryOfAPolicy(t *testing.T) {
	const n, most = 1000, 16 << 10
	before := heap()
	c := newPolicyStore(policy.Mirrors{})
	files := policies.All()
	for i := range n {
		p := &v1alpha1.SharedMemoryPolicy{}
		if err := yaml.UnmarshalStrict(files[i%len(files)].YAML, p); err != nil {
			t.Fatal(err)
		}
		p.Name = fmt.Sprint(p.Name, "-", i)
		c.add(p)
	}
	set := c.set()
	each := (heap() - before) / n
	runtime.KeepAlive(set)
	runtime.KeepAlive(c)
	t.Logf("%d bytes for each policy", each)
	if each > most {
		t.Errorf("a policy takes %d bytes, want at most %d", each, most)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
