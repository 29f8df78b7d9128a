//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

// env returns a getenv of fixed values.
func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestSettings_Defaults(t *testing.T) {
	got, err := ReadSettings(env(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{Listen: ":9000", Dir: "/tmp", SessionBytes: 1500, SweepInterval: 5 * time.Minute, TimeFactor: 1}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := got.maxAge(), 30*24*3600; got != want {
		t.Errorf("without a retention a cookie is valid for %d s, want %d", got, want)
	}
}

func TestSettings_TimesAreDividedByTheFactor(t *testing.T) {
	s, err := ReadSettings(env(map[string]string{
		"LISTEN": "127.0.0.1:0", "TMPDIR": t.TempDir(), "SESSION_BYTES": "4096",
		"RETENTION": "168h", "SWEEP_INTERVAL": "5m", "TIME_FACTOR": "2016",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.scaled(s.Retention), 5*time.Minute; got != want {
		t.Errorf("retention is %v, want %v", got, want)
	}
	if got, want := s.scaled(s.SweepInterval).Round(time.Microsecond), 148810*time.Microsecond; got != want {
		t.Errorf("sweep interval is %v, want %v", got, want)
	}
	if got, want := s.maxAge(), 301; got != want {
		t.Errorf("a cookie is valid for %d s, want one more than the retention, %d", got, want)
	}
}

func TestSettings_Invalid(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want []string // one message a line
	}{
		"an address without a port": {
			env:  map[string]string{"LISTEN": "localhost"},
			want: []string{`LISTEN: "localhost" is not an address with a port: write one such as :9000`},
		},
		"a port that is too large": {
			env:  map[string]string{"LISTEN": ":90000"},
			want: []string{`LISTEN: ":90000" is not an address with a port: write one such as :9000`},
		},
		"a folder that is not there": {
			env:  map[string]string{"TMPDIR": "/nonexistent"},
			want: []string{`TMPDIR: "/nonexistent" is not a folder that can be read: name one, such as /dev/shm/`},
		},
		"a session that is too small, and a time without a unit": {
			env: map[string]string{"SESSION_BYTES": "255", "RETENTION": "168"},
			want: []string{
				`SESSION_BYTES: "255" is not a size of a session: write a number from 256 to 1048576`,
				`RETENTION: "168" is not a time above 0: write one such as 168h or 5m`,
			},
		},
		"times that are 0": {
			env: map[string]string{"RETENTION": "0", "SWEEP_INTERVAL": "0s"},
			want: []string{
				`RETENTION: "0" is not a time above 0: write one such as 168h or 5m`,
				`SWEEP_INTERVAL: "0s" is not a time above 0: write one such as 168h or 5m`,
			},
		},
		"a factor that is not a number": {
			env:  map[string]string{"TIME_FACTOR": "NaN"},
			want: []string{`TIME_FACTOR: "NaN" is not a factor: write a number from 1 to 1000000`},
		},
		"a factor that leaves no time": {
			env:  map[string]string{"TIME_FACTOR": "100000", "RETENTION": "1h", "SWEEP_INTERVAL": "5m"},
			want: []string{`TIME_FACTOR: "100000" makes RETENTION 36ms and SWEEP_INTERVAL 3ms shorter than 10ms: write a smaller factor or longer times`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSettings(env(test.env))
			if err == nil || err.Error() != strings.Join(test.want, "\n") {
				t.Errorf("got %v, want\n%s", err, strings.Join(test.want, "\n"))
			}
		})
	}
}

// A session's file has as many bytes as asked for, or less by what base64 of base64 cannot tell apart; never more,
// since one more than 4096 is a page more.
func TestSessions_SizeOfAFile(t *testing.T) {
	exact := map[int]bool{1500: true, 3000: true}
	for _, limit := range []int{minSessionBytes, 1000, 1499, 1500, 1501, 3000, 4095, 4096, 10_000} {
		s, err := newSessionStore(Settings{Dir: t.TempDir(), SessionBytes: limit, TimeFactor: 1})
		if err != nil {
			t.Fatal(err)
		}
		if s.bytes > limit || s.bytes < limit-8 || exact[limit] && s.bytes != limit {
			t.Errorf("asked for %d bytes, got %d", limit, s.bytes)
		}
	}
	if _, err := newSessionStore(Settings{Dir: t.TempDir(), SessionBytes: 64, TimeFactor: 1}); err == nil ||
		err.Error() != "a session does not fit in 64 bytes: allow more" {
		t.Errorf("got %v", err)
	}
}
