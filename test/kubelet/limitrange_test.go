package kubelet

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/apis/core"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/plugin/pkg/admission/limitranger"

	"github.com/shmkeeper/shmkeeper/internal/limitrange"
	"github.com/shmkeeper/shmkeeper/policy"
)

// givenByPlugin returns a Pod as webhooks see it, with what an API server's plugin gives it
// by LimitRanges, in the order of the list.
func givenByPlugin(t *testing.T, written *corev1.Pod, limitRanges []*corev1.LimitRange) *corev1.Pod {
	t.Helper()
	var internal core.Pod
	if err := corev1defaults.Convert_v1_Pod_To_core_Pod(decoded(written), &internal, nil); err != nil {
		t.Fatal(err)
	}
	for _, l := range limitRanges {
		stored := l.DeepCopy()
		corev1defaults.SetObjectDefaults_LimitRange(stored)
		if err := limitranger.PodMutateLimitFunc(stored, &internal); err != nil {
			t.Fatal(err)
		}
	}
	out := &corev1.Pod{}
	if err := corev1defaults.Convert_core_Pod_To_v1_Pod(&internal, out, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

// limits returns quantities of CPU, memory and disk, of which each may be missing.
func (g generator) limits() corev1.ResourceList {
	out := list(oneOf(g, "", "", "0", "100m", "2"), oneOf(g, "", "", "0", "64Mi", "256Mi", "1.5Gi", "1500m"))
	if g.IntN(4) == 0 {
		if out == nil {
			out = corev1.ResourceList{}
		}
		out[corev1.ResourceEphemeralStorage] = resource.MustParse(oneOf(g, "1Gi", "2Gi"))
	}
	return out
}

// givingLimitRanges returns LimitRanges that give containers something, by their names.
func (g generator) givingLimitRanges() []*corev1.LimitRange {
	var out []*corev1.LimitRange
	for i := range g.IntN(4) {
		l := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("l-%d", i), Namespace: "n"}}
		for range g.IntN(3) {
			item := corev1.LimitRangeItem{Type: oneOf(g, corev1.LimitTypeContainer, corev1.LimitTypeContainer, corev1.LimitTypeContainer, corev1.LimitTypePod)}
			for _, part := range []*corev1.ResourceList{&item.Default, &item.DefaultRequest, &item.Max, &item.Min} {
				if g.IntN(2) == 0 {
					*part = g.limits()
				}
			}
			l.Spec.Limits = append(l.Spec.Limits, item)
		}
		out = append(out, l)
	}
	return out
}

// withResourcesOf returns a Pod whose containers have the resources of a view.
func withResourcesOf(pod *corev1.Pod, view *policy.PodView) *corev1.Pod {
	out := pod.DeepCopy()
	for i := range out.Spec.Containers {
		out.Spec.Containers[i].Resources = *view.Spec.Containers[i].Resources
	}
	for i := range out.Spec.InitContainers {
		out.Spec.InitContainers[i].Resources = *view.Spec.InitContainers[i].Resources
	}
	return out
}

// A review that needs no cluster gives containers what the plugin would give them.
func TestLimitRange_GivesWhatThePluginGives(t *testing.T) {
	const pods = 20_000
	g := generator{rand.New(rand.NewPCG(5, 5))}
	reached := tally{}
	failures := 0
	for n := 0; n < pods && failures < 3; n++ {
		written, limitRanges := g.pod(), g.givingLimitRanges()
		want := givenByPlugin(t, written, limitRanges)

		before := written.DeepCopy()
		subject := subjectOf(written, 0)
		subject.LimitRanges = append(subject.LimitRanges, limitRanges...)
		g.Shuffle(len(limitRanges), func(i, j int) {
			l := subject.LimitRanges
			l[i], l[j] = l[j], l[i]
		})
		got, given := limitrange.Apply(subject)
		if !equality.Semantic.DeepEqual(before, written) {
			t.Fatal("the Pod that was written is changed")
		}
		// Where nothing is given the Pod is left as it is written.
		complete := decoded(withResourcesOf(written, got.Pod))
		if !equality.Semantic.DeepEqual(want.Spec.Containers, complete.Spec.Containers) || !equality.Semantic.DeepEqual(want.Spec.InitContainers, complete.Spec.InitContainers) {
			failures++
			t.Errorf("the plugin gives:\n%s\nand offline it is:\n%s\nwritten:\n%s\nlimit ranges:\n%s", text(want.Spec), text(complete.Spec), text(written.Spec), text(limitRanges))
		}
		told := want.Annotations["kubernetes.io/limit-ranger"] != ""
		if told && len(given) == 0 || !told && len(given) > 0 {
			failures++
			t.Errorf("the plugin tells %q, and offline it is told as %q", want.Annotations["kubernetes.io/limit-ranger"], given)
		}
		memory := false
		eachContainer(&want.Spec, func(c *corev1.Container, _ bool) { memory = memory || has(c.Resources.Limits, corev1.ResourceMemory) })
		reached.add("something given", len(given) > 0)
		reached.add("nothing given, of LimitRanges", len(given) == 0 && len(limitRanges) > 0)
		reached.add("several LimitRanges that give something", len(given) > 0 && len(limitRanges) > 1)
		reached.add("something given, and init containers", len(given) > 0 && len(written.Spec.InitContainers) > 0)
		reached.add("a memory limit in the end", memory && len(given) > 0)
	}
	reached.check(t, 100)
}
