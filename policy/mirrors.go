package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mirrors says which repositories are copies of others: an image below a mirror counts as
// the image that it mirrors. The zero value has none.
type Mirrors struct{ list []mirror }

type mirror struct{ from, to string }

// ParseMirrors reads mirrors as the command line has them: "harbor.local/ghcr=ghcr.io"
// makes harbor.local/ghcr/x/y count as ghcr.io/x/y. The error quotes the entry that is wrong.
func ParseMirrors(entries []string) (Mirrors, error) {
	var m Mirrors
	for _, entry := range entries {
		from, to, found := strings.Cut(entry, "=")
		from, to = strings.TrimSuffix(from, "/"), strings.TrimSuffix(to, "/")
		if !found || !isMirrorPath(from) || !isMirrorPath(to) {
			return Mirrors{}, fmt.Errorf("image mirror %s: must be MIRROR=REPOSITORY, both beginning with a registry's host: write for example harbor.local/ghcr=ghcr.io", quote(entry))
		}
		from = canonicalPath(from)
		for _, earlier := range m.list {
			if earlier.from == from {
				return Mirrors{}, fmt.Errorf("image mirror %s: %s is given twice: remove one of them", quote(entry), quote(from))
			}
		}
		m.list = append(m.list, mirror{from: from, to: canonicalPath(to)})
	}
	// The most specific one counts.
	slices.SortFunc(m.list, func(a, b mirror) int {
		return cmp.Or(cmp.Compare(len(b.from), len(a.from)), cmp.Compare(a.from, b.from))
	})
	return m, nil
}

func isMirrorPath(p string) bool {
	host, _, _ := strings.Cut(p, "/")
	return isHost(host) && !strings.ContainsAny(p, "@*? \t") && !strings.Contains(p, "//")
}

func canonicalPath(p string) string {
	host, rest, found := strings.Cut(p, "/")
	if !found {
		return canonicalHost(host)
	}
	return canonicalHost(host) + "/" + rest
}

// Each calls f with each mirror and what it mirrors, as paths without a slash at the end and
// with hosts in one spelling, the most specific first.
func (m Mirrors) Each(f func(from, to string)) {
	for _, x := range m.list {
		f(x.from, x.to)
	}
}

// original returns the repository that an image counts as.
func (m Mirrors) original(image string) string {
	repo := repository(image)
	for i := range m.list {
		x := &m.list[i]
		if rest, ok := strings.CutPrefix(repo, x.from); ok && rest != "" && rest[0] == '/' {
			return repository(x.to + rest)
		}
	}
	return repo
}
