package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// termManager is a manager that is elected at once, or never, and ends with an error or
// with its context.
type termManager struct {
	manager.Manager
	elected chan struct{}
	end     <-chan error
}

// Elected implements manager.Manager.
func (m *termManager) Elected() <-chan struct{} { return m.elected }

// Start implements manager.Manager.
func (m *termManager) Start(ctx context.Context) error {
	select {
	case err := <-m.end:
		return err
	case <-ctx.Done():
		return nil
	}
}

func newTermManager(leads bool, end <-chan error) *termManager {
	m := &termManager{elected: make(chan struct{}), end: end}
	if leads {
		close(m.elected)
	}
	return m
}

// lines is a log that many may write.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func logTo(l *lines, level slog.Level) logr.Logger {
	return logr.FromSlogHandler(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestWriteWhenElected_AManagerForEachTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		end := make(chan error)
		var terms []context.Context
		start := func(ctx context.Context) (manager.Manager, error) {
			terms = append(terms, ctx)
			if len(terms) == 2 {
				return nil, errors.New("no route to host")
			}
			return newTermManager(len(terms) != 3, end), nil
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			writeWhenElected(ctx, start, logTo(&log, slog.LevelInfo))
		}()
		end <- errors.New("leader election lost") // of the first term
		end <- errors.New("caches never synced")  // of the third manager, which never led
		time.Sleep(termRetry)                     // by the bubble's clock
		synctest.Wait()
		for i, term := range terms {
			if last := i == 3; len(terms) != 4 || (term.Err() == nil) != last {
				t.Errorf("term %d of %d, want 4: its context is done: %v", i+1, len(terms), term.Err() != nil)
			}
		}
		stop()
		<-done
		const want = `level=INFO msg="This replica leads"
level=INFO msg="This replica no longer leads" because="leader election lost"
level=ERROR msg="This replica cannot stand for election; trying again" err="no route to host" in=2s
level=ERROR msg="This replica cannot stand for election; trying again" err="caches never synced" in=2s
level=INFO msg="This replica leads"
level=INFO msg="This replica no longer leads" because="it stops"
`
		if got := log.String(); got != want {
			t.Errorf("logged:\n%swant:\n%s", got, want)
		}
	})
}

func TestQuiet_LogsErrorsForDebuggingOnly(t *testing.T) {
	for level, want := range map[slog.Level]string{
		slog.LevelInfo:  "level=INFO msg=told a=1 logger=n\n",
		slog.LevelDebug: "level=INFO msg=told a=1 logger=n\n" + "level=DEBUG+3 msg=failed a=1 logger=n b=2 failure=lost\n",
	} {
		var log lines
		l := logTo(&log, level)
		l = l.WithSink(quiet{l.GetSink()}).WithName("n").WithValues("a", 1)
		l.Info("told")
		l.Error(errors.New("lost"), "failed", "b", 2)
		if got := log.String(); got != want {
			t.Errorf("at level %s:\n%swant:\n%s", level, got, want)
		}
	}
}
