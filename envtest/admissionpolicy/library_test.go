package admissionpolicy

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// An API server accepts the admission policies of the whole library, and their expressions stay
// within the cost that it grants for the largest Pods that they decide about: a policy whose
// expression fails changes nothing, and rejects.
func TestExport_LibraryDecidesAboutTheLargestPods(t *testing.T) {
	var sources []v1alpha1.SharedMemoryPolicy
	for _, file := range policies.All() {
		sources = append(sources, policytest.Library(t, file.Name))
	}
	c, w := newClient(t)
	e := evaluator{client: c, warnings: w}
	library := newGroup(t, "library", sources)
	library.install(t, c)
	waitForAll(t, c, "library")
	e.namespace(t, "large", map[string]string{groupLabel: library.name, v1alpha1.LabelMode: "enforce"})
	for name, pod := range map[string]*corev1.Pod{
		"a model of files":           largest("ghcr.io/goauthentik/proxy:2026.2.2", nil),
		"a fixed size":               largest("selenium/node-chrome", nil),
		"a share of the memory":      largest("rayproject/ray", map[string]string{"ray.io/is-ray-node": "yes"}),
		"units":                      largest("vllm/vllm-openai:v1", nil),
		"a share, and the last rank": largest("jupyterhub/k8s-singleuser-sample", map[string]string{"app": "jupyterhub", "component": "singleuser-server"}),
	} {
		t.Run(name, func(t *testing.T) {
			w.take()
			got, err := e.create(t, pod)
			if err != nil || len(got.Spec.Volumes) != len(pod.Spec.Volumes)+1 {
				t.Errorf("%d volumes, want one more than %d: %v; warnings %q", len(got.Spec.Volumes), len(pod.Spec.Volumes), err, w.take())
			}
		})
	}
}

// largest returns a Pod that has as much of everything as the policies look at, or close to it.
func largest(image string, labels map[string]string) *corev1.Pod {
	pod := policytest.NewPod("large", policytest.Namespace("large"), policytest.Labels(labels))
	for i := range 63 {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprintf("volume-%d", i), VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	for i := range 32 {
		name := fmt.Sprintf("container-%d", i)
		options := []policytest.ContainerOption{policytest.MemoryLimit("512Mi"), policytest.MemoryRequest("128Mi")}
		for j := range 32 {
			options = append(options, policytest.Mount(fmt.Sprintf("volume-%d", j), fmt.Sprintf("/var/lib/program/data-%d", j)))
		}
		if i < 8 {
			pod = policytest.With(pod, policytest.WithSidecar(name, image, options...))
			continue
		}
		pod = policytest.With(pod, policytest.WithContainer(name, image, options...))
		c := &pod.Spec.Containers[len(pod.Spec.Containers)-1]
		for j := range 120 {
			c.Args = append(c.Args, fmt.Sprintf("--option-%d=/var/lib/program/%s", j, strings.Repeat("x", 40)))
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", j), Value: "/var/lib/program/" + strings.Repeat("y", 40)})
		}
	}
	return pod
}
