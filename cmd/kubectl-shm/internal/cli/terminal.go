package cli

import (
	"strings"
	"unicode/utf8"
)

// Colors of a terminal.
const (
	Bold   = "\x1b[1m"
	Dim    = "\x1b[2m"
	Red    = "\x1b[31m"
	Green  = "\x1b[32m"
	Yellow = "\x1b[33m"
	Cyan   = "\x1b[36m"
	reset  = "\x1b[0m"
)

// Colored returns a text in a color, if the output is to be colored and there is one.
func (s Streams) Colored(color, text string) string {
	if !s.Color || color == "" {
		return text
	}
	return color + text + reset
}

// narrowest is the width below which a cell is not cut: less of a name says nothing.
const narrowest = 12

// Cut says which column of a table may be cut, and where.
type Cut struct {
	Column int
	// Start reports whether the start is what is cut, as of the paths of files, which differ at their ends.
	Start bool
}

// Fit cuts the cells of columns, in that order, until rows that Align aligns are no wider than a
// terminal. A width of 0 leaves all as it is.
func Fit(rows [][]string, width int, cuts ...Cut) [][]string {
	if width <= 0 || len(rows) == 0 {
		return rows
	}
	widths := make([]int, len(rows[0]))
	out := make([][]string, len(rows))
	for i, row := range rows {
		out[i] = append([]string{}, row...)
		for j, cell := range row {
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
		}
	}
	total := 2 * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for _, c := range cuts {
		if total <= width || widths[c.Column] <= narrowest {
			continue
		}
		to := max(narrowest, widths[c.Column]-(total-width))
		total -= widths[c.Column] - to
		for _, row := range out {
			row[c.Column] = c.cell(row[c.Column], to)
		}
	}
	return out
}

// cell returns a text that is no longer than a number of characters.
func (c Cut) cell(text string, width int) string {
	runes := []rune(text)
	switch more := len(runes) - width; {
	case more <= 0:
		return text
	case c.Start:
		return "…" + string(runes[more+1:])
	default:
		return string(runes[:width-1]) + "…"
	}
}

// Wrap breaks a text between words into lines no wider than a terminal; the further ones are indented.
// A width of 0 leaves it as it is.
func Wrap(text string, width int, indent string) string {
	if width <= 0 || utf8.RuneCountInString(text) <= width {
		return text
	}
	var out strings.Builder
	body := strings.TrimLeft(text, " ")
	line := text[:len(text)-len(body)]
	used := utf8.RuneCountInString(line)
	out.WriteString(line)
	for i, word := range strings.Split(body, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > width:
			out.WriteString("\n" + indent)
			used = utf8.RuneCountInString(indent)
		default:
			out.WriteByte(' ')
			used++
		}
		out.WriteString(word)
		used += n
	}
	return out.String()
}
