package matchcondition

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// witness decides whether a policy matches a Pod, from the documentation of the API alone
// and without any code that is tested. Where the documentation leaves a choice it matches.
// Namespaces have no labels.
type witness struct{ mirrors []Mirror }

func (w witness) matches(p *v1alpha1.SharedMemoryPolicy, pod *corev1.Pod) bool {
	entry := func(m v1alpha1.Match) bool { return w.entryMatches(m, p.Spec.MountPath, pod) }
	return slices.ContainsFunc(p.Spec.Match, entry) && !slices.ContainsFunc(p.Spec.Exclude, entry)
}

func (w witness) entryMatches(m v1alpha1.Match, mountPath string, pod *corev1.Pod) bool {
	if mountPath == "" {
		mountPath = "/dev/shm"
	}
	return selects(m.PodSelector, pod.Labels) && selects(m.NamespaceSelector, nil) &&
		(m.Images == nil || slices.ContainsFunc(m.Images, func(glob string) bool { return w.hasImage(pod, glob) })) &&
		(m.TmpfsPaths == "" || namesPath(pod, mountPath)) &&
		(m.Mounted == nil || mountsPath(pod, mountPath))
}

func selects(s *metav1.LabelSelector, set map[string]string) bool {
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(set))
}

func (w witness) hasImage(pod *corev1.Pod, glob string) bool {
	registry, _, found := strings.Cut(glob, "/")
	if !found || !strings.ContainsAny(registry, `*?[\`) {
		glob = fullName(glob)
	}
	var images []string
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			images = append(images, c.Image)
		}
	}
	for _, c := range pod.Spec.Containers {
		images = append(images, c.Image)
	}
	return slices.ContainsFunc(images, func(image string) bool {
		image, _, _ = strings.Cut(image, "@")
		if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
			image = image[:colon]
		}
		names := []string{fullName(image)}
		for _, m := range w.mirrors {
			if rest, found := strings.CutPrefix(names[0], prefixName(strings.Trim(m.From, "/"))+"/"); found {
				names = append(names, fullName(prefixName(strings.Trim(m.To, "/"))+"/"+rest))
			}
		}
		return slices.ContainsFunc(names, func(name string) bool {
			ok, _ := path.Match(glob, name)
			return ok
		})
	})
}

// fullName spells a repository out, as prefixName does the beginning of one.
func fullName(name string) string {
	if !strings.Contains(name, "/") {
		return "docker.io/library/" + name
	}
	name = prefixName(name)
	if rest, found := strings.CutPrefix(name, "docker.io/"); found && !strings.Contains(rest, "/") {
		return "docker.io/library/" + rest
	}
	return name
}

func prefixName(name string) string {
	registry, rest, found := strings.Cut(name, "/")
	lower := strings.ToLower(registry)
	if !strings.ContainsAny(registry, ".:") && lower != "localhost" && lower == registry {
		return "docker.io/" + name
	}
	lower = strings.TrimSuffix(lower, ":443")
	if lower == "index.docker.io" || lower == "registry-1.docker.io" {
		lower = "docker.io"
	}
	if !found {
		return lower
	}
	return lower + "/" + rest
}

func anyContainer(pod *corev1.Pod, f func(corev1.Container) bool) bool {
	return slices.ContainsFunc(pod.Spec.InitContainers, f) || slices.ContainsFunc(pod.Spec.Containers, f)
}

func mountsPath(pod *corev1.Pod, dir string) bool {
	return anyContainer(pod, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return isAtOrUnder("/"+m.MountPath, dir) })
	})
}

// namesPath reports whether a text names a path: it takes each stretch of a text that starts with a slash and ends before a space,
// a quote or the like for a path.
func namesPath(pod *corev1.Pod, dir string) bool {
	return anyContainer(pod, func(c corev1.Container) bool {
		settings := slices.Concat(c.Command, c.Args)
		for _, e := range c.Env {
			settings = append(settings, e.Value)
		}
		return slices.ContainsFunc(settings, func(text string) bool {
			for i := range text {
				if text[i] == '/' && isAtOrUnder(strings.FieldsFunc(text[i:], func(r rune) bool { return strings.ContainsRune(` '"=,;:`, r) })[0], dir) {
					return true
				}
			}
			return false
		})
	})
}

func isAtOrUnder(written, dir string) bool {
	return strings.HasPrefix(path.Clean(written)+"/", dir+"/")
}
