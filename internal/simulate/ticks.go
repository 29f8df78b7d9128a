package simulate

import (
	"strconv"

	"gonum.org/v1/plot"
)

// Steps from one tick to the next that people count in, smallest first. Beyond the last the step doubles.
var (
	minuteSteps   = []float64{1, 2, 5, 10, 15, 30, 60}
	hourSteps     = []float64{1, 2, 3, 6, 12, 24}
	daySteps      = []float64{1, 2, 7, 14, 28, 91, 182, 365}
	mebibyteSteps = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
)

const (
	maxTimeTicks = 15
	maxSizeTicks = 9
)

func timeTicks(unit Unit) plot.Ticker {
	switch unit {
	case Day:
		return ticker(daySteps, maxTimeTicks)
	case Hour:
		return ticker(hourSteps, maxTimeTicks)
	}
	return ticker(minuteSteps, maxTimeTicks)
}

// ticker labels the whole multiples of the smallest step that gives no more ticks than asked for. An axis too short for two steps
// gets the library's own ticks, which know fractions.
func ticker(steps []float64, atMost float64) plot.Ticker {
	return plot.TickerFunc(func(low, high float64) []plot.Tick {
		step := steps[0]
		if high-low < 2*step {
			return plot.DefaultTicks{}.Ticks(low, high)
		}
		for i := 1; (high-low)/step > atMost; i++ {
			step *= 2
			if i < len(steps) {
				step = steps[i]
			}
		}
		var ticks []plot.Tick
		for n := 0.0; n*step <= high; n++ {
			ticks = append(ticks, plot.Tick{Value: n * step, Label: strconv.FormatFloat(n*step, 'f', -1, 64)})
		}
		return ticks
	})
}
