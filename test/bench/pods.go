package main

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// The names of the two Pods that are created, by their size in JSON.
const (
	small = "2kb"
	large = "60kb"
)

// sizes are the bytes of the Pods by their names, as a client sends them.
var sizes = map[string]int{small: 2_000, large: 60_000}

// matchedPod returns the incident's Pod, which the library's policy for authentik's outposts
// matches and shmkeeper changes, of about a number of bytes.
func matchedPod(bytes int) *corev1.Pod {
	pod := policytest.ParsePod(policytest.IncidentPod)
	pod.APIVersion, pod.Kind, pod.Namespace = "v1", "Pod", ""
	pod.Spec.ServiceAccountName = "default"
	pod.Spec.Volumes[0].Projected.Sources = []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: new(int64(3607)), Path: "token"}},
		{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
			Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
		}},
	}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), RunAsNonRoot: new(true),
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	grow(pod, bytes)
	return pod
}

// unmatchedPod returns a Pod of about a number of bytes that no policy of the library matches.
func unmatchedPod(bytes int) *corev1.Pod {
	pod := matchedPod(0)
	pod.GenerateName, pod.Labels = "shop-", map[string]string{"app": "shop"}
	pod.Spec.Containers[0].Name, pod.Spec.Containers[0].Image = "shop", "ghcr.io/example/shop:1"
	pod.Spec.Containers[0].Env = nil
	grow(pod, bytes)
	return pod
}

// podWithContainers returns the incident's Pod with other containers beside its own.
func podWithContainers(containers int) *corev1.Pod {
	pod := matchedPod(0)
	for len(pod.Spec.Containers) < containers {
		addSidecar(pod)
	}
	return pod
}

// grow adds what large Pods have until the Pod has a number of bytes: up to four more containers,
// and in equal parts variables, ConfigMaps that are mounted, and annotations.
func grow(pod *corev1.Pod, bytes int) {
	for i := 0; len(encode(pod)) < bytes; i++ {
		if i%60 == 30 && len(pod.Spec.Containers) < 5 {
			addSidecar(pod)
		}
		c := &pod.Spec.Containers[i%len(pod.Spec.Containers)]
		switch i % 3 {
		case 0:
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%03d", i), Value: strings.Repeat("value-", 16)})
		case 1:
			if pod.Annotations == nil {
				pod.Annotations = map[string]string{}
			}
			pod.Annotations[fmt.Sprintf("example.org/note-%03d", i)] = strings.Repeat("note-", 20)
		case 2:
			name := fmt.Sprintf("config-%03d", i)
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
				ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}},
			}})
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/etc/config/" + name, ReadOnly: true})
		}
	}
}

func addSidecar(pod *corev1.Pod) {
	n := len(pod.Spec.Containers)
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
		Name: fmt.Sprintf("sidecar-%d", n), Image: fmt.Sprintf("ghcr.io/example/sidecar-%d:1.2.3", n),
		Ports: []corev1.ContainerPort{{ContainerPort: int32(9000 + n)}},
		Resources: corev1.ResourceRequirements{
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
		},
	})
}

// encode returns a Pod as clients send it. Nothing in a Pod can fail to be encoded.
func encode(pod *corev1.Pod) []byte {
	data, err := json.Marshal(pod)
	if err != nil {
		panic(err)
	}
	return data
}
