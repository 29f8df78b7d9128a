package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every platform that Go knows.
const tick = 10 * time.Millisecond

// procStat is what is read of /proc/PID/stat.
type procStat struct {
	pid, parent int
	command     string // at most 15 bytes
	cpu         time.Duration
}

// parseStat reads the text of /proc/PID/stat, see proc_pid_stat(5).
func parseStat(text []byte) (procStat, error) {
	// The command is in parentheses and may contain anything.
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return procStat{}, fmt.Errorf("%q is not a line of /proc/PID/stat: run this on Linux", text)
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 13 {
		return procStat{}, fmt.Errorf("%q is not a line of /proc/PID/stat: run this on Linux", text)
	}
	s := procStat{command: string(text[open+1 : end])}
	var user, system int
	for _, field := range []struct {
		text string
		to   *int
	}{{string(bytes.TrimSpace(text[:open])), &s.pid}, {fields[1], &s.parent}, {fields[11], &user}, {fields[12], &system}} {
		n, err := strconv.Atoi(field.text)
		if err != nil {
			return procStat{}, fmt.Errorf("/proc/PID/stat: %w: run this on Linux", err)
		}
		*field.to = n
	}
	s.cpu = time.Duration(user+system) * tick
	return s, nil
}

func readStat(pid int) (procStat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, fmt.Errorf("the processor time of a process: %w", err)
	}
	return parseStat(text)
}

// cpuTime returns the processor time that a process has used, its children's not included. It is
// exact to 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	return s.cpu, err
}

// residentMiB returns the resident memory of a process.
func residentMiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("the memory of a process: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("%q is not a line of /proc/PID/statm: run this on Linux", text)
	}
	pages, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/statm: %w: run this on Linux", err)
	}
	return float64(pages) * float64(os.Getpagesize()) / (1 << 20), nil
}

// busy returns which share of the time of all processors is used meanwhile.
func busy(ctx context.Context, meanwhile time.Duration) (float64, error) {
	idle, all, err := processorTime()
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(meanwhile):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	idleAfter, allAfter, err := processorTime()
	return 1 - (idleAfter-idle)/(allAfter-all), err
}

// processorTime returns what all processors have spent, in total and idle, see proc_stat(5).
func processorTime() (idle, all float64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("the time of the processors: %w: run this on Linux", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(strings.TrimPrefix(line, "cpu")) {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/stat: %w: run this on Linux", err)
		}
		if i == 3 || i == 4 { // idle, and waiting for a disk
			idle += ticks
		}
		if i < 8 { // guests are in the others
			all += ticks
		}
	}
	return idle, all, nil
}

// child returns the ID of the child of this process that runs a program.
func child(program string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if s, err := parseStat(text); err == nil && s.parent == os.Getpid() && s.command == program {
			return s.pid, nil
		}
	}
	return 0, fmt.Errorf("no child of this process runs %s: run this on Linux", program)
}
