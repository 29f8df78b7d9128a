package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The notes of a release have what its version changes, and nothing of other versions.
func TestRun_Notes(t *testing.T) {
	root := t.TempDir()
	const changelog = "# Changelog\n\nWhat users notice.\n\n## Unreleased\n\n- Not yet.\n\n## v1.2.30 (2026-11-02)\n\n- Later.\n\n" +
		"## v1.2.3 (2026-11-01)\n\n- One, see [how](docs/how-to/a.md#b).\n- Two, see [there](https://example.com/x).\n\n## v1.2.2\n\n- Before.\n"
	if err := os.WriteFile(filepath.Join(root, "CHANGELOG.md"), []byte(changelog), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-root", root, "-version", "v1.2.3", "-notes"}, &out); err != nil {
		t.Fatal(err)
	}
	changes, rest, found := strings.Cut(out.String(), "\n\n## Files\n")
	const want = "- One, see [how](https://github.com/shmkeeper/shmkeeper/blob/v1.2.3/docs/how-to/a.md#b).\n- Two, see [there](https://example.com/x)."
	if changes != want {
		t.Errorf("the changes are\n%s\nwant\n%s", changes, want)
	}
	for _, want := range []string{"`shmkeeper-1.2.3.tgz`", "`kubectl-shm_v1.2.3_OS_ARCH.tar.gz`", "`ghcr.io/shmkeeper/shmkeeper:v1.2.3`"} {
		if !found || !strings.Contains(rest, want) {
			t.Errorf("the files lack %s:\n%s", want, rest)
		}
	}
	err := run(t.Context(), []string{"-root", root, "-version", "v1.3.0", "-notes"}, &out)
	if want := `CHANGELOG.md says nothing about v1.3.0: rename the section "## Unreleased" to "## v1.3.0"`; err == nil || err.Error() != want {
		t.Errorf("a version without a section: %v, want %s", err, want)
	}
}
