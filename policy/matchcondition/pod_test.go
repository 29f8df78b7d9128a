package matchcondition

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func podWith(labels map[string]string, images ...string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod", Labels: labels}}
	for _, image := range images {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Image: image})
	}
	return pod
}

func withInit(pod *corev1.Pod, image string, restart corev1.ContainerRestartPolicy) *corev1.Pod {
	c := corev1.Container{Image: image}
	if restart != "" {
		c.RestartPolicy = &restart
	}
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	return pod
}

func podNaming(path string) *corev1.Pod {
	pod := podWith(nil, "nginx")
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "DIR", Value: path}}
	return pod
}

func withCommand(pod *corev1.Pod, command ...string) *corev1.Pod {
	pod.Spec.Containers[0].Command = command
	return pod
}

// podSetting returns a Pod with so many parts of a command, arguments and variables.
func podSetting(command, args, env int) *corev1.Pod {
	pod := podWith(nil, "nginx")
	c := &pod.Spec.Containers[0]
	c.Command, c.Args, c.Env = make([]string, command), make([]string, args), make([]corev1.EnvVar, env)
	return pod
}

func podMounting(paths ...string) *corev1.Pod {
	pod := podWith(nil, "nginx")
	for _, path := range paths {
		pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{MountPath: path})
	}
	return pod
}
