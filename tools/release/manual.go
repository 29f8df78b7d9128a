package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
)

// writeManual writes an archive of the command line's man pages, to be unpacked in a folder of man pages such as
// /usr/local/share/man.
func (r *Release) writeManual(ctx context.Context, files string) error {
	folder, err := os.MkdirTemp(filepath.Dir(files), "man-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if _, err := r.output(ctx, "go", "run", "./cmd/kubectl-shm/internal/manual",
		"-man", folder, "-version", r.Version, "-time", strconv.FormatInt(r.Time.Unix(), 10)); err != nil {
		return fmt.Errorf("the man pages: %w", err)
	}
	pages, err := os.ReadDir(folder) // in the order of their names
	if err != nil {
		return err
	}
	var entries []entry
	for _, page := range pages {
		data, err := os.ReadFile(filepath.Join(folder, page.Name()))
		if err != nil {
			return err
		}
		entries = append(entries, entry{path.Join("man1", page.Name()), 0o644, data})
	}
	var b bytes.Buffer
	if err := writeTarGzip(&b, entries, r.Time); err != nil {
		return fmt.Errorf("the man pages: %w", err)
	}
	return os.WriteFile(filepath.Join(files, "kubectl-shm_"+r.Version+"_man.tar.gz"), b.Bytes(), 0o644) //nolint:gosec // everybody may read a release
}
