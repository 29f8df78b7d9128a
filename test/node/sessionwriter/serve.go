//go:build linux

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// serve answers requests until ctx is done, and then stops at once: what is on its way is dropped.
func serve(ctx context.Context, settings Settings, log *slog.Logger) error {
	store, err := newSessionStore(settings)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", settings.Listen)
	if err != nil {
		return err
	}
	sweeper := &sweeper{
		store: store, log: log,
		retention: settings.scaled(settings.Retention),
		interval:  settings.scaled(settings.SweepInterval),
	}
	s := &server{store: store, sweeper: sweeper, files: &fileMaker{dir: settings.Dir}, log: log}
	httpServer := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.Info("serving", "address", listener.Addr().String(), "dir", settings.Dir, "files", store.files.Load(),
		"sessionBytes", store.bytes, "retention", sweeper.retention.String(), "sweepInterval", sweeper.interval.String())

	go sweeper.run(ctx)
	stop := context.AfterFunc(ctx, func() { _ = httpServer.Close() })
	defer stop()
	if err := httpServer.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
