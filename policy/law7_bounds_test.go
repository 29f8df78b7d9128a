package policy_test

import (
	"fmt"
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

func boundedWork(t *rapid.T, r *reached) {
	w := &world{namespace: map[string]string{"app": "b"}}
	w.policies = []*v1alpha1.SharedMemoryPolicy{fixedPolicy("256Mi")}
	p := w.policies[0]
	p.Spec.Exemptions = pick(t, "exemptions", v1alpha1.Denied, v1alpha1.Allowed)
	if odds(t, "all containers write", 8) {
		p.Spec.Writers = &v1alpha1.Writers{Names: []string{"*"}}
	}
	w.pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "a"}}}
	dimension := pick(t, "dimension", "containers", "mounts", "volumes", "text", "names", "none")
	off := pick(t, "off by", 0, 1, -1)
	long := dimension == "names"
	letters := strings.Repeat(pick(t, "letter", "a", "\"", "\u00e9"), 100<<10)
	name := func(i int) string {
		if long {
			return fmt.Sprintf("%d-%s", i, letters)
		}
		return fmt.Sprintf("c%d", i)
	}
	containers := rapid.IntRange(1, 4).Draw(t, "containers")
	if dimension == "containers" {
		containers = maxContainers + off
	}
	for i := range containers {
		c := corev1.Container{Name: name(i), Image: name(i)}
		kind := 0
		if i > 0 && i%7 < 4 {
			kind = i % 7
		}
		switch kind {
		case 1:
			w.pod.Spec.InitContainers = append(w.pod.Spec.InitContainers, c)
		case 2:
			c.RestartPolicy = ptr(corev1.ContainerRestartPolicyAlways)
			w.pod.Spec.InitContainers = append(w.pod.Spec.InitContainers, c)
		case 3:
			w.pod.Spec.EphemeralContainers = append(
				w.pod.Spec.EphemeralContainers,
				corev1.EphemeralContainer{
					EphemeralContainerCommon: corev1.EphemeralContainerCommon(c),
				},
			)
		default:
			w.pod.Spec.Containers = append(w.pod.Spec.Containers, c)
		}
	}
	all := notEphemeral(w.pod)
	mount := func(i int, m corev1.VolumeMount) {
		c := all[i%len(all)]
		c.VolumeMounts = append(c.VolumeMounts, m)
	}
	switch dimension {
	case "mounts":
		under, of := pick(t, "mounted", "/data", "/dev/shm"), pick(t, "of", "v", "missing")
		w.pod.Spec.Volumes = append(w.pod.Spec.Volumes, corev1.Volume{Name: "v"})
		for i := range maxMounts + off {
			mount(i, corev1.VolumeMount{Name: of, MountPath: fmt.Sprintf("%s/%d", under, i)})
		}
	case "volumes":
		for i := range maxVolumes + off {
			w.pod.Spec.Volumes = append(
				w.pod.Spec.Volumes,
				corev1.Volume{Name: fmt.Sprintf("v%d", i)},
			)
		}
	case "text":
		rest := maxText + off
		for i := 0; rest > 0; i++ {
			n := min(rest, rapid.IntRange(1<<10, 40<<10).Draw(t, "length"))
			c := all[i%len(all)]
			text := strings.Repeat(pick(t, "text of", "x", "/", "/dev/shm"), n)[:n]
			if odds(t, "as a command", 8) {
				c.Command = append(c.Command, text)
			} else {
				c.Args = append(c.Args, text)
			}
			rest -= n
		}
	case "names":
		for i := range rapid.IntRange(1, 4).Draw(t, "volumes") {
			n := name(i)
			w.pod.Spec.Volumes = append(
				w.pod.Spec.Volumes,
				corev1.Volume{Name: n, VolumeSource: corev1.VolumeSource{
					EmptyDir: &corev1.EmptyDirVolumeSource{
						Medium: pick(t, "medium", corev1.StorageMediumMemory, ""),
					},
				}},
			)
			mount(
				i,
				corev1.VolumeMount{
					Name:      n,
					MountPath: "/dev/shm",
					SubPath:   pick(t, "subPath", "", n),
				},
			)
		}
		w.pod.Name, w.pod.Namespace = name(0), name(1)
		for _, a := range []string{v1alpha1.AnnotationExempt, v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationRetention, v1alpha1.AnnotationInjected, "io.kubernetes.cri-o.ShmSize", "vpaUpdates"} {
			if odds(t, "annotation "+a, 5) {
				annotate(w.pod, a, name(7))
			}
		}
	}
	subject := w.subject()
	e, after := evaluate(w.set(t), subject), w.pod
	if dimension != "containers" { // a patch of hundreds of operations takes long to apply
		after = patched(t, w.pod, e.Plan, subject)
	}
	beyond := off > 0 && !long && dimension != "none"
	if complex := has(e.Before, policy.TooComplex); complex != beyond {
		t.Fatalf(
			"%s at the bound %+d: too complex is %t\n%.2000s",
			dimension,
			off,
			complex,
			w.told(&e),
		)
	}
	if beyond && (e.Outcome != policy.Violating || !e.Plan.Empty()) {
		t.Fatalf("beyond the bounds the outcome is %.2000s", w.told(&e))
	}
	said := len(e.Detail)
	if len(e.Detail) >= maxDetail {
		t.Fatalf("the detail has %d bytes", len(e.Detail))
	}
	for _, violations := range [][]policy.Violation{e.Before, e.After} {
		for _, v := range violations {
			if said += len(v.Detail); len(v.Detail) >= maxDetail {
				t.Fatalf("the detail of %s has %d bytes", v.Reason, len(v.Detail))
			}
		}
	}
	for _, text := range e.Warnings {
		if said += len(text); len(text) >= maxDetail {
			t.Fatalf("a warning has %d bytes", len(text))
		}
	}
	if said > 64<<10 {
		t.Fatalf(
			"%d bytes are said about one Pod: %d violations, %d warnings",
			said,
			len(e.Before)+len(e.After),
			len(e.Warnings),
		)
	}
	annotations := 0
	for key, value := range after.Annotations {
		if w.pod.Annotations[key] != value {
			annotations += len(key) + len(value)
		}
	}
	if annotations > 16<<10 {
		t.Fatalf("the annotations that are added have %d bytes", annotations)
	}
	r.Count(t, "at a bound", off == 0 && !long && dimension != "none")
	r.Count(t, "beyond a bound", beyond)
	r.Count(t, "long names", long)
	r.Count(t, "mutated", e.Outcome == policy.Mutated)
	for _, d := range []string{"containers", "mounts", "volumes", "text"} {
		r.Count(t, d, dimension == d)
	}
}

func TestEvaluate_BoundedWork(t *testing.T) { check(t, boundedWork) }
func FuzzLaw7(f *testing.F)                 { fuzz(f, boundedWork) }
