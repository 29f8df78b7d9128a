package simulate

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

const day = 24 * time.Hour

const (
	// defaultArrivals keeps a run for which no span is given within a second.
	defaultArrivals = simulate.MaxArrivals / 5
	longestDefault  = 365 * day
	// pictureSteps are as many as a picture can show.
	pictureSteps = 1000
	// tableSteps are as many rows as are read at a glance.
	tableSteps = 40
)

// spanFor returns how long to play, and a note if that is less than the model calls for. What
// internal/simulate would reject is rejected here, by the flag's name.
func (o *options) spanFor(m simulate.Workload, size sizing.Size, volumes int) (span time.Duration, note string, err error) {
	switch {
	case o.model.Changed("span") && o.model.Changed("days"):
		return 0, "", fmt.Errorf("--span: %s cannot be combined with --days %s: leave one of them out", cli.Quote(o.span), cli.Quote(o.days))
	case o.model.Changed("span"):
		span, err := durationFlag("span", o.span, "336h")
		if err == nil && span > simulate.MaxSpan {
			err = fmt.Errorf("--span: %s is longer than 100 years: write a shorter one, such as 336h", cli.Quote(o.span))
		}
		if err != nil {
			return 0, "", err
		}
		return span, "", checkCost("span", o.span, m, span, volumes)
	case o.model.Changed("days"):
		days, err := strconv.ParseFloat(o.days, 64)
		if err != nil || !(days > 0 && days <= float64(simulate.MaxSpan/day)) {
			return 0, "", fmt.Errorf("--days: %s is not a number of days above 0 and up to 36500: write one such as 14 or 0.5", cli.Quote(o.days))
		}
		span := max(time.Duration(days*float64(day)), 1)
		return span, "", checkCost("days", o.days, m, span, volumes)
	default:
		span, note = defaultSpan(m, size, volumes)
		return span, note, nil
	}
}

// checkCost rejects a span with more arrivals than can be played.
func checkCost(flag, text string, m simulate.Workload, span time.Duration, volumes int) error {
	if m.Arrivals(span, volumes) <= simulate.MaxArrivals {
		return nil
	}
	return fmt.Errorf("--%s: %s is too long to play %s files a minute in batches of %d for %d volumes: write a shorter one", flag, cli.Quote(text), human.Decimal(m.CreatedPerMinute), m.Batch, volumes)
}

// defaultSpan returns twice as long as a file lives, so that the curves are seen to level off, or
// half as long again as the computed size lasts if nothing is deleted; in whole units of time. A
// span that would take long to play, or is longer than a year, is shortened, and the note says so.
func defaultSpan(m simulate.Workload, size sizing.Size, volumes int) (span time.Duration, note string) {
	called := longer(size.FullAfterOf(size.Limit), size.FullAfterOf(size.Limit)/2)
	because := "half as long again as the computed size lasts"
	if size.Bounded {
		called = longer(m.Retention, m.SweepInterval)
		called = longer(called, called)
		because = "twice as long as a file lives"
	}
	span = min(called, longestDefault)
	if span < called {
		note = "choose another span with --span or --days"
	}
	affordable := float64(time.Minute) * defaultArrivals / m.Arrivals(time.Minute, volumes)
	if affordable < float64(span) {
		span = time.Duration(affordable)
		note = fmt.Sprintf("more files would take long to play, and --span takes up to %d times as many", simulate.MaxArrivals/defaultArrivals)
	}
	span = max(span, time.Millisecond)
	if span >= time.Minute {
		span = span.Round(time.Duration(simulate.UnitFor(span)))
	}
	if note != "" {
		note = fmt.Sprintf("%s are played instead of %s, %s: %s", spanText(span), human.Duration(called), because, note)
	}
	return span, note
}

// longer returns the sum of two durations, or the longest that there is.
func longer(a, b time.Duration) time.Duration {
	if a > sizing.MaxFullAfter-b {
		return sizing.MaxFullAfter
	}
	return a + b
}

// spanText formats a time that may be less than a second.
func spanText(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond / 10).String()
	}
	return human.Duration(d)
}

// durationFlag reads a duration above 0.
func durationFlag(flag, text, example string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("--%s: %s is not a duration above 0: write one in h, m or s, such as %s", flag, cli.Quote(text), example)
	}
	return d, nil
}

// stepFor returns the time from one sample to the next.
func (o *options) stepFor(span time.Duration, format string) (time.Duration, error) {
	if o.model.Changed("step") {
		step, err := durationFlag("step", o.step, "1h")
		if err == nil && span/step > simulate.MaxSamples {
			err = fmt.Errorf("--step: %s makes more than %s rows: write a longer one, or a shorter --span", cli.Quote(o.step), human.Count(simulate.MaxSamples))
		}
		return step, err
	}
	if format == "svg" || format == "png" {
		return max(span/pictureSteps, 1), nil
	}
	return defaultStep(span), nil
}

// defaultStep returns the shortest step in which people count that gives no more rows
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

// unitFor returns the largest unit of time in which each step is a whole number, so
// that no step is left out of the table.
func unitFor(step time.Duration) simulate.Unit {
	for _, u := range []simulate.Unit{simulate.Day, simulate.Hour, simulate.Minute} {
		if step%time.Duration(u) == 0 {
			return u
		}
	}
	return simulate.Minute
}
