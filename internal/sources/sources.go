// Package sources reads the files of this repository, for tests that check all of them.
package sources

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// findRoot returns the repository as seen from the package under test.
func findRoot(t *testing.T) string {
	t.Helper()
	for root := "."; len(root) < 64; root = filepath.Join("..", root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return root
		}
	}
	t.Fatal("no folder above has a go.mod")
	return ""
}

// Each calls f for each file that people write, if its name ends in one of the extensions (such as
// ".go"). Paths are relative to the repository.
func Each(t *testing.T, f func(path string, content []byte), extensions ...string) {
	t.Helper()
	n, root := 0, findRoot(t)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		path := strings.TrimPrefix(filepath.ToSlash(file), root+"/")
		switch {
		case entry.IsDir():
			if file != root && strings.HasPrefix(name, ".") || path == "bin" || path == "out" {
				return filepath.SkipDir
			}
			return nil
		case !slices.Contains(extensions, filepath.Ext(name)) || strings.HasPrefix(name, "zz_generated"):
			return nil
		}
		content, err := os.ReadFile(file)
		n++
		f(path, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 300 {
		t.Errorf("only %d files were found below %s", n, root)
	}
}
