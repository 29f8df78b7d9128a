package simulate

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/shmkeeper/shmkeeper/internal/human"
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

// Sentence says in a line what happened to a volume.
func Sentence(c Curve) string {
	text := c.Volume.Label() + ": " + summary(c) + "; "
	if c.FirstENOSPC != Never {
		return text + fmt.Sprintf("%s of %s files refused", human.Count(c.Refused), human.Count(c.Created))
	}
	return text + fmt.Sprintf("peak %s files (%s MiB, %s of %s)", human.Count(c.Peak), human.MiB(c.PeakBytes), human.Percent(c.PeakBytes, c.Volume.Bytes), c.Volume.Size())
}

func grid(curves []Curve, unit Unit) *strings.Builder {
	times := [][]string{{unit.String()}}
	blocks := make([][][]string, len(curves))
	for i := range blocks {
		blocks[i] = [][]string{{"files", "MiB", "full", "refused"}}
	}
	for _, i := range rows(curves[0].Samples, unit) {
		at := curves[0].Samples[i].Time
		times = append(times, []string{strconv.FormatFloat(unit.count(at), 'f', decimals(at, unit), 64)})
		for b, c := range curves {
			s := c.Samples[i]
			blocks[b] = append(blocks[b], []string{human.Count(s.Files), human.MiB(s.Bytes), human.Percent(s.Bytes, c.Volume.Bytes), human.Count(s.Refused)})
		}
	}

	lines := append([]string{""}, columns(times)...)
	lines[0] = strings.Repeat(" ", len(lines[1]))
	for b, c := range curves {
		cells := columns(blocks[b])
		width := max(utf8.RuneCountInString(c.Volume.Label()), len(cells[0]))
		lines[0] += fmt.Sprintf("    %-*s", width, c.Volume.Label())
		for i, cell := range cells {
			lines[i+1] += fmt.Sprintf("    %*s", width, cell)
		}
	}
	var text strings.Builder
	for _, l := range lines {
		fmt.Fprintln(&text, strings.TrimRight(l, " "))
	}
	return &text
}

// columns returns a line for each row of ASCII cells, with columns aligned on the right.
func columns(rows [][]string) []string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	_ = w.Flush() // a strings.Builder takes everything
	lines := strings.Split(b.String(), "\n")[:len(rows)]
	for i, line := range lines {
		lines[i] = line[2:] // the space before the first column
	}
	return lines
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
// row just past a whole unit, or just past the start, is not shown as exactly that.
func decimals(d time.Duration, unit Unit) int {
	beyond := d % time.Duration(unit)
	if beyond == 0 {
		return 0
	}
	return max(2, 1-int(math.Floor(math.Log10(unit.count(beyond)))))
}
