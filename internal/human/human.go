// Package human formats values for people.
package human

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// Count returns a whole number with a comma between groups of three digits.
func Count(n int64) string { return humanize.Comma(n) }

// Decimal returns a number with as many decimals as it has, at most three, and with commas.
func Decimal(f float64) string { return humanize.Commaf(math.Round(f*1000) / 1000) }

// MiB returns a number of bytes in MiB, with one decimal and with commas, without the unit.
func MiB(bytes int64) string {
	whole, decimal, _ := strings.Cut(strconv.FormatFloat(float64(bytes)/(1<<20), 'f', 1, 64), ".")
	n, _ := strconv.ParseInt(whole, 10, 64) // int64 / 2^20 fits
	return Count(n) + "." + decimal
}

// Percent returns a part as a percentage of the whole, rounded down: what is not full is never
// called 100 %.
func Percent(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", math.Floor(float64(part)/float64(whole)*100))
}

// Plural returns a number of things, of which one is given.
func Plural(n int, one string) string { return fmt.Sprintf("%d %s", n, english.PluralWord(n, one, "")) }

// Quote quotes a value for a message, and cuts one that is longer than so many bytes.
func Quote(s string, longest int) string {
	if len(s) <= longest {
		return strconv.Quote(s)
	}
	for longest > 0 && !utf8.RuneStart(s[longest]) {
		longest--
	}
	return strconv.Quote(s[:longest]) + "..."
}

// Duration returns a length of time in the two largest units that it has, rounded down: "15 h 10
// min", "5 d 2 h".
func Duration(d time.Duration) string {
	if d == math.MaxInt64 {
		return "more than 292 years"
	}
	units := [...]struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.length, u.name)
		if i+1 < len(units) {
			if n := d % u.length / units[i+1].length; n > 0 {
				text += fmt.Sprintf(" %d %s", n, units[i+1].name)
			}
		}
		return text
	}
	return "less than a second"
}
