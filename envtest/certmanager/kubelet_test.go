package certmanager

import (
	"os"
	"path/filepath"
	"testing"
)

// secretVolume is a folder that a kubelet keeps equal to a Secret. The files are links through
// ..data, a link to the folder with the present content, which is renamed into place: a reader sees
// the old content or the new, and the folder of the old one then goes.
type secretVolume struct{ dir string }

func (v secretVolume) write(t *testing.T, data map[string][]byte) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	present := filepath.Join(v.dir, "..data")
	old, err := os.Readlink(present)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	content, err := os.MkdirTemp(v.dir, "..2006_01_02_15_04_05.")
	must(err)
	for name, value := range data {
		must(os.WriteFile(filepath.Join(content, name), value, 0o440))
	}
	must(os.Symlink(filepath.Base(content), present+"_tmp"))
	must(os.Rename(present+"_tmp", present))
	for name := range data {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(v.dir, name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	if old != "" {
		must(os.RemoveAll(filepath.Join(v.dir, old)))
	}
}
