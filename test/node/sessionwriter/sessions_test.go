//go:build linux

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newStore(t *testing.T) *sessionStore {
	t.Helper()
	s, err := newSessionStore(Settings{Dir: t.TempDir(), SessionBytes: 1500, Retention: time.Hour, TimeFactor: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open sends a request with the cookies and returns the outcome, with the cookies that it was given.
func open(t *testing.T, s *sessionStore, cookies ...*http.Cookie) (outcome, []*http.Cookie) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	got, err := s.open(w, r)
	if (err != nil) != (got == refused) {
		t.Fatalf("outcome %d comes with the error %v", got, err)
	}
	return got, w.Result().Cookies()
}

func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSessions_RequestWithoutCookie(t *testing.T) {
	s := newStore(t)
	got, cookies := open(t, s)
	if got != saved || s.saved.Load() != 1 || s.files.Load() != 1 {
		t.Fatalf("outcome %d, %d saved, %d files", got, s.saved.Load(), s.files.Load())
	}
	names := namesIn(t, s.dir)
	if len(names) != 1 || !strings.HasPrefix(names[0], "session_") || len(names[0]) != longName {
		t.Fatalf("got %q", names)
	}
	info, err := os.Stat(filepath.Join(s.dir, names[0]))
	if err != nil || info.Size() != 1500 {
		t.Errorf("got a file of %d bytes, want 1500; %v", info.Size(), err)
	}
	if len(cookies) != 1 || cookies[0].MaxAge != 3601 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("got the cookies %v", cookies)
	}
}

func TestSessions_RequestWithCookie(t *testing.T) {
	s := newStore(t)
	_, cookies := open(t, s)
	got, again := open(t, s, cookies...)
	if got != known || len(again) != 0 || s.saved.Load() != 1 || len(namesIn(t, s.dir)) != 1 {
		t.Errorf("outcome %d, cookies %v, %d saved", got, again, s.saved.Load())
	}
}

func TestSessions_CookieOutlivesARestart(t *testing.T) {
	first := newStore(t)
	_, cookies := open(t, first)
	second, err := newSessionStore(Settings{Dir: first.dir, SessionBytes: 1500, TimeFactor: 1})
	if err != nil {
		t.Fatal(err)
	}
	if second.files.Load() != 1 {
		t.Errorf("counted %d files at the start, want 1", second.files.Load())
	}
	if got, _ := open(t, second, cookies...); got != known {
		t.Errorf("outcome %d", got)
	}
}

func TestSessions_CookieOfASweptSession(t *testing.T) {
	s := newStore(t)
	_, cookies := open(t, s)
	before := namesIn(t, s.dir)
	if err := s.sweep(time.Now().Add(time.Minute).UnixNano()); err != nil || s.files.Load() != 0 {
		t.Fatalf("%v, %d files", err, s.files.Load())
	}
	got, _ := open(t, s, cookies...)
	if after := namesIn(t, s.dir); got != saved || s.files.Load() != 1 || after[0] != before[0] {
		t.Errorf("outcome %d, %d files, %q was %q", got, s.files.Load(), after, before)
	}
}

func TestSessions_CookieOfAnotherKey(t *testing.T) {
	s := newStore(t)
	if got, _ := open(t, s, &http.Cookie{Name: sessionName, Value: "bm90aGluZw=="}); got != saved || s.files.Load() != 1 {
		t.Errorf("outcome %d, %d files", got, s.files.Load())
	}
}

func TestSessions_FullVolume(t *testing.T) {
	s := newStore(t)
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	got, cookies := open(t, s)
	if got != refused || s.refused.Load() != 1 || s.saved.Load() != 0 || s.files.Load() != 0 || len(cookies) != 0 {
		t.Errorf("outcome %d, %d refused, %d files, cookies %v", got, s.refused.Load(), s.files.Load(), cookies)
	}
}

// With a limit on the size of files a write fails as on a full tmpfs: after the file was created.
func TestSessions_RefusedSessionLeavesAnEmptyFile(t *testing.T) {
	s := newStore(t)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	got, _ := open(t, s)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, s.dir); got != refused || s.files.Load() != 1 || len(names) != 1 {
		t.Errorf("outcome %d, %d files counted, %q", got, s.files.Load(), names)
	}
	if err := s.sweep(time.Now().Add(time.Minute).UnixNano()); err != nil || s.files.Load() != 0 || s.swept.Load() != 1 {
		t.Errorf("%v; %d files and %d swept after a sweep, want 0 and 1", err, s.files.Load(), s.swept.Load())
	}
}

func TestSweep_DeletesOldSessionsAlone(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"session_old": 61 * time.Minute, "session_new": 59 * time.Minute, "other_old": 2 * time.Hour,
	} {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	folder := filepath.Join(s.dir, "session_folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(folder, now, now.Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(now.Add(-time.Hour).UnixNano()); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(namesIn(t, s.dir), " "), "other_old session_folder session_new"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
	if s.swept.Load() != 1 {
		t.Errorf("swept %d, want 1", s.swept.Load())
	}
}

func TestSweep_SeveralBatches(t *testing.T) {
	s := newStore(t)
	b := batchOfFiles{Count: 3*batch + 1, Name: "long", Prefix: sessionPrefix}
	if _, err := (&fileMaker{dir: s.dir}).create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(time.Now().Add(time.Minute).UnixNano()); err != nil {
		t.Fatal(err)
	}
	if left := namesIn(t, s.dir); len(left) != 0 || s.swept.Load() != b.Count {
		t.Errorf("%d left, %d swept", len(left), s.swept.Load())
	}
}
