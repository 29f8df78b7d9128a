package simulate

import "time"

// expiry says when files go. It counts in ticks: nanoseconds if each file goes on its own, sweeps if they go together.
type expiry struct {
	ever             bool
	retention, sweep int64 // nanoseconds
}

// due returns the tick that deletes a file created at the given moment: the first sweep that finds it OLDER than the retention.
func (e expiry) due(created int64) int64 {
	if e.sweep == 0 {
		return created + e.retention
	}
	return (created+e.retention)/e.sweep + 1
}

// passed returns the last tick before the given moment.
func (e expiry) passed(now int64) int64 {
	if e.sweep == 0 {
		return now - 1
	}
	return (now - 1) / e.sweep
}

// cohort represents the files that go at the same tick.
type cohort struct{ due, files int64 }

// fill represents the state of one volume.
type fill struct {
	curve        Curve
	files        int64
	bytesPerFile int64
	expiry       expiry
	// alive is a queue: files are created in order of time and due in the same order. Taking from the front and letting append
	// reallocate what is left keeps it no longer than a small multiple of the cohorts alive.
	alive []cohort
}

func newFill(m Workload, v Volume, o Options) fill {
	return fill{
		curve: Curve{
			Volume:      v,
			Capacity:    v.Bytes / m.BytesPerFile,
			Samples:     make([]Sample, 0, o.Span/o.Step+2),
			FirstENOSPC: Never,
		},
		bytesPerFile: m.BytesPerFile,
		expiry: expiry{
			// A retention that no file of the run outlives is left out.
			ever:      m.Retention > 0 && m.Retention < o.Span,
			retention: int64(m.Retention),
			sweep:     int64(m.SweepInterval),
		},
	}
}

// pass deletes what was due before now. Sweeps need no turn of their own: between two looks at the volume nothing is created, so
// the last sweep before now deletes what all of them would have.
func (f *fill) pass(now int64) {
	if !f.expiry.ever {
		return
	}
	passed := f.expiry.passed(now)
	for len(f.alive) > 0 && f.alive[0].due <= passed {
		f.files -= f.alive[0].files
		f.curve.Deleted += f.alive[0].files
		f.alive = f.alive[1:]
	}
}

// arrive creates files one by one until no more fit, and refuses the others.
func (f *fill) arrive(now, batch int64) {
	f.pass(now)
	accepted := min(batch, f.curve.Capacity-f.files)
	f.curve.Created += batch
	if refused := batch - accepted; refused > 0 {
		if f.curve.FirstENOSPC == Never {
			f.curve.FirstENOSPC = time.Duration(now)
		}
		f.curve.Refused += refused
	}
	if accepted == 0 {
		return
	}
	f.files += accepted
	f.curve.Peak = max(f.curve.Peak, f.files)
	f.curve.PeakBytes = f.curve.Peak * f.bytesPerFile
	if f.expiry.ever {
		f.keep(f.expiry.due(now), accepted)
	}
}

func (f *fill) keep(due, files int64) {
	if last := len(f.alive) - 1; last >= 0 && f.alive[last].due == due {
		f.alive[last].files += files
		return
	}
	f.alive = append(f.alive, cohort{due, files})
}

func (f *fill) sample(now int64) {
	f.pass(now)
	f.curve.Samples = append(f.curve.Samples, Sample{
		Time:    time.Duration(now),
		Files:   f.files,
		Bytes:   f.files * f.bytesPerFile,
		Refused: f.curve.Refused,
	})
}
