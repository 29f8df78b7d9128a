package webhook

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shmkeeper/shmkeeper/policy"
)

// What decisions read of an object is read here, and the rest is skipped. The functions are named
// after what they read. FuzzDecodersAgree compares them with the full decoder.

func (c *cursor) pod() *policy.PodView {
	v := &policy.PodView{}
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "metadata":
			c.metadata(&v.Metadata)
		case "spec":
			c.spec(&v.Spec)
		default:
			c.skipField()
		}
	}
	return v
}

func (c *cursor) metadata(m *policy.MetadataView) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "name":
			m.Name = c.text()
		case "generateName":
			m.GenerateName = c.text()
		case "namespace":
			m.Namespace = c.text()
		case "labels":
			m.Labels = c.textMap()
		case "annotations":
			m.Annotations = c.textMap()
		case "deletionTimestamp":
			if !c.null() {
				m.DeletionTimestamp = &metav1.Time{}
				if value := c.raw(); c.err == nil {
					c.fail(m.DeletionTimestamp.UnmarshalJSON(value))
				}
			}
		case "managedFields":
			m.ManagedFields = listOf(c, c.manager)
		case "ownerReferences":
			m.OwnerReferences = listOf(c, c.owner)
		default:
			c.skipField()
		}
	}
}

func (c *cursor) owner(v *policy.OwnerView) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "apiVersion":
			v.APIVersion = c.text()
		case "kind":
			v.Kind = c.text()
		case "name":
			v.Name = c.text()
		case "uid":
			v.UID = types.UID(c.text())
		case "controller":
			if !c.null() {
				v.Controller = new(c.boolean())
			}
		default:
			c.skipField()
		}
	}
}

// manager keeps the fields that somebody manages as they are written: they are a part of the body.
func (c *cursor) manager(v *metav1.ManagedFieldsEntry) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "fieldsV1":
			if !c.null() {
				v.FieldsV1 = &metav1.FieldsV1{}
				v.FieldsV1.SetRawBytes(c.raw())
			}
		default:
			c.skipField()
		}
	}
}

func (c *cursor) spec(s *policy.SpecView) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "initContainers":
			s.InitContainers = listOf(c, c.container)
		case "containers":
			s.Containers = listOf(c, c.container)
		case "ephemeralContainers":
			s.EphemeralContainers = listOf(c, c.container)
		case "volumes":
			s.Volumes = listOf(c, c.volume)
		case "hostIPC":
			s.HostIPC = c.boolean()
		case "os":
			s.OS = c.os()
		case "nodeSelector":
			s.NodeSelector = c.textMap()
		case "resources":
			s.Resources = c.resources()
		case "overhead":
			s.Overhead = c.quantities()
		case "affinity":
			s.Affinity = c.affinity()
		case "priorityClassName":
			s.PriorityClassName = c.text()
		case "activeDeadlineSeconds":
			s.ActiveDeadlineSeconds = c.integer()
		default:
			c.skipField()
		}
	}
}

func (c *cursor) os() (os *corev1.PodOS) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "name":
			os = &corev1.PodOS{Name: corev1.OSName(c.text())}
		default:
			c.skipField()
		}
	}
	return os
}

func (c *cursor) volume(v *policy.VolumeView) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "name":
			v.Name = c.text()
		case "emptyDir":
			v.EmptyDir = c.emptyDir()
		case "hostPath":
			v.HostPath = c.hostPath()
		default:
			c.skipField()
		}
	}
}

func (c *cursor) emptyDir() *corev1.EmptyDirVolumeSource {
	if c.null() {
		return nil
	}
	v := &corev1.EmptyDirVolumeSource{}
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "medium":
			v.Medium = corev1.StorageMedium(c.text())
		case "sizeLimit":
			if !c.null() {
				v.SizeLimit = new(c.quantity())
			}
		default:
			c.skipField()
		}
	}
	return v
}

func (c *cursor) hostPath() *corev1.HostPathVolumeSource {
	if c.null() {
		return nil
	}
	v := &corev1.HostPathVolumeSource{}
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "path":
			v.Path = c.text()
		default:
			c.skipField()
		}
	}
	return v
}

func (c *cursor) resources() *corev1.ResourceRequirements {
	if c.null() {
		return nil
	}
	r := &corev1.ResourceRequirements{}
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "limits":
			r.Limits = c.quantities()
		case "requests":
			r.Requests = c.quantities()
		case "claims":
			r.Claims = listOf(c, c.resourceClaim)
		default:
			c.skipField()
		}
	}
	return r
}

func (c *cursor) resourceClaim(v *corev1.ResourceClaim) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "name":
			v.Name = c.text()
		default:
			c.skipField()
		}
	}
}

// affinity keeps the terms that cross namespaces, and of those only that they do.
func (c *cursor) affinity() *corev1.Affinity {
	var terms []corev1.PodAffinityTerm
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "podAffinity", "podAntiAffinity":
			for c.object(); c.more(); {
				switch string(c.field()) {
				case "requiredDuringSchedulingIgnoredDuringExecution":
					for c.list(); c.more(); {
						c.affinityTerm(&terms)
					}
				case "preferredDuringSchedulingIgnoredDuringExecution":
					for c.list(); c.more(); {
						c.weightedTerm(&terms)
					}
				default:
					c.skipField()
				}
			}
		default:
			c.skipField()
		}
	}
	if terms == nil {
		return nil
	}
	return &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}}
}

func (c *cursor) weightedTerm(terms *[]corev1.PodAffinityTerm) {
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "podAffinityTerm":
			c.affinityTerm(terms)
		default:
			c.skipField()
		}
	}
}

func (c *cursor) affinityTerm(terms *[]corev1.PodAffinityTerm) {
	crosses := false
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "namespaces":
			for c.list(); c.more(); {
				c.skip()
				crosses = true
			}
		case "namespaceSelector":
			if !c.null() {
				c.skip()
				crosses = true
			}
		default:
			c.skipField()
		}
	}
	if crosses {
		c.element()
		*terms = append(*terms, corev1.PodAffinityTerm{NamespaceSelector: &metav1.LabelSelector{}})
	}
}
