package policy_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// Each bound of a Pod, and one beyond it: 256 containers of all kinds, 1,024 mounts, 1,024 volumes and
// 64 KiB of commands, arguments and environment.
func TestEvaluate_TooComplex(t *testing.T) {
	containers := func(n int) []corev1.Container {
		out := make([]corev1.Container, n)
		for i := range out {
			out[i].Name = fmt.Sprintf("c%d", i)
		}
		return out
	}
	mounts := func(n int) []corev1.VolumeMount {
		out := make([]corev1.VolumeMount, n)
		for i := range out {
			out[i] = corev1.VolumeMount{Name: "v", MountPath: fmt.Sprintf("/m/%d", i)}
		}
		return out
	}
	volumes := func(n int) []corev1.Volume {
		out := make([]corev1.Volume, n)
		for i := range out {
			out[i].Name = fmt.Sprintf("v%d", i)
		}
		return out
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	spec := func(first corev1.Container, more ...corev1.Container) corev1.PodSpec {
		first.Name = "web"
		return corev1.PodSpec{Containers: append([]corev1.Container{first}, more...)}
	}
	hook := func(command ...string) *corev1.Lifecycle {
		return &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: command}}}
	}
	const what = " bytes of commands, arguments and environment, and no more than 65536"
	for name, c := range map[string]struct {
		spec   corev1.PodSpec
		claims int
		beyond string // empty if it is within the bounds
	}{
		"256 containers of all kinds": {spec: corev1.PodSpec{
			InitContainers: containers(100), Containers: containers(155),
			EphemeralContainers: make([]corev1.EphemeralContainer, 1),
		}},
		"257 containers of all kinds": {spec: corev1.PodSpec{
			InitContainers: containers(100), Containers: containers(155),
			EphemeralContainers: make([]corev1.EphemeralContainer, 2),
		}, beyond: "257 containers, and no more than 256"},
		"1,024 volumes and claims": {spec: corev1.PodSpec{Containers: containers(1), Volumes: volumes(1000)}, claims: 24},
		"1,025 volumes and claims": {
			spec: corev1.PodSpec{Containers: containers(1), Volumes: volumes(1000)}, claims: 25,
			beyond: "1025 volumes, and no more than 1024",
		},
		"1,024 mounts of two containers": {spec: spec(corev1.Container{VolumeMounts: mounts(1000)}, corev1.Container{Name: "b", VolumeMounts: mounts(24)})},
		"1,025 mounts of two containers": {
			spec:   spec(corev1.Container{VolumeMounts: mounts(1000)}, corev1.Container{Name: "b", VolumeMounts: mounts(25)}),
			beyond: "1025 mounts, and no more than 1024",
		},
		"1,024 mounts and devices": {spec: spec(corev1.Container{VolumeMounts: mounts(1000), VolumeDevices: make([]corev1.VolumeDevice, 24)})},
		"1,025 mounts and devices": {
			spec:   spec(corev1.Container{VolumeMounts: mounts(1000), VolumeDevices: make([]corev1.VolumeDevice, 25)}),
			beyond: "1025 mounts, and no more than 1024",
		},
		"64 KiB in two arguments": {spec: spec(corev1.Container{Args: []string{text(40000), text(25536)}})},
		"a byte more than 64 KiB in two arguments": {
			spec: spec(corev1.Container{Args: []string{text(40000), text(25537)}}), beyond: "65537" + what,
		},
		"a byte behind an argument of 64 KiB": {
			spec: spec(corev1.Container{Args: []string{text(65536), "x"}}), beyond: "65537" + what,
		},
		"64 KiB in a command, an argument and a hook": {
			spec: spec(corev1.Container{Command: []string{text(30000)}, Args: []string{text(30000)}, Lifecycle: hook(text(5536))}),
		},
		"a byte more than 64 KiB in a command, an argument and a hook": {
			spec:   spec(corev1.Container{Command: []string{text(30000)}, Args: []string{text(30000)}, Lifecycle: hook(text(5537))}),
			beyond: "65537" + what,
		},
		"64 KiB in names and values of two variables": {
			spec: spec(corev1.Container{Env: []corev1.EnvVar{{Name: text(10000), Value: text(30000)}, {Name: text(5536), Value: text(20000)}}}),
		},
		"a byte more than 64 KiB in names and values of two variables": {
			spec:   spec(corev1.Container{Env: []corev1.EnvVar{{Name: text(10000), Value: text(30000)}, {Name: text(5537), Value: text(20000)}}}),
			beyond: "65537" + what,
		},
		"a byte behind a variable of 64 KiB": {
			spec:   spec(corev1.Container{Env: []corev1.EnvVar{{Name: "a", Value: text(65535)}, {Name: "b"}}}),
			beyond: "65537" + what,
		},
		"64 KiB in two containers": {spec: spec(corev1.Container{Args: []string{text(40000)}}, corev1.Container{Name: "b", Args: []string{text(25536)}})},
		"more than 64 KiB in two containers": {
			spec: spec(corev1.Container{Args: []string{text(40000)}}, corev1.Container{Name: "b", Args: []string{text(25537)}}), beyond: "65537" + what,
		},
		"what comes behind the text that is too much is not counted": {
			spec:   spec(corev1.Container{Args: []string{text(60000)}}, corev1.Container{Name: "b", Args: []string{text(6000), text(6000)}}),
			beyond: "66000" + what,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}", "{}", "", "")
			w.pod.Spec = c.spec
			subject := w.subject()
			for i := range c.claims {
				subject.Claims = append(subject.Claims, fmt.Sprintf("claim%d", i))
			}
			e := evaluate(w.set(t), subject)
			want := "the Pod has at least " + c.beyond + " are evaluated: split the Pod, or move what it needs into files"
			switch {
			case c.beyond == "" && e.Outcome != policy.Mutated:
				t.Errorf("want %s, got %s", policy.Mutated, told(&e))
			case c.beyond != "" && (e.Reason != policy.TooComplex || e.Detail != want):
				t.Errorf("want %s, got %s", want, told(&e))
			}
		})
	}
}
