//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Settings are the environment variables of the server.
type Settings struct {
	// Listen is LISTEN, an address such as ":9000", the default. Port 0 takes a free one.
	Listen string
	// Dir is TMPDIR, the folder of the files; /tmp if it is not set.
	Dir string
	// SessionBytes is SESSION_BYTES, the most that a session's file has: 1500 if it is not set. The file has as
	// many, or up to five fewer, since its content is base64 of base64.
	SessionBytes int
	// Retention is RETENTION, the age at which a sweep deletes a session. 0, if it is not set, is never.
	Retention time.Duration
	// SweepInterval is SWEEP_INTERVAL, the time between two sweeps: 5m if it is not set.
	SweepInterval time.Duration
	// TimeFactor is TIME_FACTOR: Retention and SweepInterval are divided by it. 1 if it is not set.
	TimeFactor float64
}

// What SESSION_BYTES and TIME_FACTOR may be, and how short a time may get when it is divided.
const (
	minSessionBytes = 256
	maxSessionBytes = 1 << 20
	maxTimeFactor   = 1_000_000
	minScaled       = 10 * time.Millisecond
)

// ReadSettings reads and checks the variables. The error has every mistake, each with its variable.
func ReadSettings(getenv func(string) string) (Settings, error) {
	s := Settings{Listen: ":9000", Dir: "/tmp", SessionBytes: 1500, SweepInterval: 5 * time.Minute, TimeFactor: 1}
	var errs []error
	wrong := func(name, remedy string) {
		errs = append(errs, fmt.Errorf("%s: %q %s", name, getenv(name), remedy))
	}
	duration := func(name string, to *time.Duration) {
		value := getenv(name)
		if value == "" {
			return
		}
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			wrong(name, "is not a time above 0: write one such as 168h or 5m")
			return
		}
		*to = d
	}

	if value := getenv("LISTEN"); value != "" {
		s.Listen = value
		_, port, err := net.SplitHostPort(value)
		if _, errPort := strconv.ParseUint(port, 10, 16); err != nil || errPort != nil {
			wrong("LISTEN", "is not an address with a port: write one such as :9000")
		}
	}
	if value := getenv("TMPDIR"); value != "" {
		s.Dir = value
	}
	if info, err := os.Stat(s.Dir); err != nil || !info.IsDir() {
		wrong("TMPDIR", "is not a folder that can be read: name one, such as /dev/shm/")
	}
	if value := getenv("SESSION_BYTES"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < minSessionBytes || n > maxSessionBytes {
			wrong("SESSION_BYTES", fmt.Sprintf("is not a size of a session: write a number from %d to %d", minSessionBytes, maxSessionBytes))
		}
		s.SessionBytes = n
	}
	duration("RETENTION", &s.Retention)
	duration("SWEEP_INTERVAL", &s.SweepInterval)
	if value := getenv("TIME_FACTOR"); value != "" {
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || !(f >= 1 && f <= maxTimeFactor) {
			wrong("TIME_FACTOR", fmt.Sprintf("is not a factor: write a number from 1 to %d", maxTimeFactor))
		} else {
			s.TimeFactor = f
		}
	}
	if s.Retention > 0 && (s.scaled(s.Retention) < minScaled || s.scaled(s.SweepInterval) < minScaled) {
		wrong("TIME_FACTOR", fmt.Sprintf("makes RETENTION %v and SWEEP_INTERVAL %v shorter than %v: write a smaller factor or longer times",
			s.scaled(s.Retention), s.scaled(s.SweepInterval), minScaled))
	}
	return s, errors.Join(errs...)
}

func (s Settings) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.TimeFactor)
}

// maxAge returns how many seconds a cookie is valid: like in the outpost one more than the retention, since 0 would
// delete the session. Without a retention it is 30 days, which is gorilla's default.
func (s Settings) maxAge() int {
	if s.Retention == 0 {
		return 30 * 24 * 60 * 60
	}
	return int(s.scaled(s.Retention).Seconds()) + 1
}
