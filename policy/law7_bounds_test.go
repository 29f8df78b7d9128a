package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Law 7: the work and what is said are bounded.

const (
	maxContainers, maxMounts, maxVolumes, maxText = 256, 1024, 1024, 64 << 10
	maxDetail                                     = 4 << 10
)

// outsize is a Pod that is large in one dimension.
type outsize struct {
	*world
	dimension string
	off       int // from the bound of the dimension
	letters   string
}

// name returns the name of container or volume i; a long one if the dimension is names.
func (o *outsize) name(i int) string {
	if o.dimension == "names" {
		return fmt.Sprintf("%d-%s", i, o.letters)
	}
	return fmt.Sprintf("c%d", i)
}

// atBound reports whether the Pod is at the bound of its dimension, or one away from it.
func (o *outsize) atBound() bool { return o.dimension != "names" && o.dimension != "none" }

func genOutsize(t *rapid.T) *outsize {
	o := &outsize{world: &world{namespace: map[string]string{"app": "b"}}}
	o.policies = []*v1alpha1.SharedMemoryPolicy{fixedPolicy("256Mi")}
	p := o.policies[0]
	p.Spec.Exemptions = pick(t, "exemptions", v1alpha1.Denied, v1alpha1.Allowed)
	if odds(t, "all containers write", 8) {
		p.Spec.Writers = &v1alpha1.Writers{Names: []string{"*"}}
	}
	o.pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "a"}}}
	o.dimension = pick(t, "dimension", "containers", "mounts", "volumes", "text", "names", "none")
	o.off = pick(t, "off by", 0, 1, -1)
	o.letters = strings.Repeat(pick(t, "letter", "a", "\"", "\u00e9"), 100<<10)
	containers := rapid.IntRange(1, 4).Draw(t, "containers")
	if o.dimension == "containers" {
		containers = maxContainers + o.off
	}
	for i := range containers {
		o.addContainer(i)
	}
	switch o.dimension {
	case "mounts":
		o.addMounts(t)
	case "volumes":
		for i := range maxVolumes + o.off {
			o.pod.Spec.Volumes = append(o.pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprintf("v%d", i)})
		}
	case "text":
		o.addText(t)
	case "names":
		o.addNames(t)
	}
	return o
}

// addContainer adds container i: a regular one first, and then some of each kind.
func (o *outsize) addContainer(i int) {
	spec := &o.pod.Spec
	c := corev1.Container{Name: o.name(i), Image: o.name(i)}
	kind := 0
	if i > 0 && i%7 < 4 {
		kind = i % 7
	}
	switch kind {
	case 1:
		spec.InitContainers = append(spec.InitContainers, c)
	case 2:
		c.RestartPolicy = ptr(corev1.ContainerRestartPolicyAlways)
		spec.InitContainers = append(spec.InitContainers, c)
	case 3:
		spec.EphemeralContainers = append(spec.EphemeralContainers,
			corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon(c)})
	default:
		spec.Containers = append(spec.Containers, c)
	}
}

// nth returns container i, counting on from the first one after the last.
func (o *outsize) nth(i int) *corev1.Container {
	all := notEphemeral(o.pod)
	return all[i%len(all)]
}

func (o *outsize) mount(i int, m corev1.VolumeMount) {
	c := o.nth(i)
	c.VolumeMounts = append(c.VolumeMounts, m)
}

func (o *outsize) addMounts(t *rapid.T) {
	under, of := pick(t, "mounted", "/data", "/dev/shm"), pick(t, "of", "v", "missing")
	o.pod.Spec.Volumes = append(o.pod.Spec.Volumes, corev1.Volume{Name: "v"})
	for i := range maxMounts + o.off {
		o.mount(i, corev1.VolumeMount{Name: of, MountPath: fmt.Sprintf("%s/%d", under, i)})
	}
}

// addText adds commands and arguments.
func (o *outsize) addText(t *rapid.T) {
	rest := maxText + o.off
	for i := 0; rest > 0; i++ {
		n := min(rest, rapid.IntRange(1<<10, 40<<10).Draw(t, "length"))
		c := o.nth(i)
		text := strings.Repeat(pick(t, "text of", "x", "/", "/dev/shm"), n)[:n]
		if odds(t, "as a command", 8) {
			c.Command = append(c.Command, text)
		} else {
			c.Args = append(c.Args, text)
		}
		rest -= n
	}
}

// addNames adds volumes, subPaths and annotations with long names and values.
func (o *outsize) addNames(t *rapid.T) {
	for i := range rapid.IntRange(1, 4).Draw(t, "volumes") {
		n := o.name(i)
		e := &corev1.EmptyDirVolumeSource{Medium: pick(t, "medium", corev1.StorageMediumMemory, "")}
		o.pod.Spec.Volumes = append(o.pod.Spec.Volumes,
			corev1.Volume{Name: n, VolumeSource: corev1.VolumeSource{EmptyDir: e}})
		subPath := pick(t, "subPath", "", n)
		o.mount(i, corev1.VolumeMount{Name: n, MountPath: "/dev/shm", SubPath: subPath})
	}
	o.pod.Name, o.pod.Namespace = o.name(0), o.name(1)
	for _, a := range []string{
		v1alpha1.AnnotationExempt, v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationRetention,
		v1alpha1.AnnotationInjected, "io.kubernetes.cri-o.ShmSize", "vpaUpdates",
	} {
		if odds(t, "annotation "+a, 5) {
			annotate(o.pod, a, o.name(7))
		}
	}
}

func boundedWork(t *rapid.T, r *reached) {
	o := genOutsize(t)
	subject := o.subject()
	e, after := evaluate(o.set(t), subject), o.pod
	if o.dimension != "containers" { // a patch of hundreds of operations takes long to apply
		after = patched(t, o.pod, e.Plan, subject)
	}
	beyond := o.off > 0 && o.atBound()
	if complex := has(e.Before, policy.TooComplex); complex != beyond {
		t.Fatalf("%s at the bound %+d: too complex is %t\n%.2000s",
			o.dimension, o.off, complex, o.told(&e))
	}
	if beyond && (e.Outcome != policy.Violating || !e.Plan.Empty()) {
		t.Fatalf("beyond the bounds the outcome is %.2000s", o.told(&e))
	}
	boundedMessages(t, &e)
	boundedAnnotations(t, o.pod, after)
	r.Count(t, "at a bound", o.off == 0 && o.atBound())
	r.Count(t, "beyond a bound", beyond)
	r.Count(t, "long names", o.dimension == "names")
	r.Count(t, "mutated", e.Outcome == policy.Mutated)
	for _, d := range []string{"containers", "mounts", "volumes", "text"} {
		r.Count(t, d, o.dimension == d)
	}
}

// boundedMessages checks the length of what is said about a Pod, each message and all together.
func boundedMessages(t *rapid.T, e *evaluation) {
	said := len(e.Detail)
	if len(e.Detail) >= maxDetail {
		t.Fatalf("the detail has %d bytes", len(e.Detail))
	}
	for _, v := range slices.Concat(e.Before, e.After) {
		if said += len(v.Detail); len(v.Detail) >= maxDetail {
			t.Fatalf("the detail of %s has %d bytes", v.Reason, len(v.Detail))
		}
	}
	for _, text := range e.Warnings {
		if said += len(text); len(text) >= maxDetail {
			t.Fatalf("a warning has %d bytes", len(text))
		}
	}
	if said > 64<<10 {
		t.Fatalf("%d bytes are said about one Pod: %d violations, %d warnings",
			said, len(e.Before)+len(e.After), len(e.Warnings))
	}
}

// boundedAnnotations checks the length of the annotations that are added.
func boundedAnnotations(t *rapid.T, before, after *corev1.Pod) {
	added := 0
	for key, value := range after.Annotations {
		if before.Annotations[key] != value {
			added += len(key) + len(value)
		}
	}
	if added > 16<<10 {
		t.Fatalf("the annotations that are added have %d bytes", added)
	}
}

func TestEvaluate_BoundedWork(t *testing.T) { check(t, boundedWork) }
func FuzzLaw7(f *testing.F)                 { fuzz(f, boundedWork) }
