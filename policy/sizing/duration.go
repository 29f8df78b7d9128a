package sizing

import (
	"strconv"
	"time"
)

// FormatDuration returns a length of time in the two largest units that it has, for messages,
// rounded down: "15 h 10 min", "5 d 2 h".
func FormatDuration(d time.Duration) string {
	if d >= MaxFullAfter {
		return "more than 292 years"
	}
	const day = 24 * time.Hour
	units := [...]struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		text := strconv.FormatInt(int64(d/u.length), 10) + " " + u.name
		if i+1 < len(units) {
			if n := d % u.length / units[i+1].length; n > 0 {
				text += " " + strconv.FormatInt(int64(n), 10) + " " + units[i+1].name
			}
		}
		return text
	}
	return "less than a second"
}
