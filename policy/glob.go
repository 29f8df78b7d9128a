package policy

import (
	"path"
	"strings"
)

// glob is a pattern in the syntax of path.Match, in which "*" does not cross "/".
type glob struct {
	pattern string
	literal bool
	// prefix is the text before the first wildcard, with which every match begins: all of a
	// literal pattern.
	prefix string
	// literalPart is a text that every match contains: the longest stretch of the pattern
	// that stands for itself. It rules out most names at little cost.
	literalPart string
}

func newGlob(pattern string) (glob, error) {
	_, err := path.Match(pattern, "")
	g := glob{pattern: pattern, literal: !strings.ContainsAny(pattern, `*?[\`)}
	g.prefix = pattern
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		g.prefix = pattern[:i]
	}
	if !strings.ContainsAny(pattern, `[]\`) {
		for _, text := range strings.FieldsFunc(pattern, func(r rune) bool { return r == '*' || r == '?' }) {
			if len(text) > len(g.literalPart) {
				g.literalPart = text
			}
		}
	}
	return g, err
}

func (g *glob) matches(name string) bool {
	switch {
	case g.literal:
		return g.pattern == name
	case g.pattern == "*":
		return !strings.Contains(name, "/")
	case !strings.HasPrefix(name, g.prefix) || !strings.Contains(name, g.literalPart):
		return false
	}
	ok, err := path.Match(g.pattern, name)
	return ok && err == nil
}

// imageGlob returns a pattern for repositories. It is completed as a repository would
// be, unless its first part has a wildcard: then that part stands for registries.
func imageGlob(pattern string) (glob, error) {
	host, _, found := strings.Cut(pattern, "/")
	if found && strings.ContainsAny(host, `*?[\`) {
		return newGlob(pattern)
	}
	return newGlob(repository(pattern))
}

// CanonicalImageGlob returns a valid pattern of match.images in the one spelling that repositories
// are compared in.
func CanonicalImageGlob(pattern string) string {
	g, _ := imageGlob(pattern) // Compile reports one that is not valid
	return g.pattern
}

func anyMatches(globs []glob, name string) bool {
	for i := range globs {
		if globs[i].matches(name) {
			return true
		}
	}
	return false
}

// longestRepository is the longest name that the reference grammar of images allows. A
// longer one cannot be pulled, and so need not be compared with patterns.
const longestRepository = 255

// anyImageMatches reports whether one of the patterns matches a repository.
func anyImageMatches(globs []glob, repo string) bool {
	return len(repo) <= longestRepository && anyMatches(globs, repo)
}
