package policy

import (
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// matcher is a compiled v1alpha1.Match: every filter that is set must match.
type matcher struct {
	pods       labels.Selector // nil: not given
	namespaces labels.Selector // nil: not given
	images     []glob          // nil: not given
	// tmpfsPath is the path to look for in a container's settings; "": not given.
	tmpfsPath string
}

// given says whether the matcher has a filter at all. One without matches
// nothing as an exclusion.
func (m *matcher) given() bool {
	return m.pods != nil || m.namespaces != nil || m.images != nil || m.tmpfsPath != ""
}

// matches tries the filters, the cheapest first.
func (m *matcher) matches(s *Subject, repos []string) bool {
	if m.pods != nil && !m.pods.Matches(labels.Set(s.Meta.Labels)) {
		return false
	}
	if m.namespaces != nil && !m.namespaces.Matches(labels.Set(s.NamespaceLabels)) {
		return false
	}
	if m.images != nil && !anyImage(m.images, repos) {
		return false
	}
	return m.tmpfsPath == "" || namesPath(s.Spec, m.tmpfsPath)
}

func anyImage(globs []glob, repos []string) bool {
	for _, repo := range repos {
		if anyMatches(globs, repo) {
			return true
		}
	}
	return false
}

// repositories are those of the containers and init containers. Ephemeral
// containers do not count, so that a debug container changes no policy.
func repositories(spec *corev1.PodSpec) []string {
	repos := make([]string, 0, len(spec.InitContainers)+len(spec.Containers))
	for i := range spec.InitContainers {
		repos = append(repos, repository(spec.InitContainers[i].Image))
	}
	for i := range spec.Containers {
		repos = append(repos, repository(spec.Containers[i].Image))
	}
	return repos
}

// namesPath says whether the environment, command or arguments of a container or
// init container name a path at or under dir.
func namesPath(spec *corev1.PodSpec, dir string) bool {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			c := &list[i]
			for _, text := range c.Command {
				if mentions(text, dir) {
					return true
				}
			}
			for _, text := range c.Args {
				if mentions(text, dir) {
					return true
				}
			}
			for j := range c.Env {
				if mentions(c.Env[j].Value, dir) {
					return true
				}
			}
		}
	}
	return false
}

// mentions says whether a text has a path at or under dir in it, in any spelling:
// "--worker-tmp-dir=/dev/shm/", "exec app -d '/dev//shm/x'", "file:///dev/shm".
func mentions(text, dir string) bool {
	if !strings.Contains(text, lastPart(dir)) {
		return false
	}
	for start := 0; ; {
		slash := strings.IndexByte(text[start:], '/')
		if slash < 0 {
			return false
		}
		start += slash
		end := start
		for end < len(text) && isPathByte(text[end]) {
			end++
		}
		// A path that goes on from a name is relative to it: "a/dev/shm".
		if (start == 0 || !isPathByte(text[start-1])) && isUnder(path.Clean(text[start:end]), dir) {
			return true
		}
		start = end
	}
}

func isPathByte(b byte) bool {
	return b == '/' || b == '.' || b == '-' || b == '_' || b == '+' || b == '@' || b == '%' || b == '~' ||
		'0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b >= 0x80
}

// isUnder says whether a cleaned path is dir or lies in it.
func isUnder(p, dir string) bool {
	rest, ok := strings.CutPrefix(p, dir)
	return ok && (rest == "" || rest[0] == '/')
}

// sameDir compares a path as it was written with a cleaned one.
func sameDir(written, dir string) bool { return written == dir || cleanMountPath(written) == dir }

// cleanMountPath reads a mount path as the runtime does: a relative one starts at
// the root.
func cleanMountPath(p string) string { return path.Clean("/" + p) }
