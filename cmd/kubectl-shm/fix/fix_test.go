package fix

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

const deployment = `# The browsers of the nightly run.
apiVersion: apps/v1
kind: Deployment
metadata:
  name:   browsers   # as the dashboards call it
spec:
  template:
    spec:
      containers:
      - name: chrome
        image: "selenium/node-chrome"   # pinned elsewhere
        resources:
          limits: {memory: 500M}   # measured
---
# left as it is
apiVersion:   v1
kind: ConfigMap
metadata: {name:  c}
`

const fixed = `# The browsers of the nightly run.
apiVersion: apps/v1
kind: Deployment
metadata:
  name:   browsers   # as the dashboards call it
spec:
  template:
    spec:
      containers:
      - name: chrome
        image: "selenium/node-chrome"   # pinned elsewhere
        resources:
          limits: {memory: 2529Mi}   # measured
          requests:
            memory: 989Mi
        volumeMounts:
        - name: shmkeeper-shm
          mountPath: /dev/shm
      volumes:
      - name: shmkeeper-shm
        emptyDir:
          medium: Memory
          sizeLimit: 2Gi
---
# left as it is
apiVersion:   v1
kind: ConfigMap
metadata: {name:  c}
`

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFix_InPlace(t *testing.T) {
	clitest.InDir(t, "deploy.yaml", deployment, "other.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}\n")
	if err := os.Chmod("deploy.yaml", 0o640); err != nil {
		t.Fatal(err)
	}
	got := shm("", "fix", "-f", ".")
	if diff := cmp.Diff(fixed, read(t, "deploy.yaml")); diff != "" {
		t.Errorf("deploy.yaml (-want +got)\n%s", diff)
	}
	if want := "1 object fixed in 1 file\n"; got.Code != cli.ExitOK || !strings.HasSuffix(got.Out, want) || !strings.HasPrefix(got.Out, "deploy.yaml:2: Deployment/default/browsers: adds a Memory emptyDir of 2Gi") {
		t.Errorf("got %+v", got)
	}
	if info, err := os.Stat("deploy.yaml"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v (%v)", info.Mode(), err)
	}
	if left, err := filepath.Glob(".shm-fix-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if again := shm("", "fix", "-f", "."); again.Out != "0 objects fixed\n" || read(t, "deploy.yaml") != fixed {
		t.Errorf("the second fix: %+v", again)
	}
}

func TestFix_DryRunWritesNothing(t *testing.T) {
	clitest.InDir(t, "deploy.yaml", deployment)
	got := shm("", "fix", "-f", "deploy.yaml", "--dry-run")
	if read(t, "deploy.yaml") != deployment || !strings.HasPrefix(got.Out, "--- deploy.yaml\n+++ deploy.yaml\n@@") || !strings.HasSuffix(got.ErrOut, "1 object to fix\n") {
		t.Errorf("got %+v", got)
	}
}

func TestFix_StandardInput(t *testing.T) {
	if got := shm(deployment, "fix", "-f", "-"); got.Out != fixed || got.Code != cli.ExitOK {
		t.Errorf("got %+v", got)
	}
}

// Whatever the namespace's label says, and for each kind of what cannot be fixed.
func TestFix_WhatIsLeft(t *testing.T) {
	const namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {shmkeeper.dev/mode: audit}}}\n---\n"
	onDisk := clitest.Pod + "    volumeMounts: [{name: d, mountPath: /dev/shm}]\n  volumes: [{name: d, emptyDir: {}}]\n"
	clitest.InDir(t, "a.yaml", namespace+clitest.Pod, "b.yaml", onDisk, "c.yaml", "kind: Pod\nmetadata: {\n")
	got := shm("", "fix", "-f", ".")
	if got.Code != cli.ExitUsage || !strings.HasPrefix(got.ErrOut, "error: c.yaml:") {
		t.Errorf("got %+v", got)
	}
	clitest.InOrder(t, got.Out, []string{
		"a.yaml:3: Pod/default/browser: adds a Memory emptyDir of 2Gi",
		`b.yaml:1: Pod/default/browser: left: container "chrome" mounts volume "d" at /dev/shm, which is not a Memory emptyDir`,
		"1 object fixed in 1 file; 1 left to fix by hand\n",
	})
	if text := read(t, "a.yaml"); !strings.Contains(text, "sizeLimit: 2Gi") || strings.Contains(text, "annotations") {
		t.Errorf("a.yaml is\n%s", text)
	}
	if read(t, "b.yaml") != onDisk {
		t.Error("b.yaml has changed")
	}
	if got := shm("", "fix", "-f", "b.yaml"); got.Code != cli.ExitRejected {
		t.Errorf("exit status %d of what is left, want %d", got.Code, cli.ExitRejected)
	}
}

// What was there of shmkeeper's annotations stays, and all others.
func TestFix_AnnotationsStay(t *testing.T) {
	in := strings.Replace(clitest.Pod, "  name: browser\n", "  name: browser\n  annotations: {a: b, shmkeeper.dev/policy: old}\n", 1)
	got := shm(in, "fix", "-f", "-")
	if !strings.Contains(got.Out, "  annotations: {a: b, shmkeeper.dev/policy: old}\nspec:\n") || !strings.Contains(got.Out, "sizeLimit: 2Gi") {
		t.Errorf("got %+v", got)
	}
}

func TestReplace_FileThatChanged(t *testing.T) {
	clitest.InDir(t, "a.yaml", "now", "b.yaml", "now")
	if err := os.Symlink("b.yaml", "link.yaml"); err != nil {
		t.Fatal(err)
	}
	want := "a.yaml: cannot be written: it has changed since it was read: check that you may write it and its directory"
	if err := replace("a.yaml", []byte("before"), []byte("after")); err == nil || err.Error() != want || read(t, "a.yaml") != "now" {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := replace("link.yaml", []byte("now"), []byte("after")); err != nil || read(t, "b.yaml") != "after" {
		t.Errorf("of a link: %v", err)
	}
	if info, err := os.Lstat("link.yaml"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v", err)
	}
}

func TestFix_BadUsage(t *testing.T) {
	for args, want := range map[string]string{
		"":               "-f is missing: give a file, a directory, or - for standard input",
		"-f - -f a.yaml": `-f: "-" is written to standard output and cannot be combined with other files: give it alone`,
		"-f - --dryrun":  "unknown flag: --dryrun: did you mean --dry-run? If not, see kubectl shm fix --help",
	} {
		if got := shm("", append([]string{"fix"}, strings.Fields(args)...)...); got.Code != cli.ExitUsage || got.ErrOut != "error: "+want+"\n" {
			t.Errorf("%s: got %+v, want %s", args, got, want)
		}
	}
}
