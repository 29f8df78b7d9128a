package policy

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// matcher is a compiled v1alpha1.Match: every field that is given must match.
type matcher struct {
	pods       labels.Selector // nil: not given
	namespaces labels.Selector // nil: not given
	images     []glob          // nil: not given
	names      bool            // a container must name the policy's path
	mounted    bool            // a container must mount something at the policy's path or below
	keySets    []keySet
}

// isGuess reports whether the matcher looks at nothing but the texts of the containers.
func (m *matcher) isGuess() bool {
	return m.names && m.pods == nil && m.namespaces == nil && m.images == nil && !m.mounted
}

// matching is a subject while its policy is looked for, with what several policies ask of
// it, each worked out once.
type matching struct {
	subject *Subject
	// repos are the repositories of the regular and sidecar containers. The image of an
	// init container matches nothing, so that a tool that prepares something does not
	// decide about the Pod, and neither does a debug container's.
	repos []string
	// sorted holds the same in order, for a Pod of many containers, when it is first asked for.
	sorted []string
	// checked are the checks that were made so far.
	checked []checkedPath
	// tried has a bit for each policy that was tried, so that none is tried twice.
	tried []uint64
}

// fewRepos is how many repositories are compared one by one.
const fewRepos = 32

// pathCheck is whether a container of a Pod mounts something at or below a path or, if mounted is
// false, names a path at or under it.
type pathCheck struct {
	dir     string
	mounted bool
}

type checkedPath struct {
	pathCheck
	found bool
}

func newMatching(s *Subject, mirrors Mirrors) matching {
	spec := &s.Pod.Spec
	m := matching{subject: s, repos: make([]string, 0, len(spec.Containers)+1)}
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; c.isSidecar() {
			m.repos = append(m.repos, mirrors.original(c.Image))
		}
	}
	for i := range spec.Containers {
		m.repos = append(m.repos, mirrors.original(spec.Containers[i].Image))
	}
	return m
}

// names reports whether a container names a path at or under dir.
func (m *matching) names(dir string) bool {
	return m.once(pathCheck{dir: dir}, func(c *ContainerView) bool { return c.namesPath(dir) })
}

// mounts reports whether a container mounts something at dir or below it.
func (m *matching) mounts(dir string) bool {
	return m.once(pathCheck{dir: dir, mounted: true}, func(c *ContainerView) bool { return c.mounts(dir) })
}

// once reports whether f holds for a container. It calls f only if the check was not made before.
func (m *matching) once(check pathCheck, f func(*ContainerView) bool) bool {
	for _, c := range m.checked {
		if c.pathCheck == check {
			return c.found
		}
	}
	found := m.any(f)
	m.checked = append(m.checked, checkedPath{check, found})
	return found
}

// any reports whether f holds for a container or init container.
func (m *matching) any(f func(*ContainerView) bool) bool {
	spec := &m.subject.Pod.Spec
	for _, list := range [...][]ContainerView{spec.InitContainers, spec.Containers} {
		for i := range list {
			if f(&list[i]) {
				return true
			}
		}
	}
	return false
}

// matches reports whether every field of an entry matches, the cheapest first.
func (m *matching) matches(entry *matcher, mountPath string) bool {
	switch {
	case entry.pods != nil && !entry.pods.Matches(labels.Set(m.subject.Pod.Metadata.Labels)),
		entry.namespaces != nil && !entry.namespaces.Matches(labels.Set(m.subject.NamespaceLabels)),
		entry.images != nil && !m.anyImage(entry.images),
		entry.mounted && !m.mounts(mountPath),
		entry.names && !m.names(mountPath):
		return false
	}
	return true
}

func (m *matching) anyImage(globs []glob) bool {
	if len(m.repos) <= fewRepos {
		for _, repo := range m.repos {
			if anyImageMatches(globs, repo) {
				return true
			}
		}
		return false
	}
	if m.sorted == nil {
		m.sorted = slices.Sorted(slices.Values(m.repos))
	}
	for i := range globs {
		g := &globs[i]
		first, found := slices.BinarySearch(m.sorted, g.prefix)
		if g.literal {
			if found {
				return true
			}
			continue
		}
		for _, repo := range m.sorted[first:] {
			if !strings.HasPrefix(repo, g.prefix) {
				break
			}
			if len(repo) <= longestRepository && g.matches(repo) {
				return true
			}
		}
	}
	return false
}

// applies reports whether a policy applies to the subject: an entry of match matches and none
// of exclude.
func (m *matching) applies(p *compiled) bool {
	return m.anyEntry(p.match, p.mountPath) && !m.anyEntry(p.exclude, p.mountPath)
}

func (m *matching) anyEntry(entries []matcher, mountPath string) bool {
	for i := range entries {
		if m.matches(&entries[i], mountPath) {
			return true
		}
	}
	return false
}

// grounds are the reasons for which a policy matches a subject.
type grounds struct {
	images []glob // of the entries that match
	guess  bool   // every entry that matches is a guess
}

func (m *matching) groundsOf(p *compiled) grounds {
	g := grounds{guess: true}
	for i := range p.match {
		entry := &p.match[i]
		if !m.matches(entry, p.mountPath) {
			continue
		}
		if g.images == nil {
			g.images = entry.images
		} else {
			g.images = append(g.images[:len(g.images):len(g.images)], entry.images...)
		}
		g.guess = g.guess && entry.isGuess()
	}
	return g
}

// tryOnce reports whether the policy of a rank has not been tried yet, and marks it.
func (m *matching) tryOnce(rank int32) bool {
	word, bit := rank/64, uint64(1)<<(rank%64)
	if m.tried[word]&bit != 0 {
		return false
	}
	m.tried[word] |= bit
	return true
}
