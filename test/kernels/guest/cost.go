//go:build linux

package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// flushing is how much memory a writer uses and frees before statistics are read: the kernel adds
// up what each processor holds once enough has changed.
const flushing = 8 << 20

// measureCosts has a writer create the files of each case, in one volume, and reports what its
// cgroup is charged for them.
func measureCosts(cases []report.CostCase, result func(report.Cost) error) (err error) {
	if err := mountVolume(1<<40, "nr_inodes=4m"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmountVolume()) }()
	group, err := newCgroup("cost", 0)
	if err != nil {
		return err
	}
	w, err := startWriter(group)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.end(), group.remove()) }()
	// Whatever it needs the first time it has then.
	if _, err := w.write(order{Prefix: "0", Touch: flushing, Files: report.Files{Count: 100, Size: page, NameLength: 60}}); err != nil {
		return err
	}
	for i, c := range cases {
		before, err := settled(w, group)
		if err != nil {
			return err
		}
		a, err := w.write(order{Prefix: string(rune('A' + i)), Files: c.Files})
		if err != nil {
			return err
		}
		if a.Files != c.Files.Count {
			return fmt.Errorf("%+v: only %d could be written: %w", c.Files, a.Files, syscall.Errno(a.Errno))
		}
		after, err := settled(w, group)
		if err != nil {
			return err
		}
		if err := result(report.Cost{
			Files: c.Files, Pages: after.pages - before.pages, Kernel: after.kernel - before.kernel, Slack: after.slack,
		}); err != nil {
			return err
		}
	}
	return nil
}

// The least time between two readings, and the most readings.
const (
	readingEvery = 50 * time.Millisecond
	mostReadings = 100
)

// settled returns what the writer's cgroup is charged once the kernel has added it up and has freed what nobody uses any more:
// an open file is freed some time after it was closed, and a machine that is short of processor time takes longer. So it
// reads until three readings in a row agree.
func settled(w *writer, group cgroup) (memory, error) {
	return steady(func() (memory, error) {
		if _, err := w.write(order{Touch: flushing}); err != nil {
			return memory{}, err
		}
		return group.memory()
	}, func() { time.Sleep(readingEvery) })
}

// steady reads until three readings in a row agree, as far as a reading can be exact, and waits between them. It returns the last one.
func steady(read func() (memory, error), wait func()) (last memory, err error) {
	for n, same := 0, 0; n < mostReadings && same < 2; n++ {
		if n > 0 {
			wait()
		}
		now, err := read()
		if err != nil {
			return memory{}, err
		}
		same++
		if n == 0 || now.pages != last.pages || max(now.kernel-last.kernel, last.kernel-now.kernel) > now.slack {
			same = 0
		}
		last = now
	}
	return last, nil
}

// measureFit fills a volume, without a limit of memory.
func measureFit(c report.FitCase) (fit report.Fit, err error) {
	if err := mountVolume(c.Volume); err != nil {
		return fit, err
	}
	defer func() { err = errors.Join(err, unmountVolume()) }()
	group, err := newCgroup("fit", 0)
	if err != nil {
		return fit, err
	}
	w, err := startWriter(group)
	if err != nil {
		return fit, err
	}
	defer func() { err = errors.Join(err, w.end(), group.remove()) }()
	fit = report.Fit{Case: c}
	if fit.Capacity, _, err = volumeStatistics(); err != nil {
		return fit, err
	}
	full, err := w.write(order{Prefix: "f", Files: c.Files})
	if err != nil {
		return fit, err
	}
	fit.Files, fit.Errno = full.Files, full.Errno
	empty, err := w.write(order{Prefix: "e", Files: report.Files{Count: c.Empty, NameLength: c.Files.NameLength}})
	fit.Empty = empty.Files
	return fit, err
}
