package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestTopWorkloadOf(t *testing.T) {
	for name, tc := range map[string]struct {
		kind, owner, hash, want string
	}{
		"a Deployment":                           {"ReplicaSet", "outpost-587598dc4b", "587598dc4b", "Deployment/outpost"},
		"a ReplicaSet of its own":                {"ReplicaSet", "outpost-587598dc4b", "", "ReplicaSet/outpost-587598dc4b"},
		"a ReplicaSet whose name is the hash":    {"ReplicaSet", "-587598dc4b", "587598dc4b", "ReplicaSet/-587598dc4b"},
		"a CronJob":                              {"Job", "backup-29123456", "", "CronJob/backup"},
		"a Job whose name ends in other figures": {"Job", "backup-2026", "", "Job/backup-2026"},
		"a Job whose name is the minute":         {"Job", "-29123456", "", "Job/-29123456"},
		"a StatefulSet":                          {"StatefulSet", "db", "", "StatefulSet/db"},
		"no controller":                          {"", "", "", "Pod/p"},
	} {
		meta := &policy.MetadataView{Name: "p", Labels: map[string]string{"pod-template-hash": tc.hash}}
		if tc.kind != "" {
			meta.OwnerReferences = []policy.OwnerView{{Kind: "Node", Name: "n"}, {Kind: tc.kind, Name: tc.owner, Controller: new(true)}}
		}
		if got := policy.TopWorkloadOf(meta); got != tc.want {
			t.Errorf("%s: %q; want %q", name, got, tc.want)
		}
	}
}

// observedPolicy returns a policy of files, with figures that were measured.
func observedPolicy(t testing.TB, files, observed string) *v1alpha1.SharedMemoryPolicy {
	t.Helper()
	p := readPolicy(t, "{match: [{podSelector: {}}], memory: {handling: Ignore}, sizing: {min: 64Mi, max: 4Gi, files: "+files+"}}")
	if err := yaml.UnmarshalStrict([]byte("[{namespace: apps, workload: Deployment/outpost, "+observed+"}]"), &p.Status.Observed); err != nil {
		t.Fatal(err)
	}
	return p
}

// sizeOfDeclared returns the size limit under declared figures.
func sizeOfDeclared(t testing.TB, files string) sizing.Bytes {
	t.Helper()
	compiled, errs := policy.Compile(observedPolicy(t, files, ""))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	s, ok := compiled.Size()
	if !ok {
		t.Fatal("there is no size")
	}
	return s.Limit
}

func outpostPod(namespace string) *corev1.Pod {
	pod := policytest.NewPod("outpost-587598dc4b-x", policytest.Namespace(namespace),
		policytest.Labels(map[string]string{"pod-template-hash": "587598dc4b"}), policytest.WithContainer("proxy", "proxy"))
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "outpost-587598dc4b", Controller: new(true)}}
	return pod
}

// A Pod gets the size of the figures that were measured for its workload, as if they had been
// declared; and the declared one where nothing was measured, or what was is smaller, or nonsense.
func TestEvaluate_ObservedFigures(t *testing.T) {
	const (
		base     = `createdPerMinute: "18", retention: 24h, fileSize: 1500`
		declared = "{" + base + "}"
		observed = "{" + base + ", source: Observed}"
		lower    = "{" + base + ", source: Observed, observedFloor: Min}"
	)
	for name, tc := range map[string]struct {
		files, observed, namespace string
		as                         string // the declared figures that give the same
	}{
		"a higher rate":                   {observed, `createdPerMinute: "54.5"`, "apps", `{createdPerMinute: "54.5", retention: 24h, fileSize: 1500}`},
		"a longer retention":              {observed, `createdPerMinute: "18", retention: 72h`, "apps", `{createdPerMinute: "18", retention: 72h, fileSize: 1500}`},
		"larger files":                    {observed, `createdPerMinute: "18", fileSize: 8192`, "apps", `{createdPerMinute: "18", retention: 24h, fileSize: 8192}`},
		"a rate that does not count":      {declared, `createdPerMinute: "54.5"`, "apps", declared},
		"another namespace":               {observed, `createdPerMinute: "54.5"`, "other", declared},
		"a lower rate":                    {observed, `createdPerMinute: "9"`, "apps", declared},
		"a lower rate, which may count":   {lower, `createdPerMinute: "9"`, "apps", `{createdPerMinute: "9", retention: 24h, fileSize: 1500}`},
		"a rate that gives less than min": {lower, `createdPerMinute: "0.001"`, "apps", `{createdPerMinute: "0.001", retention: 24h, fileSize: 1500}`},
		"a rate that gives more than max": {observed, `createdPerMinute: "100000"`, "apps", `{createdPerMinute: "100000", retention: 24h, fileSize: 1500}`},
		"a retention where none is declared": {
			`{createdPerMinute: "18", fileSize: 1500, source: Observed, observedFloor: Min}`, `createdPerMinute: "18", retention: 24h`, "apps", declared,
		},
		"the same, of which the floor is that no size is enough": {
			`{createdPerMinute: "18", fileSize: 1500, source: Observed}`, `createdPerMinute: "18", retention: 24h`, "apps", `{createdPerMinute: "18", fileSize: 1500}`,
		},
		"no rate":                        {lower, `retention: 1h`, "apps", declared},
		"a rate that is not a number":    {lower, `createdPerMinute: NaN`, "apps", declared},
		"a rate of 0":                    {lower, `createdPerMinute: "0"`, "apps", declared},
		"a rate of a million characters": {lower, `createdPerMinute: "` + strings.Repeat("1", 1<<20) + `"`, "apps", declared},
		"a retention that is not a time": {lower, `createdPerMinute: "9", retention: soon`, "apps", declared},
		"a negative size of files":       {lower, `createdPerMinute: "9", fileSize: "-1"`, "apps", declared},
		"a size of files beyond memory":  {lower, `createdPerMinute: "9", fileSize: 1Ei`, "apps", declared},
	} {
		t.Run(name, func(t *testing.T) {
			compiled, errs := policy.Compile(observedPolicy(t, tc.files, tc.observed))
			if len(errs) > 0 {
				t.Fatal(errs.ToAggregate())
			}
			set, want := policy.NewSet(compiled), sizeOfDeclared(t, tc.as)
			pod := outpostPod(tc.namespace)
			subject, _ := policy.NewSubject(pod)
			e := set.Evaluate(subject)
			if e.Outcome != policy.Mutated || e.Size.Limit != want {
				t.Errorf("%s with %s: %s; want Mutated with %s", e.Outcome, e.Size.Limit, e.Detail, want)
			}
			// The Deployment is told the same as its Pods.
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "outpost", Namespace: tc.namespace}}
			d.Spec.Template.Spec = pod.Spec
			subject, _ = policy.NewSubject(d)
			if e := set.Evaluate(subject); e.Size.Limit != want {
				t.Errorf("the Deployment gets %s; want %s as its Pods", e.Size.Limit, want)
			}
		})
	}
}

// What does not count of one workload keeps nothing of the next from counting; and where nothing is ever deleted, so that
// no size is enough, what is measured says how much memory a full volume costs.
func TestEvaluate_ObservedFigures_OfSeveralWorkloads(t *testing.T) {
	const files = `{createdPerMinute: "18", retention: 24h, fileSize: 1500, source: Observed}`
	for name, before := range map[string]string{
		"invalid figures":                 `{namespace: apps, workload: Deployment/other, createdPerMinute: "-"}`,
		"figures below the declared ones": `{namespace: apps, workload: Deployment/other, createdPerMinute: "1"}`,
	} {
		p := observedPolicy(t, files, `createdPerMinute: "54.5"`)
		var other v1alpha1.Observation
		if err := yaml.UnmarshalStrict([]byte(before), &other); err != nil {
			t.Fatal(err)
		}
		p.Status.Observed = append([]v1alpha1.Observation{other}, p.Status.Observed...)
		if got, want := sizeOfPod(t, p).Limit, sizeOfDeclared(t, `{createdPerMinute: "54.5", retention: 24h, fileSize: 1500}`); got != want {
			t.Errorf("after %s: %s; want %s", name, got, want)
		}
	}
	for _, size := range []string{"1500", "100000"} {
		p := observedPolicy(t, `{createdPerMinute: "18", fileSize: 1500, source: Observed}`, `createdPerMinute: "18", fileSize: `+size)
		want := sizeOfPod(t, observedPolicy(t, `{createdPerMinute: "18", fileSize: `+size+`}`, ""))
		if got := sizeOfPod(t, p); got.MemoryCost != want.MemoryCost {
			t.Errorf("files of %s that nobody deletes: the memory cost is %s; want %s", size, got.MemoryCost, want.MemoryCost)
		}
	}
}

// sizeOfPod returns what the outpost's Pod gets under a policy.
func sizeOfPod(t testing.TB, p *v1alpha1.SharedMemoryPolicy) sizing.Size {
	t.Helper()
	compiled, errs := policy.Compile(p)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	subject, _ := policy.NewSubject(outpostPod("apps"))
	return policy.NewSet(compiled).Evaluate(subject).Size
}

// Whatever a status says, a new Pod gets at least what is declared, and at most max; and with the
// floor min at least that.
func TestEvaluate_ObservedFigures_StayWithinTheBounds(t *testing.T) {
	const files = `{createdPerMinute: "18", retention: 24h, fileSize: 1500, source: Observed`
	declared := sizeOfDeclared(t, files+"}")
	rapid.Check(t, func(rt *rapid.T) {
		p := observedPolicy(t, files+"}", "")
		least := declared
		if rapid.Bool().Draw(rt, "floor min") {
			p.Spec.Sizing.Files.ObservedFloor, least = v1alpha1.ObservedFloorMin, 64*sizing.MiB
		}
		o := &p.Status.Observed[0]
		o.CreatedPerMinute = rapid.OneOf(rapid.StringMatching(`[0-9]{1,9}([.][0-9]{1,9})?`), rapid.String()).Draw(rt, "rate")
		if rapid.Bool().Draw(rt, "has a file size") {
			o.FileSize = resource.NewQuantity(rapid.Int64().Draw(rt, "file size"), resource.BinarySI)
		}
		if rapid.Bool().Draw(rt, "has a retention") {
			o.Retention = new(v1alpha1.Duration(fmt.Sprint(rapid.IntRange(0, 99999).Draw(rt, "retention"), "m")))
		}
		compiled, errs := policy.Compile(p)
		if len(errs) > 0 {
			rt.Fatalf("a status makes the policy invalid: %v", errs)
		}
		subject, _ := policy.NewSubject(outpostPod("apps"))
		if e := policy.NewSet(compiled).Evaluate(subject); e.Size.Limit < least || e.Size.Limit > 4*sizing.GiB {
			rt.Fatalf("the size is %s; want from %s to 4Gi", e.Size.Limit, least)
		}
	})
}

func TestPolicy_SizeOf(t *testing.T) {
	files := observedPolicy(t, `{createdPerMinute: "18", retention: 24h, fileSize: 1500}`, `createdPerMinute: "36"`)
	fixed := policytest.AppPolicy("fixed", "a")
	checks := policytest.AppPolicy("checks", "a")
	checks.Spec.Sizing = nil
	units := policytest.AppPolicy("units", "a")
	units.Spec.Sizing = readPolicy(t, "{match: [{podSelector: {}}], sizing: {units: {each: 64Mi, count: {literal: 4}}}}").Spec.Sizing
	peak := v1alpha1.Observation{Peak: new(resource.MustParse("100Mi"))}
	for name, tc := range map[string]struct {
		policy      *v1alpha1.SharedMemoryPolicy
		observation v1alpha1.Observation
		want        sizing.Bytes // 0: none
	}{
		"files, though they do not count": {files, files.Status.Observed[0], sizeOfDeclared(t, `{createdPerMinute: "36", retention: 24h, fileSize: 1500}`)},
		"files without a rate":            {files, peak, 0},
		"a fixed size":                    {fixed, peak, 125 * sizing.MiB},
		"a fixed size without figures":    {fixed, v1alpha1.Observation{CreatedPerMinute: "18"}, 0},
		"a peak that is negative":         {fixed, v1alpha1.Observation{Peak: new(resource.MustParse("-1"))}, 0},
		"a peak of nothing":               {fixed, v1alpha1.Observation{Peak: new(resource.MustParse("0"))}, 64 * sizing.MiB},
		"units":                           {units, peak, 125 * sizing.MiB},
		"no sizing":                       {checks, peak, 0},
	} {
		compiled, errs := policy.Compile(tc.policy)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		s, ok := compiled.SizeOf(&tc.observation)
		if s.Limit != tc.want || ok != (tc.want > 0) {
			t.Errorf("%s: %s, %t; want %s", name, s.Limit, ok, tc.want)
		}
	}
}

// The files of a fixed size have the memory cost that they would have if the policy gave this size.
func TestPolicy_SizeOf_CountsFiles(t *testing.T) {
	sizeOf := func(size string) (policy.Policy, sizing.Size) {
		p := policytest.AppPolicy("fixed", "a")
		p.Spec.Sizing = readPolicy(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: "+size+", fileSize: 4096}}}").Spec.Sizing
		compiled, errs := policy.Compile(p)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		s, _ := compiled.Size()
		return compiled, s
	}
	compiled, _ := sizeOf("1Gi")
	_, want := sizeOf("125Mi")
	got, ok := compiled.SizeOf(&v1alpha1.Observation{Peak: new(resource.MustParse("100Mi"))})
	if !ok || got.Limit != want.Limit || got.MemoryCost != want.MemoryCost || got.MemoryCost < got.Limit+32_000*1_000 {
		t.Errorf("%s with a memory cost of %s; want %s with %s", got.Limit, got.MemoryCost, want.Limit, want.MemoryCost)
	}
}

func TestRecommend(t *testing.T) {
	s := &sizing.Size{Required: 100 * sizing.MiB, Limit: 125 * sizing.MiB}
	for current, want := range map[sizing.Bytes]v1alpha1.Recommendation{
		0: v1alpha1.RecommendTooSmall, 100*sizing.MiB - 1: v1alpha1.RecommendTooSmall,
		100 * sizing.MiB: v1alpha1.RecommendRight, 250 * sizing.MiB: v1alpha1.RecommendRight,
		250*sizing.MiB + 1: v1alpha1.RecommendWasteful, sizing.MaxBytes: v1alpha1.RecommendWasteful,
	} {
		if got := policy.Recommend(current, s); got != want {
			t.Errorf("%s: %s; want %s", current, got, want)
		}
	}
}

func TestSet_MemoryVolumes(t *testing.T) {
	compiled, errs := policy.Compile(policytest.AppPolicy("p", "a"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	pod := policytest.NewPod("p", policytest.Labels(map[string]string{"app": "a"}),
		policytest.WithMemoryVolume("shm", "512Mi"), policytest.WithMemoryVolume("other", "1Gi"),
		policytest.WithContainer("app", "app", policytest.MemoryLimit("256Mi"), policytest.Mount("shm", "/dev//shm"), policytest.Mount("other", "/tmp")),
		policytest.WithContainer("helper", "helper", policytest.MemoryLimit("64Mi"), policytest.Mount("shm", "/dev/shm")))
	subject, _ := policy.NewSubject(pod)
	decides, size, volumes := policy.NewSet(compiled).MemoryVolumes(subject)
	want := []policy.MemoryVolume{{
		Name: "shm", Path: "/dev/shm", SizeLimit: 512 * sizing.MiB, Mounted: 320 * sizing.MiB,
		Writers: []policy.WriterLimit{{Container: "app", Limit: 256 * sizing.MiB}}, PodLimit: 320 * sizing.MiB,
	}}
	if diff := cmp.Diff(want, volumes); diff != "" || decides.Name() != "p" || size.Limit != 256*sizing.MiB {
		t.Errorf("policy %q gives %s (-want +got):\n%s", decides.Name(), size.Limit, diff)
	}
}

// Pods that no policy matches, that are skipped, or that are beyond the bounds have no volumes to measure.
func TestSet_MemoryVolumes_None(t *testing.T) {
	compiled, errs := policy.Compile(policytest.AppPolicy("p", "a"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	base := func(app string) *corev1.Pod {
		return policytest.NewPod("p", policytest.Labels(map[string]string{"app": app}), policytest.WithMemoryVolume("shm", "512Mi"),
			policytest.WithContainer("app", "app", policytest.Mount("shm", "/dev/shm")))
	}
	mirror, huge := base("a"), base("a")
	mirror.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	for range 1025 {
		huge.Spec.Volumes = append(huge.Spec.Volumes, corev1.Volume{Name: "v"})
	}
	for name, pod := range map[string]*corev1.Pod{"not matched": base("b"), "a mirror": mirror, "too complex": huge} {
		subject, _ := policy.NewSubject(pod)
		if decides, _, volumes := policy.NewSet(compiled).MemoryVolumes(subject); decides != (policy.Policy{}) || len(volumes) > 0 {
			t.Errorf("%s: it has volumes %v", name, volumes)
		}
	}
}
