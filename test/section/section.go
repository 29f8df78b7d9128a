// Package section replaces the part of a documentation page that a command writes from what it measured.
package section

import (
	"fmt"
	"os"
	"strings"
)

// Section is the text between two lines of a page, which have their line breaks.
type Section struct{ Begin, End string }

// Replace returns a page with another text in the section. It fails on a page without the two lines.
func (s Section) Replace(page, text string) (string, error) {
	before, rest, begun := strings.Cut(page, s.Begin)
	_, after, ended := strings.Cut(rest, s.End)
	if !begun || !ended {
		return "", fmt.Errorf("the page has no lines %q and %q: put them where the figures belong",
			strings.TrimSpace(s.Begin), strings.TrimSpace(s.End))
	}
	return before + s.Begin + text + s.End + after, nil
}

// Write replaces the section in the file of a page.
func (s Section) Write(path, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	out, err := s.Replace(string(page), text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(out), 0o644)
}
