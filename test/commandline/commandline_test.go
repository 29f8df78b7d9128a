// Package commandline_test runs kubectl-shm beside other programs: kubectl, helm, a validator of SARIF.
package commandline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// bin is a folder with kubectl-shm and kubectl, and with helm for the test that needs it.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "commandline")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		err = install(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// install puts kubectl-shm, and the kubectl of the control plane, into a folder.
func install(ctx context.Context, dir string) error {
	programs, err := envtest.FindPrograms(ctx, os.Stderr)
	if err != nil {
		return err
	}
	bin = dir
	root, err := envtest.Root(ctx)
	if err != nil {
		return err
	}
	if err := build(ctx, root, "kubectl-shm", "./cmd/kubectl-shm"); err != nil {
		return err
	}
	if err := os.Symlink("kubectl-shm", filepath.Join(dir, "kubectl_complete-shm")); err != nil {
		return err
	}
	return os.Symlink(programs.Kubectl, filepath.Join(dir, "kubectl"))
}

// build builds a program of the module in a folder into bin.
func build(ctx context.Context, module, name, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(bin, name), pkg)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	return nil
}

// result represents what a program did.
type result struct {
	status      int
	out, errOut string
	took, cpu   time.Duration
}

// execute runs a program of the folder, and finds no others.
func execute(t *testing.T, dir string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, args[0]), args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin, "HOME="+t.TempDir())
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	begin := time.Now()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	state := cmd.ProcessState
	return result{state.ExitCode(), out.String(), errOut.String(), time.Since(begin), state.UserTime() + state.SystemTime()}
}

// write writes files, each name followed by its content.
func write(t *testing.T, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// repository is a kustomization, a chart and a file that is broken.
var repository = []string{
	"base/kustomization.yaml", "resources: [deployment.yaml]\n",
	"base/deployment.yaml", `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: chrome, image: selenium/node-chrome}
`,
	"overlays/prod/kustomization.yaml", "resources: [../../base]\nnamePrefix: prod-\npatches:\n- path: memory.yaml\n",
	"overlays/prod/memory.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: chrome, resources: {limits: {memory: 512Mi}}}]}}}}\n",
	"charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n",
	"charts/web/values.yaml", "image: nginx\n",
	"charts/web/templates/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}\nspec: {containers: [{name: a, image: {{ .Values.image | quote }}}]}\n",
	"values-prod.yaml", "image: selenium/node-chrome\n",
	"broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a\n",
}

func TestReview_RendersKustomizationsByKubectl(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, repository...)
	for _, args := range [][]string{{"kubectl-shm", "review"}, {"kubectl", "shm", "review"}} {
		got := execute(t, dir, append(args, "-k", "overlays/prod")...)
		if got.status != 0 || !strings.HasPrefix(got.out, "Mutated  Deployment/default/prod-web  selenium  2Gi\n") || !strings.Contains(got.out, `from 512Mi to 2565Mi`) {
			t.Errorf("%v: got %+v", args, got)
		}
	}
	got := execute(t, dir, "kubectl-shm", "review", "-k", "overlays/prod", "-o", "json")
	var results []struct {
		File string
		Line int
	}
	if err := json.Unmarshal([]byte(got.out), &results); err != nil || len(results) != 1 || results[0].File != "overlays/prod/kustomization.yaml" || results[0].Line != 1 {
		t.Errorf("%v: got %+v", err, got)
	}
}

func TestReview_RendersChartsByHelm(t *testing.T) {
	if err := build(t.Context(), ".", "helm", "helm.sh/helm/v4/cmd/helm"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, repository...)
	got := execute(t, dir, "kubectl-shm", "review", "-k", "charts/web", "--values", "values-prod.yaml", "-n", "shop")
	if got.status != 0 || !strings.HasPrefix(got.out, "Mutated  Pod/shop/web  selenium  2Gi\n") {
		t.Errorf("got %+v", got)
	}
	if got := execute(t, dir, "kubectl-shm", "review", "-k", "charts/web"); got.status != 0 || !strings.Contains(got.out, "1 NotMatched") {
		t.Errorf("with the chart's own values: got %+v", got)
	}
}

func TestReview_WhatCannotBeRenderedIsSaid(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, append([]string{"bad/kustomization.yaml", "resources: [missing.yaml]\n", "-k/kustomization.yaml", "resources: [pod.yaml]\n", "-k/pod.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: nginx}]}}\n", "none/kustomization.yaml", "resources: []\n"}, repository...)...)
	for _, test := range []struct{ dir, want string }{
		{"bad", "error: -k: bad: kubectl kustomize bad failed: "},
		{"nowhere", "error: -k: nowhere: has neither a kustomization.yaml nor a Chart.yaml: name the directory of a kustomization or of a Helm chart\n"},
		{"none", "error: none: there is no object in it: check what wrote it\n"},
		{"./-k", ""},
	} {
		if got := execute(t, dir, "kubectl-shm", "review", "-k", test.dir); !strings.HasPrefix(got.errOut, test.want) || (got.status == 2) != (test.want != "") {
			t.Errorf("%s: got %+v, want %q", test.dir, got, test.want)
		}
	}
	if got := execute(t, dir, "kubectl-shm", "review", "-k", "overlays/prod", "--values", "values-prod.yaml"); got.status != 2 || !strings.Contains(got.errOut, "--values: overlays/prod has a kustomization and no Helm chart") {
		t.Errorf("got %+v", got)
	}
	empty := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "kubectl-shm"), "review", "-k", "charts/web")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + empty}
	out, err := cmd.CombinedOutput()
	if want := "error: -k: charts/web: helm is not on the PATH: install it, or render elsewhere and review the result with -f -\n"; err == nil || string(out) != want {
		t.Errorf("without helm: %v: got %s, want %s", err, out, want)
	}
}

// kubectl completes the arguments of the plugin.
func TestComplete_ByKubectl(t *testing.T) {
	got := execute(t, t.TempDir(), "kubectl", "__complete", "shm", "review", "--fail-on", "")
	if !strings.HasPrefix(got.out, "changed\nviolating\nnever\n:4\n") {
		t.Errorf("got %+v", got)
	}
	if got := execute(t, t.TempDir(), "kubectl", "__complete", "shm", "po"); !strings.HasPrefix(got.out, "policies\t") {
		t.Errorf("got %+v", got)
	}
}

// What the issue asks for: all that is good is reviewed, what is broken is named, within seconds.
func TestReview_ThousandsOfManifests(t *testing.T) {
	const manifests, most = 5000, 10 * time.Second
	dir := t.TempDir()
	write(t, dir, repository...)
	images := []string{"selenium/node-chrome", "nginx", "harbor.local/ghcr/goauthentik/proxy", "postgres:17", "busybox"}
	for i := range manifests {
		write(t, dir, fmt.Sprintf("apps/%02d/app-%04d.yaml", i%50, i), fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-%d
  namespace: ns-%d
  labels: {app.kubernetes.io/name: app-%d, app.kubernetes.io/managed-by: argocd}
spec:
  replicas: %d
  selector: {matchLabels: {app.kubernetes.io/name: app-%d}}
  template:
    metadata: {labels: {app.kubernetes.io/name: app-%d}}
    spec:
      containers:
      - name: main
        image: %s
        env: [{name: MODE, value: production}]
        resources: {limits: {memory: 512Mi, cpu: "1"}, requests: {memory: 256Mi, cpu: 100m}}
      - {name: proxy, image: "envoyproxy/envoy:v1.36", resources: {limits: {memory: 128Mi}}}
`, i, i%200, i, i%5, i, i, images[i%len(images)]))
	}
	for _, output := range []string{"report", "sarif"} {
		got := execute(t, dir, "kubectl-shm", "review", "-R", "-f", ".", "-o", output)
		t.Logf("%d manifests, a chart, a kustomization and a broken file, -o %s: %.1f s (%.1f s of processor time), %d bytes, exit status %d", manifests, output, got.took.Seconds(), got.cpu.Seconds(), len(got.out), got.status)
		// On a machine that is busy it waits as long as it has to.
		if got.cpu > most {
			t.Errorf("-o %s took %v of processor time, more than %v", output, got.cpu, most)
		}
		if got.status != 2 || !strings.HasPrefix(got.errOut, "error: broken.yaml:3: is not YAML") {
			t.Errorf("-o %s: exit status %d, standard error %.500s", output, got.status, got.errOut)
		}
		switch output {
		case "report":
			// base/deployment.yaml is one more.
			for _, part := range []string{"5001 reviewed under the library's policies: ", "note: 2 kustomizations (base, overlays/prod) are not rendered", "note: charts/web has a Helm chart"} {
				if !strings.Contains(got.out, part) {
					t.Errorf("no %q in the report, which ends with %s", part, got.out[max(0, len(got.out)-1000):])
				}
			}
		case "sarif":
			validSARIF(t, []byte(got.out))
		}
	}
}
