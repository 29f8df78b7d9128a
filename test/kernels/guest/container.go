//go:build linux

package main

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"syscall"
	"time"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// measureFill has a container fill its volume. A second process of it does nothing.
func measureFill(c report.FillCase) (fill report.Fill, err error) {
	if err := mountVolume(c.Volume); err != nil {
		return fill, err
	}
	defer func() { err = errors.Join(err, unmountVolume()) }()
	group, err := newCgroup("fill", c.Limit)
	if err != nil {
		return fill, err
	}
	defer func() { err = errors.Join(err, group.remove()) }()
	if c.Group {
		if err := group.set("memory.oom.group", "1"); err != nil {
			return fill, err
		}
	}
	w, err := startWriter(group)
	if err != nil {
		return fill, err
	}
	other, err := startWriter(group)
	if err != nil {
		return fill, errors.Join(err, w.end())
	}
	fill = report.Fill{Case: c}
	before, err := settled(w, group)
	if err != nil {
		return fill, err
	}
	a, err := w.write(order{Prefix: "f", Files: c.Files})
	fill.Killed, fill.Errno = errors.Is(err, errKilled), a.Errno
	if err != nil && !fill.Killed {
		return fill, err
	}
	if fill.Charged, err = group.charged(); err != nil {
		return fill, err
	}
	if _, fill.Used, err = volumeStatistics(); err != nil {
		return fill, err
	}
	if !fill.Killed {
		after, err := settled(w, group)
		if err != nil {
			return fill, err
		}
		fill.Pages, fill.Kernel, fill.Slack = after.pages-before.pages, after.kernel-before.kernel, after.slack
	}
	// A process that was killed with the writer may still be on its way out.
	_, err = other.write(order{})
	fill.OtherKilled = errors.Is(err, errKilled)
	if err != nil && !fill.OtherKilled {
		return fill, err
	}
	return fill, errors.Join(endUnless(fill.Killed, w), endUnless(fill.OtherKilled, other))
}

func endUnless(killed bool, w *writer) error {
	if killed {
		return nil
	}
	return w.end()
}

// measureRestarts has containers of one Pod fill one volume, each after the one before has ended.
func measureRestarts(c report.RestartCase) (restart report.Restart, err error) {
	if err := mountVolume(c.Volume); err != nil {
		return restart, err
	}
	defer func() { err = errors.Join(err, unmountVolume()) }()
	pod, err := newCgroup("pod", c.PodLimit)
	if err != nil {
		return restart, err
	}
	defer func() { err = errors.Join(err, pod.remove()) }()
	if err := pod.set("cgroup.subtree_control", "+memory"); err != nil {
		return restart, err
	}
	restart.Case = c
	for i := range c.Containers {
		run, err := runContainer(c, i)
		if err != nil {
			return restart, fmt.Errorf("container %d: %w", i+1, err)
		}
		if run.Pod, err = pod.charged(); err != nil {
			return restart, err
		}
		restart.Runs = append(restart.Runs, run)
	}
	return restart, nil
}

// runContainer runs the i-th container of a Pod until it has ended.
func runContainer(c report.RestartCase, i int) (run report.Run, err error) {
	before, err := volumeFiles()
	if err != nil {
		return run, err
	}
	group, err := newCgroup(path.Join("pod", "container"), c.Limit)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, group.remove()) }()
	if err := group.set("memory.oom.group", "1"); err != nil {
		return run, err
	}
	w, err := startWriter(group)
	if err != nil {
		return run, err
	}
	a, err := w.write(order{Prefix: string(rune('A' + i)), Files: c.Files})
	run.Killed, run.Errno = errors.Is(err, errKilled), a.Errno
	if err != nil && !run.Killed {
		return run, err
	}
	after, err := volumeFiles()
	run.Files = after - before
	return run, errors.Join(err, endUnless(run.Killed, w))
}

// measureStall has a container fill its volume beyond memory.high.
func measureStall(c report.StallCase) (stall report.Stall, err error) {
	if err := mountVolume(c.Volume); err != nil {
		return stall, err
	}
	defer func() { err = errors.Join(err, unmountVolume()) }()
	group, err := newCgroup("stall", c.Limit)
	if err != nil {
		return stall, err
	}
	defer func() { err = errors.Join(err, group.remove()) }()
	if err := group.set("memory.high", strconv.FormatInt(c.High, 10)); err != nil {
		return stall, err
	}
	w, err := startWriter(group)
	if err != nil {
		return stall, err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = w.write(order{Prefix: "s", Files: c.Files}) // that it has ended is what counts
		close(ended)
	}()
	stall, err = watchStall(c, group)
	select {
	case <-ended: // full, or killed
		stall.Ended = true
		_ = w.stdin.Close()
	default:
		_ = syscall.Kill(w.process.Process.Pid, syscall.SIGKILL)
		<-ended
	}
	return stall, err
}

// watchStall counts the files of a writer until memory.high is exceeded, and for some time after.
func watchStall(c report.StallCase, group cgroup) (report.Stall, error) {
	stall := report.Stall{Case: c}
	start, deadline := time.Now(), time.Now().Add(2*time.Minute)
	for stall.Throttled == 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
		events, err := group.counters("memory.events")
		if err != nil {
			return stall, err
		}
		stall.Throttled = events["high"]
	}
	before, err := volumeFiles()
	if err != nil {
		return stall, err
	}
	stall.Before = float64(before) / time.Since(start).Seconds()
	// The first charges above are let through; each is more expensive than the one before.
	time.Sleep(3 * time.Second)
	first, err := volumeFiles()
	if err != nil {
		return stall, err
	}
	time.Sleep(time.Duration(c.Seconds) * time.Second)
	last, err := volumeFiles()
	if err != nil {
		return stall, err
	}
	stall.After, stall.Files = float64(last-first)/float64(c.Seconds), last
	events, err := group.counters("memory.events")
	stall.Throttled = events["high"]
	return stall, err
}
