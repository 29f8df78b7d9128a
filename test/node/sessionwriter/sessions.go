//go:build linux

package main

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/gorilla/sessions"
	"golang.org/x/sys/unix"
)

const (
	sessionName   = "authentik_proxy"
	sessionPrefix = "session_" // of the files, by gorilla/sessions
)

// cookieKey outlives a restart, as the outpost's cookie secret does, so that cookies stay valid. It protects nothing.
var cookieKey = []byte("a key for a test, and no secret.")

// outcome is what happened to a request's session.
type outcome int

const (
	known   outcome = iota // its cookie names a session that is there; nothing was written
	saved                  // a new session was saved
	refused                // a new session could not be saved
)

// sessionStore keeps sessions and counts their files. Its methods may be called at the same time.
type sessionStore struct {
	dir    string
	store  *sessions.FilesystemStore
	values map[any]any // of every new session; never changed
	bytes  int         // of a session's file

	files, saved, refused, swept atomic.Int64
}

// newSessionStore also counts the sessions that an earlier process left.
func newSessionStore(s Settings) (*sessionStore, error) {
	store := sessions.NewFilesystemStore(s.Dir, cookieKey)
	store.MaxAge(s.maxAge())
	// The file holds far more than a cookie may.
	store.MaxLength(math.MaxInt)
	store.Options.HttpOnly = true
	store.Options.SameSite = http.SameSiteLaxMode

	values, bytes, err := sessionOf(store, s.SessionBytes)
	if err != nil {
		return nil, err
	}
	st := &sessionStore{dir: s.Dir, store: store, values: values, bytes: bytes}
	err = eachName(s.Dir, func(_ int, name string) error {
		if strings.HasPrefix(name, sessionPrefix) {
			st.files.Add(1)
		}
		return nil
	})
	return st, err
}

// sessionOf finds the values whose file is as long as it can be without being longer than limit, and that length.
// What the encoding adds is tried out: gob's types and lengths, a time, a MAC, and base64 twice.
func sessionOf(store *sessions.FilesystemStore, limit int) (values map[any]any, length int, err error) {
	padded := func(n int) (map[any]any, int) {
		v := map[any]any{"padding": strings.Repeat("x", n)}
		encoded, e := store.Codecs[0].Encode(sessionName, v)
		if e != nil {
			err = e
		}
		return v, len(encoded)
	}
	tooLong := sort.Search(limit, func(n int) bool {
		_, l := padded(n)
		return l > limit
	})
	if tooLong == 0 {
		return nil, 0, fmt.Errorf("a session does not fit in %d bytes: allow more", limit)
	}
	values, length = padded(tooLong - 1)
	return values, length, err
}

// open finds the session of the request, or saves a new one and sets its cookie. The error is that of a refused one.
func (s *sessionStore) open(w http.ResponseWriter, r *http.Request) (outcome, error) {
	// An error means a cookie that is of no use; the session is a new one then.
	session, err := s.store.Get(r, sessionName)
	if err == nil && !session.IsNew {
		return known, nil
	}
	// A valid cookie whose file was swept gives the new file its old name.
	counted := session.ID != "" && s.has(session.ID)
	session.Values = s.values
	if err := s.store.Save(r, w, session); err != nil {
		s.refused.Add(1)
		// A full tmpfs has no page left, but still takes the name of an empty file.
		if !counted && session.ID != "" && s.has(session.ID) {
			s.files.Add(1)
		}
		return refused, err
	}
	s.saved.Add(1)
	if !counted {
		s.files.Add(1)
	}
	return saved, nil
}

func (s *sessionStore) has(id string) bool {
	_, err := os.Lstat(filepath.Join(s.dir, sessionPrefix+id))
	return err == nil
}

// sweep deletes the sessions that were written before the time, in nanoseconds since 1970. Like the
// outpost's it goes on after one that it cannot delete; the error is the first. A session that is
// written meanwhile may or may not be looked at.
func (s *sessionStore) sweep(before int64) error {
	var first error
	err := eachName(s.dir, func(dir int, name string) error {
		if !strings.HasPrefix(name, sessionPrefix) {
			return nil
		}
		var st unix.Stat_t
		err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.ENOENT || err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mtim.Nano() >= before) {
			return nil
		}
		if err == nil {
			err = unix.Unlinkat(dir, name, 0)
		}
		if err != nil {
			first = cmp.Or[error](first, &os.PathError{Op: "sweep", Path: filepath.Join(s.dir, name), Err: err})
			return nil
		}
		s.swept.Add(1)
		s.files.Add(-1)
		return nil
	})
	return cmp.Or(first, err)
}

// removeFiles is like the function of that name, and keeps the count of sessions.
func (s *sessionStore) removeFiles(prefix string) (int64, error) {
	return removeFiles(s.dir, prefix, func(name string) {
		if strings.HasPrefix(name, sessionPrefix) {
			s.files.Add(-1)
		}
	})
}
