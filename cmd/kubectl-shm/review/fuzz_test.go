package review

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

// FuzzReview holds review against what it promises for any input: it does not panic, its exit status is one of three,
// what it cannot read prints nothing, and what it wrote does not change when it is reviewed again.
func FuzzReview(f *testing.F) {
	names, err := filepath.Glob(examples + "/*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatalf("no examples: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		clitest.Pod, mountedOnDisk, clitest.Policy, podWithVolume("1e400", ""),
		"{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, default: {memory: 256Mi}, max: {memory: 8Gi}}]}}\n---\n" + clitest.Pod,
		"{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {limits.memory: 2565Mi, memory: 8Gi}}}\n---\n" + clitest.Pod + "    resources: {limits: {memory: 512Mi}}\n",
		"apiVersion: batch/v1\nkind: Job\nspec:\n  template:\n    spec:\n      containers:\n      - {name: a, image: selenium/node-a, resources: {limits: {memory: 1Gi}}}\n",
		`{"apiVersion":"v1","kind":"PodList","items":[{"spec":{"containers":[{"name":"a","image":"selenium/node-a"}]}}]}`,
		"a: &a {apiVersion: v1, kind: Pod}\n<<: *a\nspec: {containers: [{name: a, image: selenium/node-a}]}\n",
		"---\n...\n%YAML 1.2\n---\n",
	} {
		f.Add([]byte(text))
	}
	// A few policies, one of each kind, keep the rate up.
	review := []string{"review", "-f", "-", "-o", "yaml", "-p", "authentik-proxy-outposts", "-p", "frigate", "-p", "hygiene", "-p", "ray", "-p", "selenium"}
	f.Fuzz(func(t *testing.T, in []byte) {
		first := shm(string(in), review...)
		switch first.Code {
		case cli.ExitOK, cli.ExitRejected:
			again := shm(first.Out, review...)
			if again.Code != first.Code || !bytes.Equal([]byte(again.Out), []byte(first.Out)) {
				t.Errorf("the second review ends with %d (%s), the first with %d\nfirst:\n%q\nsecond:\n%q", again.Code, again.ErrOut, first.Code, first.Out, again.Out)
			}
		case cli.ExitUsage:
			if first.Out != "" || first.ErrOut == "" {
				t.Errorf("bad input prints %q, and says %q", first.Out, first.ErrOut)
			}
		default:
			t.Errorf("exit status %d", first.Code)
		}
	})
}
