package policy

import (
	"fmt"
	"strings"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// longestQuoted and mostQuoted bound what is quoted in a message: a text in bytes, and how many
// of a list.
const (
	longestQuoted = 64
	mostQuoted    = 8
)

// quote quotes a value for a message and shortens a long one.
func quote(text string) string { return human.Quote(text, longestQuoted) }

// quoteAll quotes names for a message, the first few of many.
func quoteAll(names []string) string {
	quoted := make([]string, 0, mostQuoted+1)
	for i, name := range names {
		if i == mostQuoted {
			return strings.Join(quoted, ", ") + fmt.Sprintf(" and %d more", len(names)-mostQuoted)
		}
		quoted = append(quoted, quote(name))
	}
	return strings.Join(quoted, ", ")
}

// shorten cuts a text for a message.
func shorten(text string) string {
	const longest = 128
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return text
}
