package inspect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestMounts(t *testing.T) {
	own := func(containers ...string) Mount {
		return Mount{Path: DevShm, Containers: containers, SizeLimit: 64 * sizing.MiB}
	}
	shm := Mount{Volume: "shm", Path: DevShm, Containers: []string{"web"}, SizeLimit: 128 * sizing.MiB}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want []Mount
	}{
		"nothing is mounted": {
			policytest.NewPod("p", policytest.WithContainer("web", "nginx"), policytest.WithContainer("side", "nginx")),
			[]Mount{own("web", "side")},
		},
		"one container mounts a volume, in another spelling, and one does not": {
			policytest.NewPod("p", policytest.WithMemoryVolume("shm", "128Mi"), policytest.WithContainer("side", "nginx"),
				policytest.WithContainer("web", "nginx", policytest.Mount("shm", "/dev//shm/"))),
			[]Mount{own("side"), shm},
		},
		"a sidecar sees the runtime's, an init container does not last": {
			policytest.NewPod("p", policytest.WithMemoryVolume("shm", "128Mi"), policytest.WithInit("before", "nginx"), policytest.WithSidecar("log", "nginx"),
				policytest.WithContainer("web", "nginx", policytest.Mount("shm", "/dev/shm"))),
			[]Mount{shm, own("log")},
		},
		"another memory volume comes after /dev/shm": {
			policytest.NewPod("p", policytest.WithMemoryVolume("cache", "1Gi"), policytest.WithContainer("web", "nginx", policytest.Mount("cache", "/cache"))),
			[]Mount{own("web"), {Volume: "cache", Path: "/cache", Containers: []string{"web"}, SizeLimit: sizing.GiB}},
		},
		"two containers see one volume at two paths": {
			policytest.NewPod("p", policytest.WithMemoryVolume("shm", "128Mi"), policytest.WithContainer("web", "nginx", policytest.Mount("shm", "/dev/shm")),
				policytest.WithContainer("side", "nginx", policytest.Mount("shm", "/dev/shm"), policytest.Mount("shm", "/also"))),
			[]Mount{{Volume: "shm", Path: DevShm, Containers: []string{"web", "side"}, SizeLimit: 128 * sizing.MiB}},
		},
		"the node's own": {
			policytest.NewPod("p", func(p *corev1.Pod) { p.Spec.HostIPC = true }, policytest.WithContainer("web", "nginx")), nil,
		},
		"Windows": {
			policytest.NewPod("p", func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }, policytest.WithContainer("web", "nginx")), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Mounts(c.pod)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMemoryLimit_IsTheLeast(t *testing.T) {
	pod := policytest.NewPod("p", policytest.WithContainer("web", "nginx", policytest.MemoryLimit("256Mi")), policytest.WithContainer("side", "nginx"))
	mount := Mounts(pod)[0]
	if got := MemoryLimit(pod, mount); got != 256*sizing.MiB {
		t.Errorf("got %s; want that of the one container with a limit", got)
	}
	pod.Spec.Resources = &corev1.ResourceRequirements{Limits: pod.Spec.Containers[0].Resources.Limits.DeepCopy()}
	pod.Spec.Resources.Limits[corev1.ResourceMemory] = *(200 * sizing.MiB).Quantity()
	if got := MemoryLimit(pod, mount); got != 200*sizing.MiB {
		t.Errorf("got %s; want the Pod's", got)
	}
}
