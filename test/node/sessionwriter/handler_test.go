//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newServer(t *testing.T, log io.Writer) *server {
	t.Helper()
	store := newStore(t)
	logger := slog.New(slog.NewTextHandler(log, nil))
	return &server{
		store: store, files: &fileMaker{dir: store.dir}, log: logger,
		sweeper: &sweeper{store: store, retention: time.Hour, interval: time.Minute, log: logger},
	}
}

// ask sends a request and returns the status and the body.
func ask(s *server, method, target string) (status int, body string) {
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Code, w.Body.String()
}

func volumeOf(t *testing.T, s *server) Volume {
	t.Helper()
	status, body := ask(s, http.MethodGet, "/volume")
	var v Volume
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, body, err)
	}
	return v
}

func TestHandler_EveryPathIsASession(t *testing.T) {
	s := newServer(t, io.Discard)
	for _, path := range []string{"/", "/outpost.goauthentik.io/auth/nginx", "/volume/x"} {
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusFound || w.Header().Get("Location") != "/healthz" {
			t.Errorf("%s: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
	if status, body := ask(s, http.MethodGet, "/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz: %d %q", status, body)
	}
	if got := s.store.files.Load(); got != 3 {
		t.Errorf("%d files, want one of each path", got)
	}
}

func TestHandler_RefusedSessions(t *testing.T) {
	var log strings.Builder
	s := newServer(t, &log)
	if err := os.Remove(s.store.dir); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if status, body := ask(s, http.MethodGet, "/"); status != http.StatusBadRequest || body != "session not saved\n" {
			t.Errorf("%d %q", status, body)
		}
	}
	if err := os.Mkdir(s.store.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if status, _ := ask(s, http.MethodGet, "/"); status != http.StatusFound {
			t.Errorf("%d", status)
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "session not saved") ||
		!strings.Contains(got, "sessions can be saved again") {
		t.Errorf("logged\n%s", got)
	}
}

func TestHandler_Volume(t *testing.T) {
	s := newServer(t, io.Discard)
	for range 3 {
		ask(s, http.MethodGet, "/")
	}
	s.sweeper.once()
	s.sweeper.retention = -time.Minute
	s.sweeper.once()
	ask(s, http.MethodGet, "/")

	v := volumeOf(t, s)
	if v.Type == "" || v.SizeBytes <= 0 || v.UsedBytes < 0 || v.UsedBytes > v.SizeBytes || v.LongestSweepMillis < 1 || v.LongestCycleMillis < v.LongestSweepMillis {
		t.Errorf("got %+v", v)
	}
	want := v
	want.Path, want.SessionBytes = s.store.dir, 1500
	want.Files, want.Saved, want.Refused, want.Swept, want.Sweeps = 1, 4, 0, 3, 2
	if v != want {
		t.Errorf("got %+v, want %+v", v, want)
	}
	if err := os.RemoveAll(s.store.dir); err != nil {
		t.Fatal(err)
	}
	if status, body := ask(s, http.MethodGet, "/volume"); status != http.StatusInternalServerError ||
		body != "statfs "+s.store.dir+": no such file or directory\n" {
		t.Errorf("%d %q", status, body)
	}
}

func TestHandler_Files(t *testing.T) {
	s := newServer(t, io.Discard)
	for _, step := range []struct{ method, target, want string }{
		{http.MethodPost, "/files?count=2&size=5000&name=short&prefix=a", `{"created":2}`},
		{http.MethodPost, "/files?count=3&prefix=session_", `{"created":3}`},
		{http.MethodPost, "/files", `{"created":1}`},
		{http.MethodDelete, "/files?prefix=session_", `{"deleted":3}`},
	} {
		if status, body := ask(s, step.method, step.target); status != http.StatusOK || body != step.want+"\n" {
			t.Errorf("%s %s: %d %s", step.method, step.target, status, body)
		}
		if want := int64(strings.Count(strings.Join(namesIn(t, s.store.dir), " "), "session_")); s.store.files.Load() != want {
			t.Errorf("after %s %s %d sessions are counted, and %d are there", step.method, step.target, s.store.files.Load(), want)
		}
	}
	want := "a00000000000 a00000000001 file" + strings.Repeat("0", longName-5) + "5"
	if got := strings.Join(namesIn(t, s.store.dir), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	info, err := os.Stat(s.store.dir + "/a00000000001")
	if err != nil || info.Size() != 5000 {
		t.Errorf("got %d bytes, want 5000; %v", info.Size(), err)
	}
}

func TestHandler_FilesThatCannotBeCreated(t *testing.T) {
	s := newServer(t, io.Discard)
	if err := os.Remove(s.store.dir); err != nil {
		t.Fatal(err)
	}
	want := Created{Error: "open " + s.store.dir + "/a00000000000: no such file or directory"}
	status, body := ask(s, http.MethodPost, "/files?count=2&name=short&prefix=a")
	var got Created
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || got != want {
		t.Errorf("%d %s %v", status, body, err)
	}
}

func TestHandler_InvalidParameters(t *testing.T) {
	s := newServer(t, io.Discard)
	for name, test := range map[string]struct{ method, query, want string }{
		"no number": {
			http.MethodPost, "count=x", `count: "x" is not a number: write one in digits`,
		},
		"too many, and too large": {
			http.MethodPost, "count=1000001&size=4294967297",
			`count: "1000001" is not a number of files: write one from 1 to 1000000` + "\n" +
				`size: "4294967297" is not a size of a file: write the bytes, from 0 to 4294967296`,
		},
		"a name of no known length": {
			http.MethodPost, "name=tall", `name: "tall" is not a length of a name: write short or long`,
		},
		"a prefix with a folder": {
			http.MethodPost, "prefix=../x", `prefix: "../x" is not a beginning of a name: write 1 to 40 of a-z, 0-9, _ and -`,
		},
		"a prefix that is too long for short names": {
			http.MethodPost, "prefix=abcdef&name=short",
			`prefix: "abcdef" is not a beginning of a name: write 1 to 5 of a-z, 0-9, _ and -`,
		},
		"a parameter that is not known": {
			http.MethodPost, "bytes=5", `"bytes" is not a parameter: write count, size, name, prefix`,
		},
		"deleting everything": {
			http.MethodDelete, "", `prefix: "" is not a beginning of a name: write 1 to 40 of a-z, 0-9, _ and -`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := ask(s, test.method, "/files?"+test.query); status != http.StatusBadRequest || body != test.want+"\n" {
				t.Errorf("%d %s, want %s", status, body, test.want)
			}
		})
	}
	if left := namesIn(t, s.store.dir); len(left) != 0 {
		t.Errorf("wrong parameters created %q", left)
	}
}

func TestSweeper_SweepsAtItsInterval(t *testing.T) {
	for name, test := range map[string]struct {
		retention   time.Duration
		want, cycle int64
	}{
		"with a retention":    {retention: time.Hour, want: 3, cycle: 60_000},
		"without a retention": {retention: 0, want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, io.Discard)
			s.sweeper.retention = test.retention
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute+time.Second)
				defer stop()
				s.sweeper.run(ctx)
				if got := s.sweeper.sweeps.Load(); got != test.want {
					t.Errorf("%d sweeps in three intervals, want %d", got, test.want)
				}
				if got := s.sweeper.cycleMillis.Load(); got != test.cycle {
					t.Errorf("the longest cycle took %d ms, want %d", got, test.cycle)
				}
			})
		})
	}
}
