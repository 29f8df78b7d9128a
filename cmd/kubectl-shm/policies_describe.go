package main

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// matches says which Pods a policy matches, with so many of its image patterns.
func matches(spec *v1alpha1.SharedMemoryPolicySpec, images int) string {
	var parts []string
	m := &spec.Match
	if m.PodSelector != nil {
		parts = append(parts, metav1.FormatLabelSelector(m.PodSelector))
	}
	if m.NamespaceSelector != nil {
		parts = append(parts, "namespaces "+metav1.FormatLabelSelector(m.NamespaceSelector))
	}
	switch n := len(m.Images); {
	case n > images:
		parts = append(parts, fmt.Sprintf("image %s and %d more", m.Images[0], n-1))
	case n > 0:
		parts = append(parts, "image "+strings.Join(m.Images, ", "))
	}
	if m.TmpfsPaths != "" {
		parts = append(parts, "a path under "+mountPath(spec))
	}
	return strings.Join(parts, "; ")
}

func mountPath(spec *v1alpha1.SharedMemoryPolicySpec) string {
	p := v1alpha1.SharedMemoryPolicy{Spec: *spec}
	v1alpha1.SetDefaults(&p)
	return p.Spec.MountPath
}

// size is the size that a policy gives, or how it comes about where it depends on the Pod.
func size(l loadedPolicy) string {
	if s, ok := l.policy.Size(); ok {
		return s.Limit.String()
	}
	p := l.source.DeepCopy()
	v1alpha1.SetDefaults(p)
	z := &p.Spec.Sizing
	var text string
	if z.MemoryPercent != nil {
		text = fmt.Sprintf("%d%% of memory", *z.MemoryPercent)
	} else {
		text = units(z.Units)
	}
	if h := z.HeadroomPercent; h != nil && *h > 0 {
		text += fmt.Sprintf(" + %d%%", *h)
	}
	if l.source.Spec.Sizing.Min != nil {
		text += ", at least " + policy.BytesOf(*z.Min).String()
	}
	return text + ", at most " + policy.BytesOf(*z.Max).String()
}

func units(u *v1alpha1.Units) string {
	text := policy.BytesOf(u.Each).String() + " per "
	switch {
	case u.CountFrom.Resource != nil:
		text += unit(*u.CountFrom.Resource)
	case u.CountFrom.Annotation != nil:
		text += unit(*u.CountFrom.Annotation)
	}
	if u.Base != nil && !u.Base.IsZero() {
		text = policy.BytesOf(*u.Base).String() + " + " + text
	}
	return text
}

// unit is the word for one of what a resource or annotation counts: nvidia.com/gpu counts GPUs, frigate/cameras cameras.
func unit(key string) string {
	word := key[strings.LastIndexByte(key, '/')+1:]
	if word == "gpu" {
		return "GPU"
	}
	return strings.ReplaceAll(strings.TrimSuffix(word, "s"), "-", " ")
}
