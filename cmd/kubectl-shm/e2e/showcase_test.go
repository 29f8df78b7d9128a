package e2e

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// shop is a cluster as one may be found: the workloads of the library's policies, most of them as they
// are deployed without thinking of /dev/shm.
var shop = []struct {
	namespace, mode, workload, image string
	replicas                         int
	limit, shm                       string
	labels                           map[string]string
}{
	{"auth", "enforce", "proxy-outpost", "ghcr.io/goauthentik/proxy:2026.2", 2, "256Mi", "", map[string]string{"goauthentik.io/outpost-type": "proxy"}},
	{"auth", "enforce", "server", "ghcr.io/goauthentik/server:2026.2", 3, "2Gi", "", nil},
	{"e2e-tests", "audit", "chrome-grid", "selenium/node-chrome:4.35", 20, "2Gi", "", nil},
	{"e2e-tests", "audit", "firefox-grid", "selenium/node-firefox:4.35", 8, "4Gi", "2Gi", nil},
	{"e2e-tests", "audit", "playwright", "mcr.microsoft.com/playwright:v1.55", 6, "1Gi", "", nil},
	{"models", "warn", "chat", "vllm/vllm-openai:v0.11", 4, "64Gi", "", nil},
	{"models", "warn", "embeddings", "vllm/vllm-openai:v0.11", 2, "32Gi", "1Gi", nil},
	{"analytics", "", "ray-worker", "rayproject/ray:2.49", 12, "16Gi", "", map[string]string{"ray.io/is-ray-node": "yes"}},
	{"analytics", "", "scheduler", "apache/airflow:3.0", 2, "4Gi", "", map[string]string{"tier": "airflow", "component": "worker"}},
	{"dev", "audit", "gitlab", "gitlab/gitlab-ee:18.4", 1, "8Gi", "256Mi", nil},
	{"dev", "audit", "runner", "alpine:3.22", 10, "512Mi", "", nil},
	{"cameras", "enforce", "frigate", "ghcr.io/blakeblackshear/frigate:0.16", 1, "4Gi", "", nil},
	{"reports", "warn", "pdf", "ghcr.io/puppeteer/puppeteer:24", 3, "1Gi", "", nil},
	{"shop", "enforce", "web", "nginx:1.29", 12, "128Mi", "", nil},
	{"shop", "enforce", "postgres", "postgres:18", 1, "2Gi", "", nil},
	{"billing", "enforce", "postgres", "postgres:18", 1, "2Gi", "1Gi", nil},
	{"notebooks", "", "user", "quay.io/jupyter/base-notebook", 9, "4Gi", "", map[string]string{"app": "jupyterhub", "component": "singleuser-server"}},
}

// showcase fills a cluster with the shop and some namespaces more, under the policies of the library.
func showcase(t *testing.T, c *cluster) {
	t.Helper()
	c.installCRD(t)
	for _, p := range policies.All() {
		if p.Name == "jupyterhub" {
			continue // nobody has thought of it
		}
		one := policytest.Library(t, p.Name)
		c.create(t, unstored(&one))
	}
	made := map[string]bool{}
	for _, w := range shop {
		if !made[w.namespace] {
			c.create(t, newNamespace(w.namespace, w.mode))
			made[w.namespace] = true
		}
		pod := policytest.NewPod("", policytest.WithContainer("main", w.image, policytest.MemoryLimit(w.limit), policytest.MemoryRequest("128Mi")))
		pod.Labels = map[string]string{"workload": w.workload}
		for k, v := range w.labels {
			pod.Labels[k] = v
		}
		if w.shm != "" {
			policytest.With(pod, policytest.WithMemoryVolume("dshm", w.shm))
			policytest.Mount("dshm", "/dev/shm")(&pod.Spec.Containers[0])
		}
		if err := makeDeployment(t, c, w.namespace, w.workload, pod, w.replicas); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 14 {
		ns := fmt.Sprintf("team-%c", 'a'+i)
		c.create(t, newNamespace(ns, modes[i%len(modes)]))
		pod := policytest.NewPod("", policytest.WithContainer("main", "selenium/standalone-chrome:4.35", policytest.MemoryLimit("4Gi"), policytest.MemoryRequest("128Mi")))
		pod.Labels = map[string]string{"workload": "smoke-test"}
		if i%3 != 0 {
			policytest.With(pod, policytest.WithMemoryVolume("dshm", "2Gi"))
			policytest.Mount("dshm", "/dev/shm")(&pod.Spec.Containers[0])
		}
		if err := makeDeployment(t, c, ns, "smoke-test", pod, 1+i%2); err != nil {
			t.Fatal(err)
		}
	}
	onDisk := policytest.NewPod("", policytest.WithContainer("main", "ghcr.io/goauthentik/proxy:2026.2", policytest.MemoryLimit("512Mi"), policytest.Mount("dshm", "/dev/shm")))
	onDisk.Labels = map[string]string{"workload": "partner-outpost"}
	onDisk.Spec.Volumes = []corev1.Volume{{Name: "dshm", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	if err := makeDeployment(t, c, "auth", "partner-outpost", onDisk, 2); err != nil {
		t.Fatal(err)
	}
	c.setQuota(t, "e2e-tests", "80Gi", "78Gi")
}
