package policy_test

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// names reports whether a container's settings name the path, by the table of texts.
func names(c *corev1.Container, mountPath string) bool {
	all := slices.Concat(c.Command, c.Args)
	for _, e := range c.Env {
		all = append(all, e.Value)
	}
	return slices.ContainsFunc(all, func(text string) bool {
		if slices.Contains(remounts, text) {
			return mountPath == "/dev/shm"
		}
		return texts[text] == mountPath
	})
}

// runsOn returns the sidecars and regular containers: the ones that keep running.
func runsOn(pod *corev1.Pod) []*corev1.Container {
	return slices.DeleteFunc(notEphemeral(pod), func(c *corev1.Container) bool {
		return isInit(pod, c) && !isSidecar(c)
	})
}

func isInit(pod *corev1.Pod, c *corev1.Container) bool {
	return slices.ContainsFunc(
		pod.Spec.InitContainers,
		func(i corev1.Container) bool { return i.Name == c.Name },
	)
}

func imageMatches(patterns []string, image string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return images[image] != "" && slices.Contains(globs[pattern], images[image])
	})
}

func selected(s *metav1.LabelSelector, set map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		panic(err)
	}
	return selector.Matches(labels.Set(set))
}

// matches reports whether one entry matches.
func (w *world) matches(m *v1alpha1.Match, mountPath string) bool {
	if m.PodSelector != nil && !selected(m.PodSelector, w.pod.Labels) {
		return false
	}
	if m.NamespaceSelector != nil && !selected(m.NamespaceSelector, w.namespace) {
		return false
	}
	if m.Images != nil &&
		!slices.ContainsFunc(
			runsOn(w.pod),
			func(c *corev1.Container) bool { return imageMatches(m.Images, c.Image) },
		) {
		return false
	}
	if m.TmpfsPaths != "" &&
		!slices.ContainsFunc(
			notEphemeral(w.pod),
			func(c *corev1.Container) bool { return names(c, mountPath) },
		) {
		return false
	}
	if m.Mounted != nil &&
		!slices.ContainsFunc(notEphemeral(w.pod), func(c *corev1.Container) bool {
			return slices.ContainsFunc(
				c.VolumeMounts,
				func(v corev1.VolumeMount) bool { return at(v.MountPath, mountPath) || below(v.MountPath, mountPath) },
			)
		}) {
		return false
	}
	return true
}

// entries returns the entries of a policy that match; none if it does not apply.
func (w *world) entries(p *v1alpha1.SharedMemoryPolicy) []*v1alpha1.Match {
	for i := range p.Spec.Exclude {
		if w.matches(&p.Spec.Exclude[i], mountPathOf(p)) {
			return nil
		}
	}
	var out []*v1alpha1.Match
	for i := range p.Spec.Match {
		if w.matches(&p.Spec.Match[i], mountPathOf(p)) {
			out = append(out, &p.Spec.Match[i])
		}
	}
	return out
}

// deciding returns the policy that decides and the next one that matches too and has a size to give;
// nil if there is none.
func (w *world) deciding() (first, second *v1alpha1.SharedMemoryPolicy) {
	var all []*v1alpha1.SharedMemoryPolicy
	for _, p := range w.policies {
		if len(w.entries(p)) > 0 {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *v1alpha1.SharedMemoryPolicy) int {
		if a.Spec.Priority != b.Spec.Priority {
			return int(b.Spec.Priority - a.Spec.Priority)
		}
		return strings.Compare(a.Name, b.Name)
	})
	all = append(all, nil)
	rest := slices.DeleteFunc(
		slices.Clone(all[min(1, len(all)-1):]),
		func(p *v1alpha1.SharedMemoryPolicy) bool {
			return p != nil && p.Spec.Sizing == nil
		},
	)
	return all[0], rest[0]
}

// guessed reports whether nothing but paths in settings speaks for the policy.
func (w *world) guessed(p *v1alpha1.SharedMemoryPolicy) bool {
	return !slices.ContainsFunc(w.entries(p), func(m *v1alpha1.Match) bool {
		return m.PodSelector != nil || m.NamespaceSelector != nil || m.Images != nil ||
			m.Mounted != nil
	})
}

// writers returns the names of the containers that write to the volume: those that are named, else
// those whose image matched, else, if the policy only checks, those that mount something there,
// else those that name the path, else the main one.
func (w *world) writers(p *v1alpha1.SharedMemoryPolicy) map[string]bool {
	out := map[string]bool{}
	if p.Spec.Writers != nil {
		for _, c := range notEphemeral(w.pod) {
			for _, pattern := range p.Spec.Writers.Names {
				if ok, _ := path.Match(pattern, c.Name); ok {
					out[c.Name] = true
				}
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, c := range runsOn(w.pod) {
		for _, m := range w.entries(p) {
			if imageMatches(m.Images, c.Image) {
				out[c.Name] = true
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	if p.Spec.Sizing == nil {
		for _, c := range runsOn(w.pod) {
			if len(mountsAt(c, mountPathOf(p)))+len(mountsBelow(c, mountPathOf(p))) > 0 {
				out[c.Name] = true
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, c := range runsOn(w.pod) {
		if names(c, mountPathOf(p)) {
			out[c.Name] = true
		}
	}
	if len(out) == 0 {
		out[mainContainer(w.pod)] = true
	}
	return out
}

func mainContainer(pod *corev1.Pod) string {
	wanted := pod.Annotations["kubectl.kubernetes.io/default-container"]
	for _, c := range pod.Spec.Containers {
		if c.Name == wanted {
			return wanted
		}
	}
	return pod.Spec.Containers[0].Name
}
