package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file of an archive.
type entry struct {
	name string
	mode fs.FileMode
	data []byte
}

// archive is an archive of the command line for one platform.
type archive struct {
	platform Platform
	file     string // its base name
	program  string // the program's name in it
	sha256   string
}

// complete is the program by which kubectl completes the arguments of the plugin, if it is on the PATH. The plugin would do so under this
// name, but an archive cannot have a program under two names that every tool unpacks.
const complete = "#!/bin/sh\nexec kubectl-shm __complete \"$@\"\n"

// plugin builds the command line for all platforms and writes an archive and a bill of materials of each.
func (r *Release) plugin(ctx context.Context, programs, files string, progress io.Writer) (out []archive, err error) {
	license, err := os.ReadFile(filepath.Join(r.Root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	for _, p := range r.Plugin {
		path, err := r.compile(ctx, programs, "kubectl-shm", p, progress)
		if err != nil {
			return nil, err
		}
		program, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, err
		}
		a := archive{platform: p, program: "kubectl-shm", file: fmt.Sprintf("kubectl-shm_%s_%s_%s.tar.gz", r.Version, p.OS, p.Arch)}
		entries, write := []entry{{"LICENSE", 0o644, license}, {a.program, 0o755, program}, {"kubectl_complete-shm", 0o755, []byte(complete)}}, writeTarGzip
		if p.OS == "windows" {
			a.program, a.file, write = a.program+".exe", strings.TrimSuffix(a.file, "tar.gz")+"zip", writeZip
			entries = []entry{{"LICENSE", 0o644, license}, {a.program, 0o755, program}}
		}
		var b bytes.Buffer
		if err := write(&b, entries, r.Time); err != nil {
			return nil, fmt.Errorf("%s: %w", a.file, err)
		}
		sum := sha256.Sum256(b.Bytes())
		a.sha256 = hex.EncodeToString(sum[:])
		if err := os.WriteFile(filepath.Join(files, a.file), b.Bytes(), 0o644); err != nil { //nolint:gosec // everybody may read a release
			return nil, err
		}
		if err := r.writeMaterials(files, path); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, r.writeManual(ctx, files)
}

func writeTarGzip(w io.Writer, entries []entry, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	return errors.Join(writeTar(z, entries, at), z.Close())
}

func writeTar(w io.Writer, entries []entry, at time.Time) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: int64(e.mode), Size: int64(len(e.data)), ModTime: at, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if _, err := t.Write(e.data); err != nil {
			return err
		}
	}
	return t.Close()
}

func writeZip(w io.Writer, entries []entry, at time.Time) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		header.SetMode(e.mode)
		f, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := f.Write(e.data); err != nil {
			return err
		}
	}
	return z.Close()
}
