// Package runbooks lists how the commands of the pages in docs/runbooks are tried. A test of
// docs keeps the lists complete.
package runbooks

import (
	"iter"
	"regexp"
	"strings"
)

// inline is code within a line that begins with a program, and verb a verb of the plugin without arguments.
var (
	inline = regexp.MustCompile("`((?:kubectl|crictl|cmctl|curl) [^`]+)`")
	verb   = regexp.MustCompile(`^kubectl shm \S+$`)
)

// Commands returns the commands of a page, in their order: lines that are indented by four columns, outside of
// fences, and those within the text. The verbs that the text names without arguments are not among them.
func Commands(page string) []string {
	var out []string
	for line := range Unfenced(page) {
		if command, indented := strings.CutPrefix(line, "    "); indented {
			out = append(out, strings.TrimSpace(command))
			continue
		}
		for _, match := range inline.FindAllStringSubmatch(line, -1) {
			if !verb.MatchString(match[1]) {
				out = append(out, match[1])
			}
		}
	}
	return out
}

// Unfenced returns the lines of a page that are outside of fences.
func Unfenced(page string) iter.Seq[string] {
	return func(yield func(string) bool) {
		fenced := false
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
				continue
			}
			if !fenced && !yield(line) {
				return
			}
		}
	}
}
