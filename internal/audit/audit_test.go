package audit

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// namespaces is a View of namespaces with these labels, each with the same LimitRanges and quotas.
type namespaces struct {
	labels map[string]map[string]string
	ranges []*corev1.LimitRange
	quotas []*corev1.ResourceQuota
}

func (n namespaces) NamespaceLabels(name string) (labels map[string]string, ok bool) {
	labels, ok = n.labels[name]
	return labels, ok
}

func (n namespaces) LimitRanges(string) []*corev1.LimitRange { return n.ranges }

func (n namespaces) ResourceQuotas(string) []*corev1.ResourceQuota { return n.quotas }

// shop returns a View of one namespace, shop, with a mode.
func shop(mode string) namespaces {
	return namespaces{labels: map[string]map[string]string{"shop": {v1alpha1.LabelMode: mode}}}
}

// webPolicies returns a policy of 256Mi for the Pods of the app web.
func webPolicies(t *testing.T, change ...func(*v1alpha1.SharedMemoryPolicySpec)) policy.Set {
	t.Helper()
	p := policytest.AppPolicy("web", "web")
	for _, c := range change {
		c(&p.Spec)
	}
	compiled, errs := policy.Compile(p)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return policy.NewSet(compiled)
}

// web returns a Pod of the app web in the namespace shop.
func web(options ...policytest.PodOption) *corev1.Pod {
	pod := policytest.NewPod("web-1", policytest.Namespace("shop"), policytest.Labels(map[string]string{"app": "web"}))
	pod.UID = "u1"
	return policytest.With(pod, options...)
}

const limit = "512Mi"

func plain() policytest.PodOption {
	return policytest.WithContainer("c", "img", policytest.MemoryLimit(limit))
}

func withVolume(size string) policytest.PodOption {
	return func(pod *corev1.Pod) {
		policytest.With(pod,
			policytest.WithContainer("c", "img", policytest.MemoryLimit("2Gi"), policytest.Mount("shm", "/dev/shm")),
			policytest.WithMemoryVolume("shm", size))
	}
}

func TestEvaluate_OutcomesAndSizes(t *testing.T) {
	type summary struct {
		Outcome                policy.Outcome
		Mode                   v1alpha1.Mode
		Violations, Rejections []policy.Reason
		Current, Given         sizing.Bytes
		Outdated               bool
	}
	mi := func(n int64) sizing.Bytes { return sizing.Bytes(n) * sizing.MiB }
	quota := func(hard, used string) []*corev1.ResourceQuota {
		list := func(q string) corev1.ResourceList {
			return corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse(q)}
		}
		return []*corev1.ResourceQuota{{
			ObjectMeta: metav1.ObjectMeta{Name: "memory"},
			Status:     corev1.ResourceQuotaStatus{Hard: list(hard), Used: list(used)},
		}}
	}
	tight := shop("enforce")
	tight.quotas = quota("600Mi", limit)
	roomy := shop("enforce")
	roomy.quotas = quota("800Mi", limit) // 256Mi more than the Pod has; twice the Pod would not fit
	for name, c := range map[string]struct {
		pod    *corev1.Pod
		view   namespaces
		change func(*v1alpha1.SharedMemoryPolicySpec)
		want   summary
	}{
		"the runtime's 64 MiB": {
			web(plain()), shop("enforce"), nil,
			summary{policy.Mutated, v1alpha1.Enforce, []policy.Reason{policy.NoMount}, []policy.Reason{}, mi(64), mi(256), true},
		},
		"a volume of the right size": {
			web(withVolume("256Mi")), shop("warn"), nil,
			summary{policy.Compliant, v1alpha1.Warn, []policy.Reason{}, []policy.Reason{}, mi(256), mi(256), false},
		},
		"a volume that is too small": {
			web(withVolume("100Mi")), shop("audit"), nil,
			summary{policy.Mutated, v1alpha1.Audit, []policy.Reason{policy.TooSmall}, []policy.Reason{}, mi(100), mi(256), true},
		},
		"a larger volume of the owner's is left": {
			web(withVolume("1Gi")), shop("enforce"), nil,
			summary{policy.Compliant, v1alpha1.Enforce, []policy.Reason{}, []policy.Reason{}, mi(1024), mi(1024), false},
		},
		"a policy that only checks rejects, and names its size": {
			web(plain()), shop("enforce"), func(s *v1alpha1.SharedMemoryPolicySpec) { s.Mutation = v1alpha1.MutationDisabled },
			summary{policy.Violating, v1alpha1.Enforce, []policy.Reason{policy.NoMount}, []policy.Reason{policy.NoMount}, mi(64), mi(256), false},
		},
		"a quota without room for the volume": {
			web(plain()), tight, nil,
			summary{
				policy.Violating, v1alpha1.Enforce,
				[]policy.Reason{policy.NoMount},
				[]policy.Reason{policy.ExceedsQuota, policy.NoMount},
				mi(64), mi(256), false,
			},
		},
		"a quota with room once the Pod itself is gone": {
			web(plain()), roomy, nil,
			summary{policy.Mutated, v1alpha1.Enforce, []policy.Reason{policy.NoMount}, []policy.Reason{}, mi(64), mi(256), true},
		},
		"a namespace without the label has no mode": {
			web(plain()),
			namespaces{labels: map[string]map[string]string{"shop": {}}},
			nil,
			summary{policy.Mutated, "", []policy.Reason{policy.NoMount}, []policy.Reason{}, mi(64), mi(256), true},
		},
		"a namespace that is not known": {
			web(plain()),
			namespaces{},
			nil,
			summary{policy.Mutated, "", []policy.Reason{policy.NoMount}, []policy.Reason{}, mi(64), mi(256), true},
		},
		"an unknown mode counts as audit": {
			web(plain()), shop("Enforce"), nil,
			summary{policy.Mutated, v1alpha1.Audit, []policy.Reason{policy.NoMount}, []policy.Reason{}, mi(64), mi(256), true},
		},
		"another app": {
			web(plain(), policytest.Labels(map[string]string{"app": "other"})), shop("enforce"), nil,
			summary{policy.NotMatched, "", []policy.Reason{}, []policy.Reason{}, 0, 0, false},
		},
	} {
		var change []func(*v1alpha1.SharedMemoryPolicySpec)
		if c.change != nil {
			change = append(change, c.change)
		}
		f := Evaluate(webPolicies(t, change...), c.view, PodOf(c.pod))
		got := summary{f.Outcome, f.Mode, Reasons(f.Violations), Reasons(f.Rejections), f.Current, f.Given, f.Outdated}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", name, diff, f.Detail)
		}
		if f.Violates() != (len(c.want.Violations) > 0) || f.Rejected() != (c.want.Outcome == policy.Violating) {
			t.Errorf("%s: Violates %v, Rejected %v", name, f.Violates(), f.Rejected())
		}
	}
}

// apply returns a Pod with a patch.
func apply(t *testing.T, pod *corev1.Pod, patch any) *corev1.Pod {
	t.Helper()
	texts := make([][]byte, 2)
	for i, v := range []any{pod, patch} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = text
	}
	operations, err := jsonpatch.DecodePatch(texts[1])
	if err != nil {
		t.Fatal(err)
	}
	text, err := operations.Apply(texts[0])
	if err != nil {
		t.Fatal(err)
	}
	out := &corev1.Pod{}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A Pod that was mutated keeps its volume until it is created again; its template has none.
func TestEvaluate_OutdatedAfterThePolicyChanges(t *testing.T) {
	pod := web(plain())
	subject, _ := policy.NewSubject(pod)
	before := webPolicies(t)
	patched := apply(t, pod, before.Evaluate(subject).Plan.Patch(subject))
	resize := func(size string) policy.Set {
		return webPolicies(t, func(s *v1alpha1.SharedMemoryPolicySpec) { s.Sizing.Fixed.Size = resource.MustParse(size) })
	}
	for name, c := range map[string]struct {
		policies     policy.Set
		wantGiven    sizing.Bytes
		wantOutdated bool
	}{
		"the same size":    {before, 256 * sizing.MiB, false},
		"a larger size":    {resize("300Mi"), 300 * sizing.MiB, true},
		"a smaller size":   {resize("128Mi"), 128 * sizing.MiB, true},
		"no mutation":      {webPolicies(t, func(s *v1alpha1.SharedMemoryPolicySpec) { s.Mutation = v1alpha1.MutationDisabled }), 256 * sizing.MiB, false},
		"nothing is sized": {webPolicies(t, func(s *v1alpha1.SharedMemoryPolicySpec) { s.Sizing = nil }), 256 * sizing.MiB, false},
	} {
		f := Evaluate(c.policies, shop("enforce"), PodOf(patched))
		if f.Current != 256*sizing.MiB || f.Given != c.wantGiven || f.Outdated != c.wantOutdated {
			t.Errorf("%s: %s: current %s, given %s, outdated %v; want 256Mi, %s, %v",
				name, f.Outcome, f.Current, f.Given, f.Outdated, c.wantGiven, c.wantOutdated)
		}
	}

	broken := patched.DeepCopy()
	broken.Annotations[v1alpha1.AnnotationInjected] = `{"volume": [`
	if f := Evaluate(resize("128Mi"), shop("enforce"), PodOf(broken)); f.Outdated {
		t.Error("a note that cannot be read tells a volume of ours")
	}
}

func TestWorkloadOf(t *testing.T) {
	controlled := func(version, kind, name string) policytest.PodOption {
		return func(pod *corev1.Pod) {
			pod.OwnerReferences = []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "ConfigMap", Name: "not-the-controller", UID: "u0"},
				{APIVersion: version, Kind: kind, Name: name, UID: "u2", Controller: new(true)},
			}
		}
	}
	hash := func(value string) policytest.PodOption {
		return policytest.Labels(map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: value})
	}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want Workload
	}{
		"no controller":                         {web(), Workload{"v1", "Pod", "web-1", "u1"}},
		"a ReplicaSet of a Deployment":          {web(hash("abc"), controlled("apps/v1", "ReplicaSet", "web-abc")), Workload{"apps/v1", "Deployment", "web", ""}},
		"a ReplicaSet of its own":               {web(controlled("apps/v1", "ReplicaSet", "web-abc")), Workload{"apps/v1", "ReplicaSet", "web-abc", "u2"}},
		"a ReplicaSet of another name":          {web(hash("x"), controlled("apps/v1", "ReplicaSet", "web-abc")), Workload{"apps/v1", "ReplicaSet", "web-abc", "u2"}},
		"a ReplicaSet of which the hash is all": {web(hash("abc"), controlled("apps/v1", "ReplicaSet", "-abc")), Workload{"apps/v1", "ReplicaSet", "-abc", "u2"}},
		"a StatefulSet":                         {web(hash("abc"), controlled("apps/v1", "StatefulSet", "web-abc")), Workload{"apps/v1", "StatefulSet", "web-abc", "u2"}},
		"a custom resource":                     {web(controlled("ray.io/v1", "RayCluster", "r")), Workload{"ray.io/v1", "RayCluster", "r", "u2"}},
	} {
		if diff := cmp.Diff(c.want, WorkloadOf(PodOf(c.pod))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A Pod that is decoded from a list says the same as what is made from a whole Pod.
func TestPod_DecodedIsPodOf(t *testing.T) {
	now := metav1.Unix(1, 0)
	pod := web(withVolume("100Mi"), func(pod *corev1.Pod) {
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "n", UID: "u2", Controller: new(true)}}
		pod.Status.Phase = corev1.PodRunning
		pod.DeletionTimestamp = &now
	})
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	var decoded Pod
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(PodOf(pod), &decoded); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(policy.ViewOf(&pod.ObjectMeta, &pod.Spec).Metadata, decoded.Metadata.MetadataView); diff != "" {
		t.Errorf("what decisions read (-want +got):\n%s", diff)
	}
	if !decoded.Over() {
		t.Error("a Pod that is being deleted is not over")
	}
}

func TestSuggest(t *testing.T) {
	compiled := func(name string) policy.Policy {
		p := policytest.Library(t, name)
		out, errs := policy.Compile(&p)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		return out
	}
	library, err := NewLibrary(policy.Mirrors{}, compiled("authentik-proxy-outposts"), compiled("hygiene"))
	if err != nil {
		t.Fatal(err)
	}
	other := policytest.Labels(map[string]string{"app": "x"})
	for name, c := range map[string]struct {
		pod    *corev1.Pod
		name   string
		writes bool
	}{
		"the image of a policy":    {web(other, policytest.WithContainer("proxy", "ghcr.io/goauthentik/proxy:1")), "authentik-proxy-outposts", true},
		"a mount at /dev/shm":      {web(other, withVolume("64Mi")), "hygiene", true},
		"an argument names it":     {web(other, policytest.WithContainer("c", "img", func(c *corev1.Container) { c.Args = []string{"--tmp=/dev/shm/x"} })), "", true},
		"nothing points to it":     {web(other, plain()), "", false},
		"a mirror of a static Pod": {web(other, withVolume("64Mi"), func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }), "", false},
	} {
		got, writes := library.Suggest(shop("audit"), PodOf(c.pod))
		if got != c.name || writes != c.writes {
			t.Errorf("%s: %q, %v, want %q, %v", name, got, writes, c.name, c.writes)
		}
	}
	if _, writes := (Library{}).Suggest(shop("audit"), PodOf(web(withVolume("64Mi")))); writes {
		t.Error("the zero Library suggests something")
	}
}
