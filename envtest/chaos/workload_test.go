package chaos

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The policies under which Pods are created all the time. One never changes; the other is for
// the scenarios to change.
const (
	steady       = "steady"
	changing     = "changing"
	steadySize   = "128Mi"
	changingSize = "96Mi"
)

// fixedPolicy returns a policy of a fixed size for the Pods that one entry of match selects.
func fixedPolicy(name, match, size string) v1alpha1.SharedMemoryPolicy {
	p := v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict(fmt.Appendf(nil, "{match: [{%s}], sizing: {fixed: {size: %s}}}", match, size), &p.Spec); err != nil {
		panic(err) // it is written in a test
	}
	return p
}

func steadyPolicy() v1alpha1.SharedMemoryPolicy {
	return fixedPolicy(steady, "podSelector: {matchLabels: {app: steady}}", steadySize)
}

// changingPolicy matches by image, so that its part of the match condition is another.
func changingPolicy(size string) v1alpha1.SharedMemoryPolicy {
	return fixedPolicy(changing, `images: ["registry.example/changing"]`, size)
}

// kind is one of the kinds of Pods that are created all the time.
type kind struct {
	name   string
	mode   string // of the namespace; "" without a label
	policy string // that matches; "" if none does
	disk   bool   // has a disk at /dev/shm, which no mutation fixes
}

var kinds = []kind{
	{"enforced", "enforce", steady, false},
	{"enforced-changing", "enforce", changing, false},
	{"enforced-disk", "enforce", steady, true},
	{"unmatched", "enforce", "", true},
	{"warned", "warn", steady, false},
	{"warned-disk", "warn", steady, true},
	{"audited-disk", "audit", steady, true},
	{"unlabelled-disk", "", steady, true},
}

// guarded reports whether the first invariant is about Pods of the kind; the second one is about
// all others.
func (k kind) guarded() bool { return k.mode == "enforce" && k.policy != "" }

func (k kind) namespace() string {
	if k.mode == "" {
		return "chaos-unlabelled"
	}
	return "chaos-" + k.mode
}

// streamLabel marks the Pods of the stream.
const streamLabel = "chaos"

func (k kind) pod(name string) *corev1.Pod {
	pod := policytest.ParsePod(`
metadata: {labels: {app: other, chaos: stream}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
  - name: app
    image: registry.example/other:1
    resources: {limits: {memory: 256Mi}, requests: {memory: 64Mi}}
`)
	pod.Name, pod.Namespace = name, k.namespace()
	switch k.policy {
	case steady:
		pod.Labels["app"] = steady
	case changing:
		pod.Spec.Containers[0].Image = "registry.example/changing:1"
	}
	if k.disk {
		pod.Spec.Volumes = []corev1.Volume{{Name: "disk", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "disk", MountPath: shmPath}}
	}
	return pod
}
