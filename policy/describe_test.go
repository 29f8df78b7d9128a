package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// What a plan changes, in a sentence.
func TestEvaluate_Describes(t *testing.T) {
	const (
		fixed    = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web]}}"
		unused   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi, expectedUsePercent: 0}}}"
		setLimit = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, existing: SetLimit, memory: {handling: Ignore}}"
		adds     = `adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`
		own      = "volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory}}]}}"
	)
	for name, c := range map[string]struct{ policy, pod, want string }{
		"a limit alone": {
			unused, "{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 64Mi}}}]}}",
			adds + `, raises the memory limit of "web" from 512Mi to 769Mi`,
		},
		"a limit and a request": {
			fixed, "{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 64Mi}}}]}}",
			adds + `, raises the memory limit of "web" from 512Mi to 769Mi and its request from 64Mi to 320Mi`,
		},
		"a request that was not there": {
			fixed, "{spec: {containers: [{name: web}, {name: other, resources: {requests: {memory: 64Mi}}}]}}",
			adds + `, "other", sets the memory request of "web" to 256Mi`,
		},
		"pod-level figures": {
			fixed, "{spec: {resources: {limits: {memory: 1Gi}, requests: {memory: 64Mi}}, containers: [{name: web}]}}",
			adds + `, raises the memory limit of the Pod from 1Gi to 1281Mi and its request from 64Mi to 320Mi`,
		},
		"a pod-level request": {
			fixed, "{spec: {resources: {requests: {memory: 64Mi}}, containers: [{name: web}]}}",
			adds + `, raises the memory request of the Pod from 64Mi to 320Mi`,
		},
		"a sizeLimit that was not there, in a Pod with a limit": {
			setLimit, "{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}}, " + own,
			`changes the sizeLimit of volume "shm" from none, which was up to 512Mi, to 256Mi`,
		},
		"a sizeLimit that was not there, in a Pod without a limit": {
			setLimit, "{spec: {containers: [{name: web, " + own,
			`changes the sizeLimit of volume "shm" from none, which was up to what the node can allocate, to 256Mi`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, "", "")
			e, _ := w.evaluate(t)
			if e.Outcome != policy.Mutated || e.Detail != c.want {
				t.Errorf("want %s\ngot %s", c.want, told(&e))
			}
		})
	}
}

// fixedForAll is the spec of a policy by which all containers write, without its closing brace.
const fixedForAll = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi, expectedUsePercent: 0}}, writers: {names: ['*']}"

// containersWith returns containers with memory figures or without.
func containersWith(n int, figures bool) []corev1.Container {
	out := make([]corev1.Container, n)
	for i := range out {
		out[i].Name = fmt.Sprintf("c%d", i)
		if figures {
			policytest.MemoryLimit("512Mi")(&out[i])
			policytest.MemoryRequest("64Mi")(&out[i])
		}
	}
	return out
}

// mountsOfFirst says what is said of the first containers that get a volume.
func mountsOfFirst(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(`"c%d"`, i))
	}
	return "adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in " + strings.Join(names, ", ")
}

// Of many changes the first are described, and the annotation lists as many.
func TestEvaluate_DescribesTheFirstMounts(t *testing.T) {
	for n, want := range map[int]string{1: mountsOfFirst(1), 8: mountsOfFirst(8), 9: mountsOfFirst(8) + " and 1 more", 11: mountsOfFirst(8) + " and 3 more"} {
		w := readWorld(t, fixedForAll+", memory: {handling: Ignore}}", "{}", "", "")
		w.pod.Spec.Containers = containersWith(n, false)
		if e, _ := w.evaluate(t); e.Detail != want {
			t.Errorf("%d mounts: want %s\ngot %s", n, want, e.Detail)
		}
	}
}

func TestEvaluate_DescribesTheFirstSizes(t *testing.T) {
	resized := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`changes the sizeLimit of volume "v%d" from 128Mi to 256Mi`, i))
		}
		return strings.Join(all, ", ")
	}
	for n, want := range map[int]string{16: resized(16), 17: resized(16) + ", and of 1 more volumes", 19: resized(16) + ", and of 3 more volumes"} {
		w := readWorld(t, fixedForAll+", memory: {handling: Ignore}}", "{}", "", "")
		w.pod.Spec.Containers = containersWith(n, false)
		for i := range n {
			name := fmt.Sprintf("v%d", i)
			w.pod.Spec.Containers[i].VolumeMounts = []corev1.VolumeMount{{Name: name, MountPath: "/dev/shm"}}
			w.pod.Spec.Volumes = append(w.pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
				EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: quantity("128Mi")},
			}})
		}
		e, after := w.evaluate(t)
		if e.Detail != want {
			t.Errorf("%d sizes: want %s\ngot %s", n, want, e.Detail)
		}
		var note struct {
			Resized map[string]struct{ From, To string }
		}
		if err := json.Unmarshal([]byte(after.Annotations["shmkeeper.dev/injected"]), &note); err != nil {
			t.Fatal(err)
		}
		if len(note.Resized) != 16 || note.Resized["v15"].From != "128Mi" || note.Resized["v15"].To != "256Mi" {
			t.Errorf("%d sizes: the annotation lists %v", n, note.Resized)
		}
	}
}

func TestEvaluate_DescribesTheFirstLimits(t *testing.T) {
	raised := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`raises the memory limit of "c%d" from 512Mi to 769Mi`, i))
		}
		return strings.Join(all, ", ")
	}
	for n, want := range map[int]string{16: raised(16), 17: raised(16) + ", and the memory of 1 more containers", 19: raised(16) + ", and the memory of 3 more containers"} {
		w := readWorld(t, fixedForAll+"}", "{}", "", "")
		w.pod.Spec.Containers = containersWith(n, true)
		e, _ := w.evaluate(t)
		want = mountsOfFirst(8) + fmt.Sprintf(" and %d more, ", n-8) + want
		if e.Detail != want {
			t.Errorf("%d limits: want %s\ngot %s", n, want, e.Detail)
		}
	}
}

// The annotation for people has what was there before, if anything was.
func TestPlan_Annotation(t *testing.T) {
	for name, c := range map[string]struct{ policy, pod, want string }{
		"a sizeLimit that was not there": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, existing: SetLimit, memory: {handling: Ignore}}",
			"{spec: {containers: [{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory}}]}}",
			`{"policy":"p","resized":{"shm":{"to":"256Mi"}}}`,
		},
		"a request that was not there, and no limit": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web]}}",
			"{spec: {containers: [{name: web}, {name: other, resources: {requests: {memory: 64Mi}}}]}}",
			`{"policy":"p","volume":"shmkeeper-shm","sizeLimit":"256Mi","requests":{"web":{"to":"256Mi"}}}`,
		},
		"a limit alone": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi, expectedUsePercent: 0}}}",
			"{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 64Mi}}}]}}",
			`{"policy":"p","volume":"shmkeeper-shm","sizeLimit":"256Mi","limits":{"web":{"from":"512Mi","to":"769Mi"}}}`,
		},
		"pod-level figures": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
			"{spec: {resources: {limits: {memory: 1Gi}, requests: {memory: 64Mi}}, containers: [{name: web}]}}",
			`{"policy":"p","volume":"shmkeeper-shm","sizeLimit":"256Mi","pod":{"limit":{"from":"1Gi","to":"1281Mi"},"request":{"from":"64Mi","to":"320Mi"}}}`,
		},
		"a pod-level limit alone": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
			"{spec: {resources: {limits: {memory: 1Gi}}, containers: [{name: web}]}}",
			`{"policy":"p","volume":"shmkeeper-shm","sizeLimit":"256Mi","pod":{"limit":{"from":"1Gi","to":"1281Mi"}}}`,
		},
		"a pod-level request alone": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
			"{spec: {resources: {requests: {memory: 64Mi}}, containers: [{name: web}]}}",
			`{"policy":"p","volume":"shmkeeper-shm","sizeLimit":"256Mi","pod":{"request":{"from":"64Mi","to":"320Mi"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, "", "")
			_, after := w.evaluate(t)
			if diff := cmp.Diff(c.want, after.Annotations["shmkeeper.dev/injected"]); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
