package simulate

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// gap stands between two columns, and wideGap between two volumes.
const (
	gap     = "  "
	wideGap = "    "
)

// Table writes the curves side by side and a sentence on each below. A row is the first sample at or after each whole unit, and the
// last sample; columns are the time in units and then, for each volume, the files alive, the MiB that they use, how much of the
// volume that is (rounded down), and the files refused so far. Unit 0 is the one that suits the span, see UnitFor.
//
// It fails on curves that are not of one run, and when w does.
func Table(w io.Writer, curves []Curve, unit Unit) error {
	if err := checkCurves(curves); err != nil {
		return err
	}
	if unit < 0 {
		return fmt.Errorf(`unit "%v" is negative: give Day, Hour or Minute`, time.Duration(unit))
	}
	if unit == 0 {
		unit = UnitFor(spanOf(curves))
	}
	text := grid(curves, unit)
	text.WriteByte('\n')
	for _, c := range curves {
		text.WriteString(Sentence(c))
		text.WriteByte('\n')
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// Sentence says in a line what became of a volume.
func Sentence(c Curve) string {
	text := c.Volume.Label() + ": " + summary(c) + "; "
	if c.FirstENOSPC != Never {
		return text + fmt.Sprintf("%s of %s files refused", grouped(c.Refused), grouped(c.Created))
	}
	return text + fmt.Sprintf("peak %s files (%s MiB, %s of %s)", grouped(c.Peak), mebibytes(c.PeakBytes), percent(c.PeakBytes, c.Volume.Bytes), c.Volume.Size())
}

func grid(curves []Curve, unit Unit) *strings.Builder {
	times := []string{unit.String()}
	blocks := make([][][]string, len(curves))
	for i := range blocks {
		blocks[i] = [][]string{{"files", "MiB", "full", "refused"}}
	}
	for _, i := range rows(curves[0].Samples, unit) {
		times = append(times, strconv.FormatFloat(unit.count(curves[0].Samples[i].Time), 'f', decimals(curves[0].Samples[i].Time, unit), 64))
		for b, c := range curves {
			s := c.Samples[i]
			blocks[b] = append(blocks[b], []string{grouped(s.Files), mebibytes(s.Bytes), percent(s.Bytes, c.Volume.Bytes), grouped(s.Refused)})
		}
	}

	lines := append([]string{""}, alignRight(times)...)
	for b, c := range curves {
		cells := joined(blocks[b])
		label := c.Volume.Label()
		width := max(utf8.RuneCountInString(label), utf8.RuneCountInString(cells[0]))
		lines[0] = pad(lines[0], utf8.RuneCountInString(lines[1])) + wideGap + label
		for i, cell := range cells {
			lines[i+1] += wideGap + strings.Repeat(" ", width-utf8.RuneCountInString(cell)) + cell
		}
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(strings.TrimRight(l, " "))
		text.WriteByte('\n')
	}
	return &text
}

// rows returns the indexes of the samples that a table shows.
func rows(samples []Sample, unit Unit) []int {
	var out []int
	shown := int64(-1)
	for i, s := range samples {
		// A sample opens a unit when it is the first past that unit's start; one that lies exactly on the start is past it.
		whole := int64(s.Time / time.Duration(unit))
		opens := whole > shown
		if opens {
			shown = whole
		}
		if opens || i == len(samples)-1 {
			out = append(out, i)
		}
	}
	return out
}

// decimals returns 0 for a whole number of units, and otherwise two or as many as show the first two digits of what is beyond it: a
// row that is a moment behind a whole unit, or behind the start, is not told as that.
func decimals(d time.Duration, unit Unit) int {
	beyond := d % time.Duration(unit)
	if beyond == 0 {
		return 0
	}
	return max(2, 1-int(math.Floor(math.Log10(unit.count(beyond)))))
}

// joined aligns the columns of a block and makes a string of each row.
func joined(block [][]string) []string {
	out := make([]string, len(block))
	for column := range block[0] {
		cells := make([]string, len(block))
		for i, row := range block {
			cells[i] = row[column]
		}
		for i, cell := range alignRight(cells) {
			if column > 0 {
				out[i] += gap
			}
			out[i] += cell
		}
	}
	return out
}

func alignRight(cells []string) []string {
	width := 0
	for _, c := range cells {
		width = max(width, len(c))
	}
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = strings.Repeat(" ", width-len(c)) + c
	}
	return out
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
