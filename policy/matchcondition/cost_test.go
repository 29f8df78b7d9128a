package matchcondition

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The costliest Pods that are searched in full, with the costliest expression.
func TestExpression_Cost(t *testing.T) {
	expression, ok := Expression(costlyPolicies(), nil)
	if !ok || len(expression) < maxExpressionBytes*2/3 || !strings.Contains(expression, fmt.Sprintf(".size() > %d ||", maxImageBytes)) {
		t.Fatalf("the expression has %d bytes, %t, and is not the costliest: change the policies", len(expression), ok)
	}
	c := mustCompile(t, expression, "newest")
	for name, pod := range map[string]*corev1.Pod{
		"settings and mounts": costlyPod(t, maxMounts, maxSettings),
		"mounts":              costlyPod(t, maxMounts, 0),
		"settings":            costlyPod(t, 0, maxSettings),
		"images":              costlyPod(t, 0, 0),
	} {
		cost, err := c.cost(pod)
		t.Logf("%s: %d bytes cost %d", name, len(expression), cost)
		if err != nil || cost > 800_000 {
			t.Errorf("%s: the evaluation costs %d, %v: lower the bounds on an expression", name, cost, err)
		}
		if is, err := c.sends(pod); is || err != nil {
			t.Errorf("%s: sent: %v, %v", name, is, err)
		}
	}
}

// costlyPolicies returns as many policies as an expression holds.
func costlyPolicies() []*v1alpha1.SharedMemoryPolicy {
	app := func(i int) v1alpha1.Match {
		return v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x", "tier": fmt.Sprint(i)}}}
	}
	// Entries that need the label as well show whether a search is made once or many times.
	var policies []*v1alpha1.SharedMemoryPolicy
	for i := range maxMountFragments {
		paths, mounted, both := app(i), app(i), app(i)
		paths.TmpfsPaths, both.TmpfsPaths = v1alpha1.TmpfsPathsDetect, v1alpha1.TmpfsPathsDetect
		mounted.Mounted, both.Mounted = &yes, &yes
		p := newPolicy("p", paths, mounted, both)
		policies = append(policies, p)
		q := newPolicy("q", mounted)
		q.Spec.MountPath = fmt.Sprint("/", strings.Repeat("q", maxFragment-1), i)
		if i > 0 {
			policies = append(policies, q)
		}
	}
	// As many patterns as the longest text of images is searched for, and names for the rest.
	for i := range 440 {
		policies = append(policies, newPolicy("p", matchImages(fmt.Sprintf("*/org-%d/*", i))))
	}
	for i := range 5000 {
		policies = append(policies, newPolicy("p", matchImages(fmt.Sprintf("o/%d", i))))
	}
	for i := range 800 {
		policies = append(policies, newPolicy("p", v1alpha1.Match{PodSelector: selecting("x"), Images: []string{fmt.Sprintf("p/%d", i)}}))
	}
	return policies
}

// costlyPod returns the costliest Pod with so many mounts, and settings of each kind, in each
// container.
func costlyPod(t *testing.T, mounts, settings int) *corev1.Pod {
	t.Helper()
	pod := podWith(map[string]string{"app": "x", "tier": "1"})
	for range maxContainers {
		c := corev1.Container{Image: strings.Repeat("i", maxImageBytes/maxContainers-1)}
		for range mounts {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{MountPath: strings.Repeat("a", maxMountPathBytes)})
		}
		if len(pod.Spec.Containers) == 0 {
			c.Image += "i" // the names are as long together as is searched
		}
		for range settings {
			c.Args, c.Command = append(c.Args, ""), append(c.Command, "")
			c.Env = append(c.Env, corev1.EnvVar{Name: "A", Value: "-"})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	content, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		// An API server takes 3 MiB.
		text := strings.Repeat("a", (3<<20-len(content))/maxContainers/max(settings, 1)/3)
		for j := range settings {
			c.Args[j], c.Command[j], c.Env[j].Value = text, text, text
		}
	}
	return pod
}
