package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// All containers that would share the runtime's /dev/shm share the volume: regular, sidecar and
// init. One that has a volume of its own there keeps it, and nobody gets that one.
func TestSharing_GroupOfContainers(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	always := corev1.ContainerRestartPolicyAlways
	pod := webPod("web", func(p *corev1.Pod) {
		like := func(name string) corev1.Container {
			c := *p.Spec.Containers[0].DeepCopy()
			c.Name = name
			return c
		}
		sidecar, own := like("sidecar"), like("own")
		sidecar.RestartPolicy = &always
		own.VolumeMounts = []corev1.VolumeMount{{Name: "own", MountPath: "/dev/shm"}}
		p.Spec.Containers = append(p.Spec.Containers, like("helper"), own)
		p.Spec.InitContainers = []corev1.Container{like("init"), sidecar}
		p.Spec.Volumes = []corev1.Volume{{Name: "own", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory},
		}}}
	})
	created := a.must(t, ns, pod, response{Notes: mutated("web")})
	mounted := map[string]string{}
	for _, list := range [][]corev1.Container{created.Spec.InitContainers, created.Spec.Containers} {
		for _, c := range list {
			for _, m := range c.VolumeMounts {
				if m.MountPath == "/dev/shm" {
					mounted[c.Name] += m.Name
				}
			}
			if c.Name == "web" {
				continue
			}
			if limit, request := c.Resources.Limits.Memory().String(), c.Resources.Requests.Memory().String(); limit != "512Mi" || request != "128Mi" {
				t.Errorf("container %q, which does not write, has a limit of %s and a request of %s", c.Name, limit, request)
			}
		}
	}
	for name, want := range map[string]string{
		"web": "shmkeeper-shm", "helper": "shmkeeper-shm", "init": "shmkeeper-shm", "sidecar": "shmkeeper-shm", "own": "own",
	} {
		if mounted[name] != want {
			t.Errorf("container %q has volume %q at /dev/shm, want %q", name, mounted[name], want)
		}
	}
	if err := sized(created, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}
}

// The server that keeps the match condition knows the mirrors, so that Pods with images from a
// mirror are sent and matched.
func TestImageMirrors(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, newPolicy("web", `{match: [{images: ["ghcr.io/team/*"]}], sizing: {fixed: {size: 256Mi}}}`))
	ns := s.namespace(t, "enforce", nil)
	pulling := func(name, image string) *corev1.Pod {
		return webPod(name, func(p *corev1.Pod) { p.Spec.Containers[0].Image = image })
	}
	a.must(t, ns, pulling("original", "ghcr.io/team/web:1"), response{Notes: mutated("web")})
	a.must(t, ns, pulling("unknown", "harbor.local/ghcr/team/web:1"), response{})

	// All replicas have the same flags, so those without mirrors go.
	s.exchange(t, "--image-mirrors=harbor.local/ghcr=ghcr.io,mirror:5000=docker.io")
	a.must(t, ns, pulling("mirrored", "harbor.local/ghcr/team/web:1"), response{Notes: mutated("web")})
	a.must(t, ns, pulling("other", "harbor.local/quay/team/web:1"), response{})
	a.must(t, ns, pulling("same", "ghcr.io/team/web:1"), response{Notes: mutated("web")})
}

// exchange stops the replica that the tests share and has one with further flags in its place,
// until the end of the test.
func (s *suite) exchange(t *testing.T, flags ...string) {
	t.Helper()
	swap := func(name string, flags ...string) error {
		install.ServeReplicas(s.cp)
		if err := s.replica.Stop(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		replica, err := install.StartReplica(ctx, s.cp, s.program, s.dir, name, slices.Concat(sharedFlags, flags)...)
		if err != nil {
			return err
		}
		s.replica = replica
		install.ServeReplicas(s.cp, replica)
		return s.waitTrusted(ctx)
	}
	if err := swap("exchanged", flags...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := swap(fmt.Sprintf("restored-%d", names.Add(1))); err != nil {
			t.Error(err)
		}
	})
}
