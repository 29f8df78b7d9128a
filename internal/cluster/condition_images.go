package cluster

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// imagePatterns are regular expressions for the beginning of an image as a Pod
// has it, up to its tag or digest: one of them fits where the glob matches the
// image's repository, whichever of Docker Hub's short names the Pod uses. ok is
// false for a glob that cannot be said in this way.
func imagePatterns(glob string) (patterns []string, ok bool) {
	parts, ok := globParts(glob)
	if !ok {
		return nil, false
	}
	first := parts[0].glob
	switch {
	case len(parts) == 1:
		return []string{hub + `(?:library/)?` + parts[0].pattern}, true
	case strings.ContainsAny(first, `*?[\`):
		// The first part stands for registries, the Hub among them perhaps.
	case first == hubName || first == "index."+hubName:
		parts = parts[1:]
		if len(parts) == 1 {
			return []string{hub + `(?:library/)?` + parts[0].pattern}, true
		}
		return onHub(parts), true
	case !isRegistry(first):
		return onHub(parts), true
	}
	patterns = []string{joinParts(parts)}
	if matches(first, hubName) {
		patterns = append(patterns, onHub(parts[1:])...)
	}
	return patterns, true
}

const (
	hubName = "docker.io"
	// hub is how an image names the Hub, or does not.
	hub = `(?:(?:index[.])?docker[.]io/)?`
)

// onHub are the patterns for parts that follow the Hub's name. The Hub's own
// images are in the folder library, which may be left out.
func onHub(parts []part) []string {
	if len(parts) == 2 && matches(parts[0].glob, "library") {
		return []string{hub + joinParts(parts), hub + parts[1].pattern}
	}
	return []string{hub + joinParts(parts)}
}

// oneOf is a regular expression for a text of which a line begins with an image
// that one of the patterns fits. The Hub's name is written once.
func oneOf(patterns []string) string {
	var either, onHub []string
	for _, p := range patterns {
		if short, found := strings.CutPrefix(p, hub); found {
			onHub = append(onHub, short)
		} else {
			either = append(either, p)
		}
	}
	if len(onHub) > 0 {
		either = append(either, hub+`(?:`+strings.Join(onHub, "|")+`)`)
	}
	return `(?m)^(?:` + strings.Join(either, "|") + `)(?:[:@]|$)`
}

func matches(glob, text string) bool {
	ok, err := path.Match(glob, text)
	return ok && err == nil
}

// isRegistry is the rule by which the first part of a name is a registry.
func isRegistry(part string) bool {
	return strings.ContainsAny(part, ".:") || part == "localhost" || strings.ToLower(part) != part
}

// part is a stretch of a glob between slashes, and the same as a regular
// expression.
type part struct{ glob, pattern string }

func joinParts(parts []part) string {
	patterns := make([]string, len(parts))
	for i, p := range parts {
		patterns[i] = p.pattern
	}
	return strings.Join(patterns, "/")
}

// globParts reads a glob in the syntax of path.Match. ok is false for a bracket
// that may stand for a slash, since the glob then has no parts, and for a glob
// that is not valid.
func globParts(glob string) (parts []part, ok bool) {
	if _, err := path.Match(glob, ""); err != nil || glob == "" || !utf8.ValidString(glob) {
		return nil, false
	}
	var now part
	take := func(text, pattern string) { now.glob += text; now.pattern += pattern }
	for rest := glob; rest != ""; {
		r, width := utf8.DecodeRuneInString(rest)
		switch r {
		case '/':
			parts, now = append(parts, now), part{}
		case '*':
			take("*", `[^/]*`)
		case '?':
			take("?", `[^/]`)
		case '[':
			width = bracketEnd(rest)
			if width < 0 || matches(rest[:width], "/") {
				return nil, false
			}
			take(rest[:width], `[^/]`)
		case '\\':
			escaped, n := utf8.DecodeRuneInString(rest[1:])
			width += n
			if escaped == '/' {
				return nil, false
			}
			take(rest[:width], quoteRune(escaped))
		default:
			take(string(r), quoteRune(r))
		}
		rest = rest[width:]
	}
	return append(parts, now), true
}

// bracketEnd is the length of the bracket that a text begins with, the shortest
// that is one; -1 for none.
func bracketEnd(text string) int {
	for end := 2; end <= len(text); end++ {
		if text[end-1] != ']' {
			continue
		}
		if _, err := path.Match(text[:end], "x"); err == nil {
			return end
		}
	}
	return -1
}

func quoteRune(r rune) string {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
		return string(r)
	case r == '.' || r == ':':
		return "[" + string(r) + "]"
	default:
		return fmt.Sprintf(`\x{%x}`, r)
	}
}
