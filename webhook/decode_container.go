package webhook

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

func (c *cursor) container(v *policy.ContainerView) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "name":
			v.Name = c.text()
		case "image":
			v.Image = c.text()
		case "command":
			v.Command = c.texts()
		case "args":
			v.Args = c.texts()
		case "env":
			v.Env = listOf(c, c.env)
		case "resources":
			v.Resources = c.resources()
		case "volumeMounts":
			v.VolumeMounts = listOf(c, c.volumeMount)
		case "volumeDevices":
			v.VolumeDevices = listOf(c, c.volumeDevice)
		case "restartPolicy":
			if !c.null() {
				is := corev1.ContainerRestartPolicy(c.text())
				v.RestartPolicy = &is
			}
		case "lifecycle":
			v.Lifecycle = c.lifecycle()
		case "securityContext":
			v.SecurityContext = c.securityContext()
		default:
			c.skipField()
		}
	}
}

func (c *cursor) env(v *corev1.EnvVar) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "name":
			v.Name = c.text()
		case "value":
			v.Value = c.text()
		case "valueFrom":
			v.ValueFrom = c.valueFrom()
		default:
			c.skipField()
		}
	}
}

// valueFrom returns where a variable has its value from, if that is a resource.
func (c *cursor) valueFrom() (from *corev1.EnvVarSource) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "resourceFieldRef":
			ref := &corev1.ResourceFieldSelector{}
			for c.object(); c.more(); {
				switch string(c.field()) {
				case "containerName":
					ref.ContainerName = c.text()
				case "resource":
					ref.Resource = c.text()
				default:
					c.skipField()
				}
			}
			from = &corev1.EnvVarSource{ResourceFieldRef: ref}
		default:
			c.skipField()
		}
	}
	return from
}

func (c *cursor) volumeMount(v *corev1.VolumeMount) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "name":
			v.Name = c.text()
		case "mountPath":
			v.MountPath = c.text()
		case "readOnly":
			v.ReadOnly = c.boolean()
		case "subPath":
			v.SubPath = c.text()
		case "subPathExpr":
			v.SubPathExpr = c.text()
		default:
			c.skipField()
		}
	}
}

func (c *cursor) volumeDevice(v *corev1.VolumeDevice) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "name":
			v.Name = c.text()
		case "devicePath":
			v.DevicePath = c.text()
		default:
			c.skipField()
		}
	}
}

// lifecycle returns the command that runs when a container has started; nil if there is none.
func (c *cursor) lifecycle() (v *corev1.Lifecycle) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "postStart":
			for c.object(); c.more(); {
				switch string(c.field()) {
				case "exec":
					v = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: c.exec()}}
				default:
					c.skipField()
				}
			}
		default:
			c.skipField()
		}
	}
	return v
}

func (c *cursor) exec() *corev1.ExecAction {
	v := &corev1.ExecAction{}
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "command":
			v.Command = c.texts()
		default:
			c.skipField()
		}
	}
	return v
}

// securityContext returns what lets a container mount.
func (c *cursor) securityContext() *corev1.SecurityContext {
	v := &corev1.SecurityContext{}
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "privileged":
			privileged := c.boolean()
			v.Privileged = &privileged
		case "capabilities":
			v.Capabilities = &corev1.Capabilities{}
			for c.object(); c.more(); {
				switch string(c.field()) {
				case "add":
					v.Capabilities.Add = listOf(c, func(name *corev1.Capability) { *name = corev1.Capability(c.text()) })
				default:
					c.skipField()
				}
			}
		default:
			c.skipField()
		}
	}
	return v
}
