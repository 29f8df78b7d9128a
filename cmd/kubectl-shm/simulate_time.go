package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/policy"
)

const day = 24 * time.Hour

const (
	longestSpan = 100 * 365 * day
	// mostArrivals is what internal/simulate plays at most. It is looked at here so
	// that the error names the flag.
	mostArrivals = 20_000_000
	// defaultArrivals keeps a run for which no span is given within a second.
	defaultArrivals = 4_000_000
	longestDefault  = 365 * day
	mostSteps       = 100_000
	// pictureSteps are as many as a picture can show.
	pictureSteps = 1000
	// tableSteps are as many rows as are read at a glance.
	tableSteps = 40
)

// spanFor is how long to play.
func (o *simulateOptions) spanFor(m simulate.Model, size policy.Size, volumes int) (time.Duration, error) {
	switch {
	case o.changed("span") && o.changed("days"):
		return 0, fmt.Errorf("--span: %s cannot be combined with --days %s: leave one of them out", shown(o.span), shown(o.days))
	case o.changed("span"):
		span, err := durationFlag("span", o.span, "336h")
		if err == nil && span > longestSpan {
			err = fmt.Errorf("--span: %s is longer than 100 years: write a shorter one, such as 336h", shown(o.span))
		}
		if err != nil {
			return 0, err
		}
		return span, checkCost("span", o.span, m, span, volumes)
	case o.changed("days"):
		days, err := strconv.ParseFloat(o.days, 64)
		if err != nil || !(days > 0 && days <= float64(longestSpan/day)) {
			return 0, fmt.Errorf("--days: %s is not a number of days above 0 and up to 36500: write one such as 14 or 0.5", shown(o.days))
		}
		span := max(time.Duration(days*float64(day)), 1)
		return span, checkCost("days", o.days, m, span, volumes)
	default:
		return defaultSpan(m, size, volumes), nil
	}
}

// checkCost refuses a span with more arrivals than can be played.
func checkCost(flag, text string, m simulate.Model, span time.Duration, volumes int) error {
	if m.CreatedPerMinute/float64(m.Batch)*span.Minutes()*float64(volumes) <= mostArrivals {
		return nil
	}
	return fmt.Errorf("--%s: %s is too long to play %s files a minute in batches of %d for %d volumes: write a shorter one", flag, shown(text), decimal(m.CreatedPerMinute), m.Batch, volumes)
}

// defaultSpan is twice as long as a file lives, so that the curves are seen to
// level off, or half as long again as the computed size lasts where nothing is
// deleted; in whole units of time, and not so long that it takes its time.
func defaultSpan(m simulate.Model, size policy.Size, volumes int) time.Duration {
	// Each term is cut before it is multiplied, so that nothing overflows.
	span := min(size.FullAfterOf(size.Limit), longestDefault) * 3 / 2
	if size.Bounded {
		span = 2 * (min(m.Retention, longestDefault) + min(m.SweepInterval, longestDefault))
	}
	affordable := defaultArrivals * float64(m.Batch) / m.CreatedPerMinute / float64(volumes) * float64(time.Minute)
	if affordable < float64(longestDefault) {
		span = min(span, time.Duration(affordable))
	}
	span = min(span, longestDefault)
	if span < time.Minute {
		return max(span, time.Millisecond)
	}
	return span.Round(time.Duration(simulate.UnitFor(span)))
}

// durationFlag reads a duration above 0.
func durationFlag(flag, text, example string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("--%s: %s is not a duration above 0: write one in h, m or s, such as %s", flag, shown(text), example)
	}
	return d, nil
}

// stepFor is the time from one sample to the next.
func (o *simulateOptions) stepFor(span time.Duration, format string) (time.Duration, error) {
	if o.changed("step") {
		step, err := durationFlag("step", o.step, "1h")
		if err == nil && span/step > mostSteps {
			err = fmt.Errorf("--step: %s makes more than %s rows: write a longer one, or a shorter --span", shown(o.step), grouped(mostSteps))
		}
		return step, err
	}
	if format == "svg" || format == "png" {
		return max(span/pictureSteps, 1), nil
	}
	return defaultStep(span), nil
}

// defaultStep is the shortest step in which people count that gives no more rows
// than are read at a glance; for a week and more at least a day.
func defaultStep(span time.Duration) time.Duration {
	steps := []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 7 * day, 28 * day}
	if span >= 7*day {
		steps = steps[8:]
	}
	for _, step := range steps {
		if span/step <= tableSteps {
			return step
		}
	}
	return steps[len(steps)-1]
}

// unitFor is the largest unit of time in which each step is a whole number, so
// that no step is left out of the table.
func unitFor(step time.Duration) simulate.Unit {
	for _, u := range []simulate.Unit{simulate.Day, simulate.Hour, simulate.Minute} {
		if step%time.Duration(u) == 0 {
			return u
		}
	}
	return simulate.Minute
}
