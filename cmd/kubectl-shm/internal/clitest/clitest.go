// Package clitest runs the verbs of kubectl shm in tests.
package clitest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

// Policy is a manifest of a policy named p that matches image a, of nine lines.
const Policy = `apiVersion: shmkeeper.dev/v1alpha1
kind: SharedMemoryPolicy
metadata: {name: p}
spec:
  match:
  - images: [a]
  sizing:
    fixed: {size: 1Gi}
`

// Pod is a manifest of a Pod that the library's policy selenium changes.
const Pod = `apiVersion: v1
kind: Pod
metadata:
  name: browser
spec:
  containers:
  - name: chrome
    image: selenium/node-chrome
`

// Result represents what a command did.
type Result struct {
	Code        int
	Out, ErrOut string
}

// Run runs the program with the given verbs and a standard input.
func Run(stdin string, args []string, verbs ...cli.Verb) Result {
	var out, errOut bytes.Buffer
	code := cli.Run(args, cli.Streams{In: strings.NewReader(stdin), Out: &out, ErrOut: &errOut}, verbs...)
	return Result{Code: code, Out: out.String(), ErrOut: errOut.String()}
}

// InDir makes a directory with the files (name and content in turn) the current one.
func InDir(t *testing.T, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for i := 0; i < len(files); i += 2 {
		write(t, files[i], []byte(files[i+1]))
	}
}

var update = flag.Bool("update", false, "write the golden files again")

// Golden compares got with testdata/name, or writes it there under -update.
func Golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		write(t, file, got)
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with: make golden", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant: make golden\n%s", file, diff)
	}
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// InOrder fails unless a text has all parts, each after the one before.
func InOrder(t *testing.T, text string, parts []string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("no %q, or not in its order, in\n%s", part, text)
		}
		rest = after
	}
}

// Incident returns the flags of the incident's outpost, 18 files a minute of 1,500 bytes, and more.
func Incident(more ...string) []string {
	return append([]string{"--files-per-minute", "18", "--sweep-interval", "5m", "--file-size", "1500"}, more...)
}
