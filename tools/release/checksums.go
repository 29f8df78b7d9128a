package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// checksum is the SHA-256 of a file, in hexadecimal digits.
type checksum struct{ name, sum string }

// sumOf returns the checksum of a file in a folder, by its name there.
func sumOf(folder, path string) (checksum, error) {
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return checksum{}, err
	}
	name, err := filepath.Rel(folder, path)
	if err != nil {
		return checksum{}, err
	}
	sum := sha256.Sum256(data)
	return checksum{filepath.ToSlash(name), hex.EncodeToString(sum[:])}, nil
}

// writeChecksums writes the checksums of all files below a folder, as sha256sum -c reads them, and returns them, sorted by their names.
func writeChecksums(folder string) (sums []checksum, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		sum, err := sumOf(folder, path)
		sums = append(sums, sum)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(sums, func(a, b checksum) int { return cmp.Compare(a.name, b.name) })
	var b strings.Builder
	for _, s := range sums {
		fmt.Fprintf(&b, "%s  %s\n", s.sum, s.name)
	}
	return sums, os.WriteFile(filepath.Join(folder, checksumsFile), []byte(b.String()), 0o644) //nolint:gosec // everybody may read a release
}
