package policy

import (
	"path"
	"strings"
)

const (
	dockerHub        = "docker.io"
	dockerHubLibrary = "docker.io/library/"
)

// repository is an image reference without tag and digest, with the registry and
// path that Docker Hub's short names stand for: "nginx:1" is
// docker.io/library/nginx. It allocates nothing for a name with a registry.
func repository(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	host, rest, found := strings.Cut(name, "/")
	switch {
	case !found:
		return dockerHubLibrary + name
	case host == "index."+dockerHub:
		return qualified(dockerHub, rest)
	case host == dockerHub:
		return qualified(host, rest)
	case isHost(host):
		return name
	default:
		return dockerHub + "/" + name
	}
}

func qualified(host, rest string) string {
	if !strings.Contains(rest, "/") {
		return dockerHubLibrary + rest
	}
	return host + "/" + rest
}

// isHost says whether the first part of a name is a registry: the rule of the
// reference grammar, by which everything else is Docker Hub's.
func isHost(part string) bool {
	return strings.ContainsAny(part, ".:") || part == "localhost" || strings.ToLower(part) != part
}

// glob is a pattern in the syntax of path.Match, in which "*" does not cross "/".
type glob struct {
	pattern string
	literal bool
	// must is a text that every match contains: the longest of the pattern's that
	// stands for itself. It rules most names out at little cost.
	must string
}

func newGlob(pattern string) (glob, error) {
	_, err := path.Match(pattern, "")
	g := glob{pattern: pattern, literal: !strings.ContainsAny(pattern, `*?[\`)}
	if !strings.ContainsAny(pattern, `[]\`) {
		for _, text := range strings.FieldsFunc(pattern, func(r rune) bool { return r == '*' || r == '?' }) {
			if len(text) > len(g.must) {
				g.must = text
			}
		}
	}
	return g, err
}

func (g glob) matches(name string) bool {
	switch {
	case g.literal:
		return g.pattern == name
	case g.pattern == "*":
		return !strings.Contains(name, "/")
	case !strings.Contains(name, g.must):
		return false
	}
	ok, err := path.Match(g.pattern, name)
	return ok && err == nil
}

// imageGlob is a pattern for repositories. It is completed as a repository would
// be, unless its first part has a wildcard: then that part stands for registries.
func imageGlob(pattern string) (glob, error) {
	host, _, found := strings.Cut(pattern, "/")
	if found && strings.ContainsAny(host, `*?[\`) {
		return newGlob(pattern)
	}
	return newGlob(repository(pattern))
}

// lastPart is the part of a repository after the last slash.
func lastPart(repo string) string { return repo[strings.LastIndexByte(repo, '/')+1:] }

func anyMatches(globs []glob, name string) bool {
	for _, g := range globs {
		if g.matches(name) {
			return true
		}
	}
	return false
}
