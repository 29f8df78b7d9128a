package matchcondition

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// podWith returns a Pod with a container for each image.
func podWith(labels map[string]string, images ...string) *corev1.Pod {
	pod := policytest.NewPod("pod", policytest.Labels(labels))
	for _, image := range images {
		policytest.WithContainer("", image)(pod)
	}
	return pod
}

func podNaming(path string) *corev1.Pod {
	return policytest.NewPod("pod", policytest.WithContainer("", "nginx", func(c *corev1.Container) {
		c.Env = []corev1.EnvVar{{Name: "DIR", Value: path}}
	}))
}

// podSetting returns a Pod with so many parts of a command, arguments and variables.
func podSetting(command, args, env int) *corev1.Pod {
	pod := podWith(nil, "nginx")
	c := &pod.Spec.Containers[0]
	c.Command, c.Args, c.Env = make([]string, command), make([]string, args), make([]corev1.EnvVar, env)
	return pod
}

func podMounting(paths ...string) *corev1.Pod {
	var mounts []policytest.ContainerOption
	for _, path := range paths {
		mounts = append(mounts, policytest.Mount("", path))
	}
	return policytest.NewPod("pod", policytest.WithContainer("", "nginx", mounts...))
}
