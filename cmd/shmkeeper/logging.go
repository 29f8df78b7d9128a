package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/go-logr/logr"
)

// newLogger logs to standard error.
func newLogger(format, level string) (logr.Logger, error) {
	least, err := logLevel(level)
	if err != nil {
		return logr.Logger{}, err
	}
	options := &slog.HandlerOptions{Level: least}
	if format == "text" {
		return logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, options)), nil
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, options)), nil
}

func logLevel(name string) (slog.Level, error) {
	switch name {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	default:
		return 0, fmt.Errorf("log level %q is unknown: write debug, info, warn or error", name)
	}
}

// sortByText puts errors in an order that does not change from run to run.
func sortByText(errs []error) {
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
}
