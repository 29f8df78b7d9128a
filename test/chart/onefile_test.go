//go:build helm

package chart

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// One file with the CRD, the server and the policies, as kubectl applies it: what it knows no kind of is left out the first time,
// and everything else is there, so that the same command completes it once the server answers.
func TestOneFile(t *testing.T) {
	c := newCluster(t)
	var file bytes.Buffer
	for _, overlay := range []string{"default", "policies"} {
		fmt.Fprintf(&file, "---\n%s", stream(t, filepath.Join(root, "manifests", overlay)))
	}
	kubectl := func(ctx context.Context, verb string) (string, error) {
		command := c.cp.KubectlCommand(ctx, verb, "-f", "-")
		command.Stdin = bytes.NewReader(file.Bytes())
		out, err := command.CombinedOutput()
		return string(out), err
	}

	out, err := kubectl(t.Context(), "apply")
	if err == nil || !strings.Contains(out, `no matches for kind "SharedMemoryPolicy"`) {
		t.Fatalf("kubectl applies policies together with their CRD, %v: let docs/how-to/install.md say so\n%s", err, out)
	}
	c.restart()
	c.eventually(func(ctx context.Context) error {
		out, err := kubectl(ctx, "apply")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
	c.optIn("shop")
	c.enforces()
	c.written()

	if out, err := kubectl(t.Context(), "diff"); err != nil {
		t.Errorf("a third time kubectl would change something: %v\n%s", err, out)
	}
}
