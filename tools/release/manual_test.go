package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The man pages are unpacked as a user would, found by man, and name the version.
func TestWriteManual(t *testing.T) {
	r := newRelease(t)
	files := filepath.Join(t.TempDir(), "files")
	folder := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		text, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, text)
		}
		return string(text)
	}
	run("mkdir", files)
	if err := r.writeManual(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	if got := run("ls", files); got != "kubectl-shm_v1.2.3_man.tar.gz\n" {
		t.Errorf("it wrote %q", got)
	}
	run("tar", "-C", folder, "-xzf", filepath.Join(files, "kubectl-shm_v1.2.3_man.tar.gz"))
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("man is not there")
	}
	for command, want := range map[string]string{"kubectl-shm": "shmkeeper v1.2.3", "kubectl-shm-review": "--fail-on"} {
		if got := run("man", "-M", folder, "-P", "cat", command); !strings.Contains(got, want) {
			t.Errorf("man %s lacks %q: %.300s", command, want, got)
		}
	}
}
