//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// server answers requests: sessions on every path, save those that are for the test.
type server struct {
	store   *sessionStore
	sweeper *sweeper
	files   *fileMaker
	log     *slog.Logger
	full    atomic.Bool // the last new session was refused
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /volume", s.volume)
	mux.HandleFunc("POST /files", s.createFiles)
	mux.HandleFunc("DELETE /files", s.deleteFiles)
	mux.HandleFunc("/", s.session)
	return mux
}

// session answers 302 when it saved a session, 400 when it could not, and 200 to a cookie whose session is there.
func (s *server) session(w http.ResponseWriter, r *http.Request) {
	switch outcome, err := s.store.open(w, r); outcome {
	case known:
		w.WriteHeader(http.StatusOK)
	case saved:
		if s.full.CompareAndSwap(true, false) {
			s.log.Info("sessions can be saved again")
		}
		// A client that follows this without keeping the cookie must not make another session.
		w.Header().Set("Location", "/healthz")
		w.WriteHeader(http.StatusFound)
	case refused:
		// Only the first one in a row: thousands may follow each second.
		if s.full.CompareAndSwap(false, true) {
			s.log.Error("session not saved", "err", err)
		}
		http.Error(w, "session not saved", http.StatusBadRequest)
	}
}

func (s *server) volume(w http.ResponseWriter, _ *http.Request) {
	v, err := mounted(s.store.dir)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	v.Files = s.store.files.Load()
	v.SessionBytes = int64(s.store.bytes)
	v.Saved = s.store.saved.Load()
	v.Refused = s.store.refused.Load()
	v.Swept = s.store.swept.Load()
	v.Sweeps = s.sweeper.sweeps.Load()
	v.LongestSweepMillis = s.sweeper.longestMillis.Load()
	v.LongestCycleMillis = s.sweeper.cycleMillis.Load()
	answer(w, v)
}

// Created is what POST /files answers: how many files were created, and the error that stopped it.
type Created struct {
	Created int64  `json:"created"`
	Error   string `json:"error,omitempty"`
}

// createFiles takes count (1), size in bytes (0), name (short or long; long) and prefix (file). The files count as
// sessions, and are swept, when the prefix begins with session_.
func (s *server) createFiles(w http.ResponseWriter, r *http.Request) {
	b, err := batchFrom(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	created, err := s.files.create(r.Context(), b)
	if strings.HasPrefix(b.Prefix, sessionPrefix) {
		s.store.files.Add(created)
	}
	answer(w, Created{Created: created, Error: text(err)})
}

// Deleted is what DELETE /files answers: how many files were removed, and the error that stopped it.
type Deleted struct {
	Deleted int64  `json:"deleted"`
	Error   string `json:"error,omitempty"`
}

// deleteFiles takes prefix: the files whose names begin with it are removed.
func (s *server) deleteFiles(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	prefix := query.Get("prefix")
	if err := errors.Join(onlyKnown(query, "prefix"), validPrefix(prefix, longPrefix)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	deleted, err := s.store.removeFiles(prefix)
	answer(w, Deleted{Deleted: deleted, Error: text(err)})
}

func batchFrom(query url.Values) (batchOfFiles, error) {
	b := batchOfFiles{Count: 1, Name: "long", Prefix: "file"}
	var errs []error
	number := func(name string, to *int64) {
		if !query.Has(name) {
			return
		}
		n, err := strconv.ParseInt(query.Get(name), 10, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not a number: write one in digits", name, query.Get(name)))
			return
		}
		*to = n
	}
	number("count", &b.Count)
	number("size", &b.Size)
	if query.Has("name") {
		b.Name = query.Get("name")
	}
	if query.Has("prefix") {
		b.Prefix = query.Get("prefix")
	}
	errs = append(errs, onlyKnown(query, "count", "size", "name", "prefix"), b.validate())
	return b, errors.Join(errs...)
}

// onlyKnown refuses parameters that would be passed over.
func onlyKnown(query url.Values, known ...string) error {
	for name := range query {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%q is not a parameter: write %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// The client has gone when this fails.
	_ = json.NewEncoder(w).Encode(v)
}
