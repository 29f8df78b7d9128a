package simulate

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
)

// CSV writes a header and a row for each sample: the seconds since the start, then for each volume the files alive, the bytes that
// they cost and the files refused so far. Numbers carry no separators and no units.
//
// It fails on curves that are not of one run, and when w does.
func CSV(w io.Writer, curves []Curve) error {
	if err := checkCurves(curves); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	row := []string{"seconds"}
	for _, c := range curves {
		label := c.Volume.Label()
		row = append(row, label+" files", label+" bytes", label+" refused")
	}
	// A csv.Writer keeps its first error, and Error gives it.
	_ = out.Write(row)
	for i, s := range curves[0].Samples {
		row = append(row[:0], strconv.FormatFloat(s.Time.Seconds(), 'f', -1, 64))
		for _, c := range curves {
			s := c.Samples[i]
			row = append(row, strconv.FormatInt(s.Files, 10), strconv.FormatInt(s.Bytes, 10), strconv.FormatInt(s.Refused, 10))
		}
		_ = out.Write(row)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the CSV: %w", err)
	}
	return nil
}
