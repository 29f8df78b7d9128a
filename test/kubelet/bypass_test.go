package kubelet

import (
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// What the policies of bypass tests require: the size, and what a container with a memory limit has to have beside it.
const (
	requiredShm     = 256 * sizing.MiB
	requiredReserve = 32 * sizing.MiB
	// allocatable is the memory of the node, more than any has: a volume of as much counts as unbounded.
	allocatable = 1 << 50
)

// enforced is a policy in Enforce whose answer needs no arithmetic: every writer has 256 MiB at /dev/shm.
type enforced struct {
	set policy.Set
	// writers returns the containers that the policy's text calls writers.
	writers func(*corev1.Pod) []*corev1.Container
	// bounded reports whether a volume without sizeLimit is rejected. Under Enlarge it is left as it is, and in no sum: a
	// warning says that it can take all of the limit.
	bounded bool
}

func enforcedPolicies(t testing.TB) []enforced {
	compile := func(edit func(*v1alpha1.SharedMemoryPolicySpec)) policy.Set {
		p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: "sessions"}}
		p.Spec = v1alpha1.SharedMemoryPolicySpec{
			Mode:    v1alpha1.Enforce,
			Match:   []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}},
			HostShm: v1alpha1.Denied,
			Sizing:  &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: resource.MustParse("256Mi")}},
		}
		edit(&p.Spec)
		compiled, errs := policy.Compile(p)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		return policy.NewSet(compiled)
	}
	main := func(p *corev1.Pod) []*corev1.Container {
		for i := range p.Spec.Containers {
			if p.Spec.Containers[i].Name == p.Annotations["kubectl.kubernetes.io/default-container"] {
				return []*corev1.Container{&p.Spec.Containers[i]}
			}
		}
		return []*corev1.Container{&p.Spec.Containers[0]}
	}
	every := func(p *corev1.Pod) (out []*corev1.Container) {
		eachContainer(&p.Spec, func(c *corev1.Container, _ bool) { out = append(out, c) })
		return out
	}
	named := func(s *v1alpha1.SharedMemoryPolicySpec) { s.Writers = &v1alpha1.Writers{Names: []string{"*"}} }
	return []enforced{
		{compile(named), every, false},
		{compile(func(*v1alpha1.SharedMemoryPolicySpec) {}), main, false},
		{compile(func(s *v1alpha1.SharedMemoryPolicySpec) { named(s); s.Existing = v1alpha1.ExistingRequire }), every, true},
		{compile(func(s *v1alpha1.SharedMemoryPolicySpec) { named(s); s.Existing = v1alpha1.ExistingSetLimit }), every, true},
		{compile(func(s *v1alpha1.SharedMemoryPolicySpec) { named(s); s.Mutation = v1alpha1.MutationDisabled }), every, false},
	}
}

// lacks says what a container of a stored Pod does not get at /dev/shm of the shared memory that the policies require; it is
// empty if nothing is missing. It asks the kubelet for the size, and the engine nothing.
func (n *node) lacks(t *testing.T, pod *corev1.Pod, c *corev1.Container, bounded bool) string {
	t.Helper()
	at := 0
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		if path.Clean("/"+m.MountPath) != shm {
			continue
		}
		at++
		if m.ReadOnly || m.SubPath != "" || m.SubPathExpr != "" {
			return "a mount that is read-only or of a part of a volume"
		}
		for j := range pod.Spec.Volumes {
			v := &pod.Spec.Volumes[j]
			switch {
			case v.Name != m.Name:
			case v.EmptyDir == nil || v.EmptyDir.Medium != corev1.StorageMediumMemory:
				return "a volume that is not memory"
			case v.EmptyDir.SizeLimit == nil || v.EmptyDir.SizeLimit.Sign() <= 0 || sizing.BytesOf(*v.EmptyDir.SizeLimit) >= allocatable:
				if bounded {
					return "a volume without bound"
				}
				return ""
			case n.mounts(t, pod, v, allocatable) < requiredShm:
				return "a volume that is mounted too small"
			}
		}
	}
	if at == 0 {
		return "a mount"
	}
	if limit, found := c.Resources.Limits[corev1.ResourceMemory]; found && limit.Sign() > 0 && sizing.BytesOf(limit) < requiredShm+requiredReserve {
		return "a memory limit that holds the volume and the process"
	}
	return ""
}

// admitted returns what an API server stores of a Pod that is created in a namespace in mode enforce, or nil if it refuses it.
// The mutating webhook fails open: it need not have been called.
func admitted(t *testing.T, set policy.Set, written *corev1.Pod, mutating bool) *corev1.Pod {
	t.Helper()
	pod := decoded(written)
	if mutating {
		e := set.Evaluate(subjectOf(pod, 0))
		pod = decoded(planned(t, pod, e.Plan))
	}
	out, errs := stored(t, pod)
	if len(errs) > 0 {
		return nil
	}
	e := set.Evaluate(subjectOf(out, 0).WithoutDefaults())
	if len(e.Before()) > 0 {
		return nil
	}
	return out
}

// tryToBypass edits an ordinary Pod as an adversary would, and holds what is admitted against the kubelet.
func tryToBypass(t *testing.T, n *node, policies []enforced, g generator, reached tally) {
	t.Helper()
	pod := policytest.NewPod("p", policytest.Namespace("n"))
	if g.IntN(4) > 0 { // as a policy wants it, to be spoilt by what follows
		policytest.With(pod, policytest.WithContainer("app", "example:1", policytest.Mount("shm", shm)), policytest.WithMemoryVolume("shm", "256Mi"))
	} else {
		policytest.With(pod, policytest.WithContainer("app", "example:1"))
	}
	for range g.IntN(6) {
		oneOf(g, edits...)(g, pod)
	}
	if _, errs := stored(t, pod); len(errs) > 0 {
		reached.add("invalid Pods", true)
		return
	}
	managed(pod)
	for _, p := range policies {
		for _, mutating := range []bool{true, false} {
			got := admitted(t, p.set, pod, mutating)
			reached.add("refused", got == nil)
			reached.add("admitted after a mutation", got != nil && mutating)
			reached.add("admitted as written", got != nil && !mutating)
			if got == nil {
				continue
			}
			for _, c := range p.writers(got) {
				if lacks := n.lacks(t, got, c, p.bounded); lacks != "" {
					t.Fatalf("container %q lacks %s, and was admitted (mutating %t); written:\n%s\nstored:\n%s",
						c.Name, lacks, mutating, text(pod), text(got.Spec))
				}
			}
		}
	}
}

func memoryVolume(name, sizeLimit string) corev1.Volume {
	return policytest.NewPod("p", policytest.WithMemoryVolume(name, sizeLimit)).Spec.Volumes[0]
}

// container returns one of a Pod's containers of all kinds.
func (g generator) container(p *corev1.Pod) *corev1.Container {
	var all []*corev1.Container
	eachContainer(&p.Spec, func(c *corev1.Container, _ bool) { all = append(all, c) })
	return oneOf(g, all...)
}

// edits are the steps of which an attempt is made.
var edits = []func(generator, *corev1.Pod){
	addAContainer, addAVolume, mountAVolume, spoilAMount, spoilAVolume, limitMemory, annotate, useTheHost,
}

func addAContainer(g generator, p *corev1.Pod) {
	c := corev1.Container{Name: oneOf(g, "b", "c", "app-2", "shm", "main"), Image: "example:1"}
	switch g.IntN(3) {
	case 0:
		p.Spec.Containers = append(p.Spec.Containers, c)
	case 1:
		p.Spec.Containers = append([]corev1.Container{c}, p.Spec.Containers...)
	default:
		if g.IntN(2) == 0 {
			c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		}
		p.Spec.InitContainers = append(p.Spec.InitContainers, c)
	}
}

func addAVolume(g generator, p *corev1.Pod) {
	name := oneOf(g, "shm", "shm-2", "shmkeeper-shm", "data", "dshm")
	v := memoryVolume(name, oneOf(g, "", "0", "64Mi", "255Mi", "256Mi", "268435455", "1Gi", "1e19"))
	switch g.IntN(4) {
	case 0:
		v.EmptyDir.Medium = oneOf(g, "", corev1.StorageMediumHugePages, corev1.StorageMediumHugePagesPrefix+"2Mi")
	case 1:
		v.VolumeSource = oneOf(g,
			corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: oneOf(g, shm, "/dev", "/tmp")}},
			corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}},
			corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}},
			corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "data"}}},
			corev1.VolumeSource{})
	}
	p.Spec.Volumes = append(p.Spec.Volumes, v)
}

func mountAVolume(g generator, p *corev1.Pod) {
	if len(p.Spec.Volumes) == 0 {
		return
	}
	c := g.container(p)
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{
		Name:      oneOf(g, p.Spec.Volumes...).Name,
		MountPath: oneOf(g, shm, shm, "/dev/shm/", "//dev//shm", "/dev/./shm", "dev/shm", "/dev/shm/sub", "/dev", "/dev/SHM", "/data"),
	})
}

func spoilAMount(g generator, p *corev1.Pod) {
	c := g.container(p)
	if len(c.VolumeMounts) == 0 {
		return
	}
	i := g.IntN(len(c.VolumeMounts))
	m := &c.VolumeMounts[i]
	switch g.IntN(7) {
	case 0:
		m.ReadOnly = true
	case 1:
		m.SubPath = oneOf(g, "sub", ".", "a/b")
	case 2:
		m.SubPathExpr = oneOf(g, "$(POD)", "sub")
	case 3:
		m.MountPropagation = new(oneOf(g, corev1.MountPropagationHostToContainer, corev1.MountPropagationNone))
	case 4:
		m.ReadOnly, m.RecursiveReadOnly = true, new(oneOf(g, corev1.RecursiveReadOnlyIfPossible, corev1.RecursiveReadOnlyDisabled))
	case 5:
		c.VolumeMounts = append(c.VolumeMounts[:i:i], c.VolumeMounts[i+1:]...)
	default:
		c.VolumeMounts = append(c.VolumeMounts, *m)
		c.VolumeMounts[len(c.VolumeMounts)-1].MountPath = oneOf(g, "/dev/shm/", "/dev//shm", "/dev/shm/..")
	}
}

func spoilAVolume(g generator, p *corev1.Pod) {
	if len(p.Spec.Volumes) == 0 {
		return
	}
	v := &p.Spec.Volumes[g.IntN(len(p.Spec.Volumes))]
	*v = memoryVolume(v.Name, oneOf(g, "", "0", "1", "64Mi", "255Mi", "268435455", "268435456", "268435456500m", "300000001"))
	if g.IntN(4) == 0 {
		v.EmptyDir.Medium = ""
	}
}

func limitMemory(g generator, p *corev1.Pod) {
	amount := func() string {
		return oneOf(g, "", "0", "1", "64Mi", "256Mi", "287Mi", "288Mi", "300Mi", "1.5Gi", "268435456500m")
	}
	switch g.IntN(4) {
	case 0:
		limits := list("", amount())
		if limits != nil {
			p.Spec.Resources = &corev1.ResourceRequirements{Limits: limits}
		}
	case 1:
		p.Spec.Overhead = list("", amount())
	default:
		g.container(p).Resources = corev1.ResourceRequirements{Limits: list("", amount())}
	}
}

func annotate(g generator, p *corev1.Pod) {
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	key := oneOf(g, v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationExempt, v1alpha1.AnnotationInjected,
		v1alpha1.AnnotationFileSize, "vpaUpdates", "vpaObservedContainers", "kubectl.kubernetes.io/default-container", "io.kubernetes.cri-o.ShmSize")
	p.Annotations[key] = oneOf(g, "1Mi", "1", "yes", "b", "app", "app, b", "1Gi", strings.Repeat("x", 4<<10),
		`{"volume":"shm","memory":{"app":{"limit":"1Gi"}}}`, "Pod resources updated by app: container 0: memory request, memory limit")
}

func useTheHost(g generator, p *corev1.Pod) {
	switch g.IntN(3) {
	case 0:
		p.Spec.HostIPC = true
	case 1:
		p.Spec.HostNetwork, p.Spec.HostPID = true, true
	default:
		p.Spec.ShareProcessNamespace = new(true)
	}
}

// Whatever its owner writes into a Pod, what is admitted in enforce has its shared memory.
func TestEnforce_NoPodGetsRoundIt(t *testing.T) {
	const pods = 4_000
	n, policies, reached := newNode(t), enforcedPolicies(t), tally{}
	for i := range uint64(pods) {
		tryToBypass(t, n, policies, generator{rand.New(rand.NewPCG(3, i))}, reached)
	}
	reached.check(t, 400)
}

// script is a source of choices that a fuzzer writes: one byte for each, and the first of every list after its end.
type script []byte

func (s *script) Uint64() uint64 {
	const half = 1 << 55 // or IntN would reject a choice with only zeros below it, and draw again forever at the end
	if len(*s) == 0 {
		return half
	}
	choice := uint64((*s)[0])
	*s = (*s)[1:]
	return choice<<56 | half | choice // IntN takes the lower bits for a power of two, and the upper ones otherwise
}

// A script that ends early goes on with the first of every list, however long that is.
func TestScript_Ends(t *testing.T) {
	for n := 1; n <= 256; n++ {
		text := script{255}
		g := rand.New(&text)
		if got := []int{g.IntN(n), g.IntN(n), g.IntN(n)}; got[0] != n-1 || got[1] != 0 || got[2] != 0 {
			t.Fatalf("of %d: %v, want the last, and then the first twice", n, got)
		}
	}
}

// FuzzEnforce has a fuzzer look for such a Pod.
func FuzzEnforce(f *testing.F) {
	for i := range byte(8) {
		text := make([]byte, 64)
		_, _ = rand.NewChaCha8([32]byte{i}).Read(text) // never fails
		f.Add(text)
	}
	policies := enforcedPolicies(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		tryToBypass(t, newNode(t), policies, generator{rand.New((*script)(&text))}, tally{})
	})
}
