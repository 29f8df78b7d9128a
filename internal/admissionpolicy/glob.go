package admissionpolicy

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// globRegexp returns a regular expression for the texts that a valid glob of path.Match matches.
func globRegexp(glob string) string {
	var out strings.Builder
	for rest := glob; rest != ""; {
		r, width := utf8.DecodeRuneInString(rest)
		switch r {
		case '*':
			out.WriteString(`[^/]*`)
		case '?':
			out.WriteString(`[^/]`)
		case '[':
			class, length := classRegexp(rest)
			out.WriteString(class)
			width = length
		case '\\':
			escaped, n := utf8.DecodeRuneInString(rest[1:])
			width += n
			out.WriteString(quoteRune(escaped))
		default:
			out.WriteString(quoteRune(r))
		}
		rest = rest[width:]
	}
	return out.String()
}

// classRegexp returns a regular expression for the bracket that a glob begins with, and the length
// of the bracket.
func classRegexp(glob string) (class string, length int) {
	var out strings.Builder
	out.WriteByte('[')
	at := 1
	if strings.HasPrefix(glob[at:], "^") {
		out.WriteByte('^')
		at++
	}
	next := func() {
		if glob[at] == '\\' {
			at++
		}
		r, width := utf8.DecodeRuneInString(glob[at:])
		fmt.Fprintf(&out, `\x{%x}`, r)
		at += width
	}
	for first := true; first || glob[at] != ']'; first = false {
		next()
		if glob[at] == '-' {
			at++
			out.WriteByte('-')
			next()
		}
	}
	out.WriteByte(']')
	return out.String(), at + 1
}

// anyGlob returns a regular expression for the texts that one of the globs matches as a whole.
func anyGlob(globs []string) string {
	patterns := make([]string, len(globs))
	for i, g := range globs {
		patterns[i] = globRegexp(g)
	}
	return "^(?:" + strings.Join(patterns, "|") + ")$"
}

// quoteRune returns a regular expression for a character.
func quoteRune(r rune) string {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-', r == '/':
		return string(r)
	case r == '.':
		return "[.]"
	default:
		return fmt.Sprintf(`\x{%x}`, r)
	}
}

// quoteText returns a regular expression for a text.
func quoteText(text string) string {
	var out strings.Builder
	for _, r := range text {
		out.WriteString(quoteRune(r))
	}
	return out.String()
}
