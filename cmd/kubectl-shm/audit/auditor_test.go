package audit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// newAuditor returns an auditor under a policy "web" of 256Mi and a policy "strict" that changes
// nothing, for a namespace "shop" in mode enforce and one "dev" that has not opted in.
func newAuditor(t *testing.T, quotas ...*corev1.ResourceQuota) *auditor {
	t.Helper()
	web, strict := policytest.AppPolicy("web", "web"), policytest.AppPolicy("strict", "strict")
	strict.Spec.Mutation = v1alpha1.MutationDisabled
	p := &live.Policies{Whose: "the cluster's policies"}
	var compiled []policy.Policy
	for _, source := range []*v1alpha1.SharedMemoryPolicy{web, strict} {
		one, errs := policy.Compile(source)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		compiled = append(compiled, one)
		p.Sources = append(p.Sources, source)
	}
	p.Set = policy.NewSet(compiled...)
	held, err := library(p)
	if err != nil {
		t.Fatal(err)
	}
	return &auditor{
		library: held, policies: p, owners: &live.Owners{}, workloads: map[live.Workload]*workload{}, templates: map[live.Workload]podTemplate{},
		namespaces: live.Namespaces{
			"shop": {Labels: map[string]string{v1alpha1.LabelMode: "enforce"}, ResourceQuotas: quotas},
			"dev":  {},
		},
	}
}

// app returns a Pod of an app with 512Mi of limit and 64Mi of request, owned by a StatefulSet of the
// app's name.
func app(namespace, app, name string, options ...policytest.PodOption) *corev1.Pod {
	pod := policytest.NewPod(name, policytest.Namespace(namespace), policytest.Labels(map[string]string{"app": app}),
		policytest.WithContainer("main", "nginx", policytest.MemoryLimit("512Mi"), policytest.MemoryRequest("64Mi")))
	owner := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: app}}
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}
	return policytest.With(pod, options...)
}

func sized(pod *corev1.Pod) {
	policytest.WithMemoryVolume("shm", "256Mi")(pod)
	policytest.Mount("shm", "/dev/shm")(&pod.Spec.Containers[0])
}

// statefulSet returns that of app's Pods.
func statefulSet(namespace, name string, replicas int32, options ...policytest.PodOption) *appsv1.StatefulSet {
	pod := app(namespace, name, "", options...)
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       appsv1.StatefulSetSpec{Replicas: &replicas, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec}},
	}
}

func anyLabels(map[string]string) bool { return true }

// lines returns the table of an audit without its texts, a line for each workload.
func lines(r *report) []string {
	var out []string
	for _, row := range r.table(true).Rows {
		out = append(out, strings.Join(row[:11], " "))
	}
	return out
}

func TestAuditor_Workloads(t *testing.T) {
	ended := func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }
	leaving := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }
	for name, c := range map[string]struct {
		pods      []*corev1.Pod
		templates []*appsv1.StatefulSet
		want      []string
		unmatched int
	}{
		"the worst of the Pods is the workload's": {
			pods: []*corev1.Pod{app("shop", "web", "web-0", sized), app("shop", "web", "web-1"), app("shop", "web", "web-2")},
			want: []string{"shop StatefulSet/web 3 enforce changed AddVolume 256Mi +512Mi +514Mi web web-1"},
		},
		"violating before changed before compliant, then by name": {
			pods: []*corev1.Pod{app("dev", "web", "web-0", sized), app("shop", "web", "web-0"), app("shop", "strict", "strict-0"), app("dev", "strict", "strict-0")},
			want: []string{
				"dev StatefulSet/strict 1 - violating NoMount 256Mi   strict strict-0",
				"shop StatefulSet/strict 1 enforce violating NoMount 256Mi   strict strict-0",
				"shop StatefulSet/web 1 enforce changed AddVolume 256Mi +256Mi +257Mi web web-0",
				"dev StatefulSet/web 1 - compliant AlreadySized 256Mi   web web-0",
			},
		},
		"Pods that have ended or are leaving count for nothing": {
			pods: []*corev1.Pod{app("shop", "web", "web-0", ended), app("shop", "web", "web-1", leaving), app("shop", "other", "other-0")}, unmatched: 1,
		},
		"replicas that are not there are counted": {
			pods: []*corev1.Pod{app("shop", "web", "web-0")}, templates: []*appsv1.StatefulSet{statefulSet("shop", "web", 3)},
			want: []string{"shop StatefulSet/web 1/3 enforce changed AddVolume 256Mi +768Mi +771Mi web web-0"},
		},
		"a workload without Pods": {
			templates: []*appsv1.StatefulSet{statefulSet("shop", "web", 0)},
			want:      []string{"shop StatefulSet/web 0 enforce changed AddVolume 256Mi   web "},
		},
		"the next Pods would be rejected, those that run are fine": {
			pods: []*corev1.Pod{app("shop", "strict", "strict-0", sized)}, templates: []*appsv1.StatefulSet{statefulSet("shop", "strict", 1)},
			want: []string{"shop StatefulSet/strict 1 enforce violating NoMount 256Mi   strict "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuditor(t)
			for _, pod := range c.pods {
				a.pod(pod)
			}
			for _, object := range c.templates {
				if one, ok := a.template(object, anyLabels); ok {
					a.templates[one.workload] = one
				}
			}
			r := a.report()
			if diff := cmp.Diff(c.want, lines(r)); diff != "" || r.unmatched != c.unmatched {
				t.Errorf("%d unmatched, want %d; -want +got:\n%s", r.unmatched, c.unmatched, diff)
			}
		})
	}
}

// quota returns one of limits.memory as a cluster has it.
func quota(name, hard, used string, scopes ...corev1.ResourceQuotaScope) *corev1.ResourceQuota {
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.ResourceQuotaSpec{Scopes: scopes}}
	q.Status.Hard = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse(hard)}
	q.Status.Used = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse(used)}
	return q
}

func TestAuditor_Quotas(t *testing.T) {
	// Two Pods of 512Mi, each of which would get 257Mi more.
	a := newAuditor(t, quota("enough", "1538Mi", "1Gi"), quota("small", "1537Mi", "1Gi"), quota("full", "1Gi", "2Gi"),
		quota("other", "1Gi", "1Gi", corev1.ResourceQuotaScopeTerminating))
	a.pod(app("shop", "web", "web-0"))
	a.pod(app("shop", "web", "web-1"))
	r := a.report()
	if len(r.namespaces) != 1 {
		t.Fatalf("%d namespaces", len(r.namespaces))
	}
	n := r.namespaces[0]
	var got []string
	for _, x := range n.exceeded {
		got = append(got, x.String())
	}
	want := []string{
		`ResourceQuota "full" allows 1Gi of limits.memory, of which 2Gi are used, and 2562Mi would be needed: raise it to that`,
		`ResourceQuota "small" allows 1537Mi of limits.memory, of which 1Gi are used, and 1538Mi would be needed: raise it to that`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n.before != (policy.Usage{Requests: 128 * sizing.MiB, Limits: 1024 * sizing.MiB}) || n.after != (policy.Usage{Requests: 640 * sizing.MiB, Limits: 1538 * sizing.MiB}) {
		t.Errorf("the memory is %v and then %v", n.before, n.after)
	}
}

// A quota that keeps Pods out is to be raised to what they would need.
func TestAuditor_QuotaThatRejects(t *testing.T) {
	a := newAuditor(t, quota("full", "1100Mi", "1Gi"))
	a.pod(app("shop", "web", "web-0"))
	a.pod(app("shop", "web", "web-1"))
	r := a.report()
	want := []string{"shop StatefulSet/web 2 enforce violating ExceedsQuota 256Mi +512Mi +514Mi web web-0"}
	if diff := cmp.Diff(want, lines(r)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if x := r.namespaces[0].exceeded; len(x) != 1 || x[0].needed != 1538*sizing.MiB {
		t.Errorf("exceeded: %v, want 1538Mi to be needed", x)
	}
}

// Of the Pods that no policy matches, those that look like writers are named.
func TestAuditor_Unmatched(t *testing.T) {
	a := newAuditor(t)
	image := func(image string) policytest.PodOption {
		return func(p *corev1.Pod) { p.Spec.Containers[0].Image = image }
	}
	a.pod(app("dev", "grid", "grid-0", image("selenium/node-chrome")))
	a.pod(app("dev", "cache", "cache-0", func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"--dir=/dev/shm/cache"} }))
	a.pod(app("dev", "other", "other-0"))
	r := a.report()
	want := []string{"dev StatefulSet/cache 1 - unmatched NoPolicy     cache-0", "dev StatefulSet/grid 1 - unmatched NoPolicy     grid-0"}
	if diff := cmp.Diff(want, lines(r)); diff != "" || r.unmatched != 3 {
		t.Errorf("%d unmatched, want 3; -want +got:\n%s", r.unmatched, diff)
	}
	detail := `no policy matches it, and policy "selenium" of the library would: look at it with kubectl shm policies selenium, and apply it`
	if got := r.workloads[1].worst.detail; got != detail {
		t.Errorf("got %s, want %s", got, detail)
	}
}

func TestReport_FailOn(t *testing.T) {
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"compliant": {app("shop", "web", "web-0", sized), ""},
		"changed":   {app("shop", "web", "web-0"), "changed"},
		"violating": {app("shop", "strict", "strict-0"), "changed violating"},
	} {
		a := newAuditor(t)
		a.pod(c.pod)
		r := a.report()
		var got []string
		for _, on := range []string{"changed", "violating", "never"} {
			if r.fails(on) {
				got = append(got, on)
			}
		}
		if fmt.Sprint(got) != "["+c.want+"]" {
			t.Errorf("%s: it fails on %v, want [%s]", name, got, c.want)
		}
	}
}
