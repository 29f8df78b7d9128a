package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// DevShm is where a policy that names no mountPath mounts.
const DevShm = "/dev/shm"

// WriteJSON writes a value as indented JSON, with <, > and & as they are.
func WriteJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// WriteYAML writes a value as YAML, with the names that WriteJSON writes.
func WriteYAML(w io.Writer, value any) error {
	text, err := yaml.Marshal(value)
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return nil
}

// Align returns a line for each row, with the columns two spaces apart. No cell may have a tab or a
// line break.
func Align(rows [][]string) []string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
	return strings.Split(b.String(), "\n")[:len(rows)]
}

// WriteTable writes rows in columns, as Align has them.
func WriteTable(w io.Writer, rows [][]string) {
	for _, line := range Align(rows) {
		fmt.Fprintln(w, line)
	}
}

// Plain returns a name, quoted if it could be taken for something else: it is the input's, and may
// be anything.
func Plain(name string) string {
	odd := func(r rune) bool {
		return r == '/' || r == '"' || r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r)
	}
	if strings.ContainsFunc(name, odd) {
		return strconv.Quote(name)
	}
	return name
}

// PlainFile returns the path of a file, quoted if it would not be a word of a line.
func PlainFile(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
		return strconv.Quote(path)
	}
	return path
}

// Quote quotes a value for a message, and cuts one that is too long to read.
func Quote(text string) string { return human.Quote(text, 64) }

var listItem = regexp.MustCompile(`/([^/]+)/([0-9]+)`)

// FieldOf returns the path of the field that a JSON pointer leads to.
func FieldOf(pointer string) string {
	path := strings.ReplaceAll(listItem.ReplaceAllString(pointer, "/$1[$2]"), "/", ".")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(path, "."))
}

// CountSkipped says how many objects were skipped, of which kinds, the most frequent first.
func CountSkipped(skipped map[string]int) string {
	total := 0
	kinds := slices.Sorted(maps.Keys(skipped))
	slices.SortStableFunc(kinds, func(a, b string) int { return cmp.Compare(skipped[b], skipped[a]) })
	parts := make([]string, len(kinds))
	for i, kind := range kinds {
		total += skipped[kind]
		parts[i] = fmt.Sprintf("%d %s", skipped[kind], Plain(kind))
	}
	const most = 8
	if more := len(parts) - most; more > 0 {
		parts = append(parts[:most], fmt.Sprintf("and %d more kinds", more))
	}
	return fmt.Sprintf("%d skipped (%s)", total, strings.Join(parts, ", "))
}
