package cli

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Column is one of a Table.
type Column struct {
	Name string
	// Wide reports whether only -o wide and csv have it.
	Wide bool
	// Right reports whether the cells end under one another, as figures do.
	Right bool
}

// Table is what a verb says about many things, one in each row. Every row has a cell for each column.
type Table struct {
	Columns []Column
	Rows    [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// minLast is the least number of columns of the terminal that the last column of a Table gets.
const minLast = 24

// Write writes the table in columns that are two spaces apart. The last one is cut, with an ellipsis,
// so that lines fit in so many columns of the terminal; with wide, and with a width of 0, nothing is.
func (t *Table) Write(w io.Writer, wide bool, width int) {
	columns, rows := t.shown(wide)
	last := len(columns) - 1
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = utf8.RuneCountInString(c.Name)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	room := 0
	if width > 0 && !wide {
		room = width
		for _, n := range widths[:last] {
			room -= n + 2
		}
		room = max(room, minLast)
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	for _, row := range append([][]string{names}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			cell = cmp.Or(cell, "-")
			if i == last {
				cell = cut(cell, room)
			}
			pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell)))
			if columns[i].Right {
				cell, pad = pad+cell, ""
			}
			line.WriteString(cell + pad + "  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// shown returns the columns to write, and the rows with their cells.
func (t *Table) shown(wide bool) ([]Column, [][]string) {
	if wide {
		return t.Columns, t.Rows
	}
	rows := make([][]string, len(t.Rows))
	for n, row := range t.Rows {
		for i, cell := range row {
			if !t.Columns[i].Wide {
				rows[n] = append(rows[n], cell)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return c.Wide }), rows
}

// cut returns a text of at most so many characters; all of it if that is 0.
func cut(text string, most int) string {
	if most == 0 || utf8.RuneCountInString(text) <= most {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:most-1]), " ") + "…"
}

// WriteCSV writes all columns as RFC 4180 has it, under a line of their names in lower case.
func (t *Table) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = strings.ToLower(c.Name)
	}
	err := out.Write(names)
	if err == nil {
		err = out.WriteAll(t.Rows)
	}
	if err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}
