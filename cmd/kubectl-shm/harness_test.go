package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

// ran is what a command did.
type ran struct {
	code        int
	out, errOut string
}

// shm runs the program with a standard input.
func shm(stdin string, args ...string) ran {
	var out, errOut bytes.Buffer
	code := run(args, streams{in: strings.NewReader(stdin), out: &out, errOut: &errOut})
	return ran{code: code, out: out.String(), errOut: errOut.String()}
}

// inDir makes a directory with the files (name and content in turn) the current one.
func inDir(t *testing.T, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for i := 0; i < len(files); i += 2 {
		if err := os.MkdirAll(filepath.Dir(files[i]), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files[i], []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// bytesOf is the value of a quantity in a JSON document.
func bytesOf(t *testing.T, value any) int64 {
	t.Helper()
	text, ok := value.(string)
	if !ok {
		t.Fatalf("%v is no quantity", value)
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return q.Value()
}

// inOrder fails unless a text has all parts, each after the one before.
func inOrder(t *testing.T, text string, parts []string) {
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
