package pages

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/internal/transcript"
)

// readyWithin bounds the time in which `make run` starts a cluster, once its programs are built.
const readyWithin = 5 * time.Minute

// cluster is what `make run` leaves up.
type cluster struct {
	// env is the environment of the reader's terminal: the variables that `make run` says to set, and the plugin on the PATH.
	env []string
}

// build builds the programs of `make run`, the server among them, and the plugin, and returns the checkout and the folder that they are in.
func build(t *testing.T) (root, bin string) {
	t.Helper()
	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envtest.FindPrograms(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	bin = t.TempDir()
	for name, pkg := range map[string]string{"demo": "./envtest/cmd/demo", "kubectl-shm": "./cmd/kubectl-shm"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, name), pkg)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	// `make run` builds the server again, with what is in Go's cache then.
	if _, err := install.Build(t.Context(), bin); err != nil {
		t.Fatal(err)
	}
	return root, bin
}

// start starts a cluster as `make run` does, reads what it prints, and stops it at the end of the test.
func start(t *testing.T, root, bin string) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	run := exec.Command(filepath.Join(bin, "demo"), "run")
	run.Dir = root
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run.Stderr = os.Stderr
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	stopWaiting := context.AfterFunc(ctx, func() { _ = run.Process.Kill() })
	var log bytes.Buffer
	t.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGINT)
		_, _ = io.Copy(&log, out)
		if err := run.Wait(); err != nil || !strings.Contains(log.String(), "no process and no file of the control plane is left") {
			t.Errorf("make run: %v\n%s", err, log.String())
		}
		cancel()
	})
	exports := regexp.MustCompile(`(?m)^export (KUBECONFIG|PATH)=(\S+?)(?::"\$PATH".*)?$`)
	lines := bufio.NewScanner(io.TeeReader(out, &log))
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C here") {
	}
	found := map[string]string{}
	for _, m := range exports.FindAllStringSubmatch(log.String(), -1) {
		found[m[1]] = m[2]
	}
	if !stopWaiting() || found["KUBECONFIG"] == "" || found["PATH"] == "" {
		t.Fatalf("make run is not up after %s, or does not say what to export (%v):\n%s", readyWithin, lines.Err(), log.String())
	}
	path := strings.Join([]string{bin, found["PATH"], os.Getenv("PATH")}, string(os.PathListSeparator))
	return &cluster{env: append(os.Environ(), "KUBECONFIG="+found["KUBECONFIG"], "PATH="+path, "NO_COLOR=1", "KUBERC=off")}
}

// Each page that is marked so is followed from its top, and prints what it shows.
func TestPages(t *testing.T) {
	root, bin := build(t)
	shared := start(t, root, bin)
	n := 0
	for _, folder := range []string{"tutorials", "how-to", "explanation"} {
		names, err := filepath.Glob(filepath.Join(root, "docs", folder, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(text, []byte("\n<!-- cluster")) {
				continue
			}
			page, err := transcript.Parse(string(text))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			n++
			t.Run(folder+"/"+filepath.Base(name), func(t *testing.T) {
				c, dir := shared, t.TempDir()
				if page.Own {
					c = start(t, root, bin)
				}
				if page.Checkout {
					checkout(t, root, dir)
				}
				if err := c.follow(t, page, dir); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if n < 11 {
		t.Errorf("only %d pages are marked as in need of a cluster", n)
	}
}

// checkout copies into a folder what pages use of a checkout.
func checkout(t *testing.T, root, dir string) {
	t.Helper()
	for _, name := range []string{"charts", "examples", "manifests"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
}

// follow takes the steps of a page, and goes on after one that comes out otherwise than the page shows.
func (c *cluster) follow(t *testing.T, page transcript.Page, dir string) error {
	t.Helper()
	var errs []error
	for _, step := range page.Steps {
		errs = append(errs, c.take(t.Context(), step, dir))
	}
	return errors.Join(errs...)
}

// take takes a step. What only asks is asked again for a while, as controllers take a moment to do what the step before had them do.
func (c *cluster) take(ctx context.Context, step transcript.Step, dir string) error {
	asks := step.File == "" && (strings.HasPrefix(step.Text, "kubectl get ") || strings.HasPrefix(step.Text, "kubectl shm audit "))
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := step.Run(ctx, dir, c.env)
		if err == nil || !asks || time.Now().After(deadline) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}
