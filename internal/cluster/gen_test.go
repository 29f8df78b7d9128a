package cluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func pick[T any](t *rapid.T, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, label)
}

var (
	labelKeys   = []string{"app", "tier", "example.com/role", "it's"}
	labelValues = []string{"a", "b", "", `"x"`, `\d`}
	// The parts of which images and globs are made meet each other often, and go
	// through every rule on short names.
	registries = []string{"", "docker.io/", "index.docker.io/", "ghcr.io/", "localhost/", "localhost:5000/", "Reg/", "library/"}
	folders    = []string{"", "library/", "org/", "org/team/"}
	names      = []string{"nginx", "node-chrome", "node", "x.y", "é"}
	suffixes   = []string{"", ":1", ":1.2-a", "@sha256:0a", ":1@sha256:0a"}
	texts      = []string{"", "--tmp=/dev/shm/", "/dev//shm/x", "sh -c 'cd /dev/shm'", "/data", "shm", "file:///data/x"}
)

func genImage(t *rapid.T, label string) string {
	if rapid.IntRange(0, 9).Draw(t, label+" odd") == 0 {
		return pick(t, label, "", "/", "docker.io", "docker.io/", "index.docker.io/", "a:b:c", "nginx\nghcr.io/org/node", "//x", ":", "@", "ghcr.io/")
	}
	return pick(t, label+" registry", registries...) + pick(t, label+" folder", folders...) + pick(t, label+" name", names...) + pick(t, label+" suffix", suffixes...)
}

func genGlob(t *rapid.T, label string) string {
	return pick(t, label+" registry", append([]string{"*/", "*.io/", "d?cker.io/", "[dg]*/", `ghcr\.io/`}, registries...)...) +
		pick(t, label+" folder", append([]string{"*/", "l*/", "[kl]ibrary/", "*/*/", "[^a]/"}, folders...)...) +
		pick(t, label+" name", append([]string{"*", "node-*", "n?de", "[mn]*", `n\ginx`, "*[^a]", "[+-0]x"}, names...)...)
}

func genSelector(t *rapid.T, label string) *metav1.LabelSelector {
	if rapid.IntRange(0, 3).Draw(t, label+" absent") == 0 {
		return nil
	}
	s := &metav1.LabelSelector{}
	for i := range rapid.IntRange(0, 2).Draw(t, label+" expressions") {
		at := fmt.Sprintf("%s %d", label, i)
		r := metav1.LabelSelectorRequirement{Key: pick(t, at+" key", labelKeys[:3]...), Operator: pick(t, at, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpIn,
			metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}
		if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
			r.Values = rapid.SliceOfNDistinct(rapid.SampledFrom(labelValues[:3]), 1, 2, rapid.ID).Draw(t, at+" values")
		}
		s.MatchExpressions = append(s.MatchExpressions, r)
	}
	if rapid.Bool().Draw(t, label+" labels") {
		s.MatchLabels = map[string]string{pick(t, label+" key", labelKeys[:3]...): pick(t, label+" value", labelValues[:3]...)}
	}
	return s
}

func genMatch(t *rapid.T, label string) v1alpha1.Match {
	m := v1alpha1.Match{PodSelector: genSelector(t, label+" pods")}
	if rapid.IntRange(0, 4).Draw(t, label+" by namespace") == 0 {
		m.NamespaceSelector = &metav1.LabelSelector{}
	}
	if rapid.Bool().Draw(t, label+" by image") {
		m.Images = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string { return genGlob(t, "glob") }), 1, 3, rapid.ID).Draw(t, label+" images")
	}
	if rapid.IntRange(0, 4).Draw(t, label+" by path") == 0 {
		m.TmpfsPaths = v1alpha1.TmpfsPathsDetect
	}
	return m
}

func genPolicy(t *rapid.T, name string) *v1alpha1.SharedMemoryPolicy {
	p := newPolicy(name, genMatch(t, name))
	if rapid.IntRange(0, 5).Draw(t, name+" excludes") == 0 {
		m := genMatch(t, name+" exclude")
		p.Spec.Exclude = &m
	}
	if rapid.IntRange(0, 5).Draw(t, name+" elsewhere") == 0 {
		p.Spec.MountPath = "/data"
	}
	return p
}

func newPolicy(name string, m v1alpha1.Match) *v1alpha1.SharedMemoryPolicy {
	size := resource.MustParse("256Mi")
	return &v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "1", Generation: 1},
		Spec:       v1alpha1.SharedMemoryPolicySpec{Match: m, Sizing: v1alpha1.Sizing{Fixed: &size}},
	}
}

func genContainer(t *rapid.T, label string) corev1.Container {
	c := corev1.Container{Name: "x", Image: genImage(t, label)}
	for i := range rapid.IntRange(0, 2).Draw(t, label+" settings") {
		at := fmt.Sprintf("%s setting %d", label, i)
		text := pick(t, at, texts...)
		switch rapid.IntRange(0, 3).Draw(t, at+" kind") {
		case 0:
			c.Args = append(c.Args, text)
		case 1:
			c.Command = append(c.Command, text)
		case 2:
			c.Env = append(c.Env, corev1.EnvVar{Name: "A", Value: text})
		default:
			c.Env = append(c.Env, corev1.EnvVar{Name: "B", ValueFrom: &corev1.EnvVarSource{}})
		}
	}
	return c
}

func genPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod"}}
	for i := range rapid.IntRange(0, 2).Draw(t, "labels") {
		if pod.Labels == nil {
			pod.Labels = map[string]string{}
		}
		pod.Labels[pick(t, fmt.Sprint("key ", i), labelKeys...)] = pick(t, fmt.Sprint("value ", i), labelValues...)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "init containers") {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, genContainer(t, fmt.Sprint("init ", i)))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "containers") {
		pod.Spec.Containers = append(pod.Spec.Containers, genContainer(t, fmt.Sprint("container ", i)))
	}
	return pod
}
