package matchcondition

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Mirror says that an image below From, a registry with or without a path, counts as one
// below To: of From harbor.local/ghcr and To ghcr.io, harbor.local/ghcr/org/app counts as
// ghcr.io/org/app.
type Mirror struct{ From, To string }

// mirror is a Mirror, both sides complete.
type mirror struct{ from, to []part }

func parseMirrors(mirrors []Mirror) (out []mirror) {
	for _, m := range mirrors {
		from, to := strings.Trim(m.From, "/"), strings.Trim(m.To, "/")
		if from == "" || to == "" {
			continue // there are no images below it
		}
		out = append(out, mirror{prefixParts(from), prefixParts(to)})
	}
	return out
}

// prefixParts returns the parts of the beginning of a repository, the registry among them.
func prefixParts(prefix string) (parts []part) {
	for i, text := range strings.Split(prefix, "/") {
		switch {
		case i == 0 && isRegistry(text):
			text = registryName(text)
		case i == 0:
			parts = append(parts, literalPart(hubName))
		}
		parts = append(parts, literalPart(text))
	}
	return parts
}

// below returns how the images that a glob matches are called below the mirror, without
// the mirror's own name.
func (m mirror) below(parts []part) (tails [][]part) {
	if len(parts) <= len(m.to) {
		return nil
	}
	for i, to := range m.to {
		if !matches(parts[i].glob, to.glob) {
			return nil
		}
	}
	tail := parts[len(m.to):]
	tails = append(tails, tail)
	if len(m.to) == 1 && m.to[0].glob == hubName && isLibrary(tail) {
		tails = append(tails, tail[1:])
	}
	return tails
}

// pattern is a regular expression for the beginning of an image as a Pod has it, up to its
// tag or digest, in two pieces: patterns share prefixes.
type pattern struct{ prefix, rest string }

const (
	hubName = "docker.io"
	// port is the default one, which may be left out.
	port = `(?::443)?`
	// hub is how an image names Docker Hub, or does not.
	hub = `(?:(?:index[.]|registry-1[.])?docker[.]io` + port + `/)?`
)

// imageTerms are names and patterns of which one fits each image whose repository one of some globs
// matches.
type imageTerms struct {
	names    []string  // of globs without a wildcard, as imageName writes them
	spelled  []pattern // of the same globs
	patterns []pattern // of the others
}

// add reports whether a glob could be added: not one that cannot be written in this way.
func (t *imageTerms) add(glob string, mirrors []mirror) bool {
	patterns, ok := imagePatterns(glob, mirrors)
	if !ok {
		return false
	}
	if strings.ContainsAny(glob, "*?[\\\n") { // a list of names has no line breaks
		t.patterns = append(t.patterns, patterns...)
		return true
	}
	t.names, t.spelled = append(t.names, imageNames(glob, mirrors)...), append(t.spelled, patterns...)
	return true
}

// imageNames returns the names of the images whose repository a glob without a wildcard matches.
func imageNames(glob string, mirrors []mirror) (names []string) {
	parts, _ := globParts(glob)
	parts = complete(parts)
	names = plainNames(parts)
	for _, m := range mirrors {
		for _, tail := range m.below(parts) {
			names = append(names, plainNames(slices.Concat(m.from, tail))...)
		}
	}
	return names
}

// plainNames returns the names of a repository whose first part is the registry.
func plainNames(parts []part) []string {
	globs := make([]string, len(parts))
	for i, p := range parts {
		globs[i] = p.glob
	}
	names := []string{imageName(strings.Join(globs, "/"))}
	if globs[0] == hubName && isLibrary(parts[1:]) {
		names = append(names, imageName(globs[2]))
	}
	return names
}

// imagePatterns returns patterns of which one fits each image whose repository the glob
// matches, in whichever spelling, and by whichever mirror. ok is false for a glob that
// cannot be written in this way.
func imagePatterns(glob string, mirrors []mirror) (patterns []pattern, ok bool) {
	parts, ok := globParts(glob)
	if !ok {
		return nil, false
	}
	parts = complete(parts)
	patterns = spellings(parts[:1], parts[1:])
	for _, m := range mirrors {
		for _, tail := range m.below(parts) {
			patterns = append(patterns, spellings(m.from, tail)...)
		}
	}
	return patterns, true
}

// complete fills in the registry and the folder that a short name leaves out. A first part
// with a wildcard stands for registries.
func complete(parts []part) []part {
	first := parts[0]
	switch {
	case len(parts) == 1:
		return []part{literalPart(hubName), literalPart(hubLibrary), first}
	case first.wild():
		return parts
	case !isRegistry(first.glob):
		return append([]part{literalPart(hubName)}, parts...)
	}
	host := literalPart(registryName(first.glob))
	if host.glob == hubName && len(parts) == 2 {
		return []part{host, literalPart(hubLibrary), parts[1]}
	}
	return append([]part{host}, parts[1:]...)
}

// hubLibrary is the folder of Docker Hub's own images, which may be left out.
const hubLibrary = "library"

func isLibrary(parts []part) bool { return len(parts) == 2 && matches(parts[0].glob, hubLibrary) }

// spellings returns patterns for a repository that consists of head, whose first part is the
// registry, and tail.
func spellings(head, tail []part) (out []pattern) {
	host, folder := head[0], ""
	if len(head) > 1 {
		folder = joinParts(head[1:]) + "/"
	}
	if host.glob != hubName {
		out = append(out, pattern{host.pattern + port + "/" + folder, joinParts(tail)})
	}
	if matches(host.glob, hubName) {
		out = append(out, pattern{hub + folder, joinParts(tail)})
		if all := slices.Concat(head[1:], tail); isLibrary(all) {
			out = append(out, pattern{hub, all[1].pattern})
		}
	}
	return out
}

// oneOf returns a regular expression for a text of which a line begins with an image that
// one of the patterns fits. It does not look at the case, which does not matter in the name
// of a registry.
func oneOf(patterns []pattern) string {
	rests := make(map[string][]string)
	for _, p := range patterns {
		rests[p.prefix] = append(rests[p.prefix], p.rest)
	}
	// Prefixes with the same rests are written together.
	prefixes := make(map[string][]string)
	for _, prefix := range slices.Sorted(maps.Keys(rests)) {
		rest := alternation(rests[prefix])
		prefixes[rest] = append(prefixes[rest], prefix)
	}
	var either []string
	for _, rest := range slices.Sorted(maps.Keys(prefixes)) {
		either = append(either, alternation(prefixes[rest])+rest)
	}
	return `(?im)^` + alternation(either) + `(?:[:@]|$)`
}

// alternation returns a regular expression for what one of the given ones fits.
func alternation(patterns []string) string {
	if len(patterns) == 1 {
		return patterns[0]
	}
	return `(?:` + strings.Join(slices.Sorted(slices.Values(patterns)), "|") + `)`
}

func matches(glob, text string) bool {
	ok, err := path.Match(glob, text)
	return ok && err == nil
}

// isRegistry reports whether the first part of a name is a registry.
func isRegistry(part string) bool {
	return strings.ContainsAny(part, ".:") || part == "localhost" || strings.ToLower(part) != part
}

// registryName returns the one spelling of a registry that all others stand for.
func registryName(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	if host == "index."+hubName || host == "registry-1."+hubName {
		return hubName
	}
	return host
}

// part is a stretch of a glob between slashes, and the same as a regular expression.
type part struct{ glob, pattern string }

func literalPart(text string) part {
	var pattern strings.Builder
	for _, r := range text {
		pattern.WriteString(quoteRune(r))
	}
	return part{text, pattern.String()}
}

// wild reports whether the part may stand for several texts, or for one in another spelling.
func (p part) wild() bool { return strings.ContainsAny(p.glob, `*?[\`) }

func joinParts(parts []part) string {
	patterns := make([]string, len(parts))
	for i, p := range parts {
		patterns[i] = p.pattern
	}
	return strings.Join(patterns, "/")
}

// globParts reads a glob in the syntax of path.Match. ok is false for a bracket that may
// stand for a slash, since the glob then has no parts, and for a glob that is not valid.
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
			if matches(rest[:width], "/") {
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

// bracketEnd returns the length of the bracket that a valid glob begins with: the shortest
// that is one.
func bracketEnd(text string) int {
	for end := 2; end <= len(text); end++ {
		if text[end-1] != ']' {
			continue
		}
		if _, err := path.Match(text[:end], "x"); err == nil {
			return end
		}
	}
	return len(text)
}

// quoteRune returns a regular expression for a character. One outside ASCII stands for any:
// its lower-case form may be another.
func quoteRune(r rune) string {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
		return string(r)
	case r == '.' || r == ':':
		return "[" + string(r) + "]"
	case r >= utf8.RuneSelf:
		return `[^/]`
	default:
		return fmt.Sprintf(`\x{%x}`, r)
	}
}
