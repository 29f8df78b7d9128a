package policies

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// matches says which Pods a policy matches, with at most so many image patterns of each entry.
func matches(l policyfile.Policy, images int) string {
	var entries []string
	for _, m := range l.Source.Spec.Match {
		entries = append(entries, describeEntry(m, images, l.Compiled.MountPath()))
	}
	return strings.Join(entries, "; or ")
}

// describeEntry says what an entry of match asks for.
func describeEntry(m v1alpha1.Match, images int, mountPath string) string {
	var parts []string
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
		parts = append(parts, "a setting that names "+mountPath)
	}
	if m.Mounted != nil {
		parts = append(parts, "a mount at or below "+mountPath)
	}
	return strings.Join(parts, ", ")
}

// size returns the size that a policy gives, or how it comes about if it depends on the Pod.
func size(l policyfile.Policy) string {
	if l.Source.Spec.Sizing == nil {
		return "none: only checks"
	}
	if s, ok := l.Compiled.Size(); ok {
		return s.Limit.String()
	}
	p := l.Source.DeepCopy()
	v1alpha1.SetDefaults(p)
	z := p.Spec.Sizing
	var text string
	if z.MemoryPercent != nil {
		text = fmt.Sprintf("%d%% of memory", z.MemoryPercent.Percent)
	} else {
		text = units(z.Units)
	}
	if h := z.HeadroomPercent; h != nil && *h > 0 {
		text += fmt.Sprintf(" + %d%%", *h)
	}
	if l.Source.Spec.Sizing.Min != nil {
		text += ", at least " + sizing.BytesOf(*z.Min).String()
	}
	return text + ", at most " + sizing.BytesOf(*z.Max).String()
}

func units(u *v1alpha1.Units) string {
	text := sizing.BytesOf(u.Each).String() + " per "
	switch {
	case len(u.Count.Resources) > 0:
		text += unit(u.Count.Resources[0])
	case u.Count.Annotation != nil:
		text += unit(*u.Count.Annotation)
	}
	if u.Base != nil && !u.Base.IsZero() {
		text = sizing.BytesOf(*u.Base).String() + " + " + text
	}
	return text
}

// unit returns the word for one of what a resource or annotation counts: nvidia.com/gpu counts GPUs,
// frigate/cameras counts cameras.
func unit(key string) string {
	word := key[strings.LastIndexByte(key, '/')+1:]
	if word == "gpu" {
		return "GPU"
	}
	return strings.ReplaceAll(strings.TrimSuffix(word, "s"), "-", " ")
}
