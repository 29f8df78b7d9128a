//go:build linux && node

package incident

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

const (
	releaseVersion = "v0.0.0-test"
	releaseImage   = "ghcr.io/shmkeeper/shmkeeper"
)

// releaseIn is the folder of the release that the cluster installs, and layoutArchive its image, for the node.
func releaseIn(dir string) string     { return filepath.Join(dir, "release") }
func layoutArchive(dir string) string { return filepath.Join(dir, "image.tar") }

// buildRelease does what `make release` does, for this machine's processor alone and also if something is not committed.
func buildRelease(ctx context.Context, dir string) error {
	program := filepath.Join(dir, "programs", "release")
	for _, c := range []*exec.Cmd{
		exec.CommandContext(ctx, "go", "build", "-C", "../../../tools/release", "-o", program, "."),
		exec.CommandContext(ctx, program, "-root", "../../..", "-version", releaseVersion, "-image", releaseImage, "-out", releaseIn(dir),
			"-uncommitted", "-platform", "linux/"+runtime.GOARCH),
	} {
		// Git answers nothing about a checkout that somebody else owns, unless it is told that this is all right.
		c.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("build a release: %w\n%s", err, out)
		}
	}
	f, err := os.Create(layoutArchive(dir))
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	return errors.Join(w.AddFS(os.DirFS(filepath.Join(releaseIn(dir), "image"))), w.Close(), f.Close())
}

// installShmkeeper does what docs/how-to/install.md says of a release, and returns when the webhooks answer.
func installShmkeeper(ctx context.Context, dir string) error {
	if _, err := node.Kubectl(ctx, "apply", "--server-side", "-f", filepath.Join(releaseIn(dir), "install.yaml")); err != nil {
		return err
	}
	if _, err := node.Kubectl(ctx, "rollout", "status", "--namespace="+install.Namespace, "--timeout=2m", "deployment/shmkeeper"); err != nil {
		state, _ := node.Kubectl(ctx, "describe", "pods", "--namespace="+install.Namespace)
		logs, _ := node.Kubectl(ctx, "logs", "--namespace="+install.Namespace, "--selector=app.kubernetes.io/name=shmkeeper", "--tail=40")
		return fmt.Errorf("shmkeeper does not run: %w\n%s\n%s", err, state, logs)
	}
	return nil
}

// The image of the release runs on a node as install.yaml has it: by its digest, as nobody in particular, with nothing to write to,
// in a namespace that enforces the restricted Pod Security Standard. That it answers, the other tests need.
func TestRelease_ImageRuns(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	namespace, err := node.Client.CoreV1().Namespaces().Get(ctx, install.Namespace, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := namespace.Labels["pod-security.kubernetes.io/enforce"]; got != "restricted" {
		t.Errorf("the namespace enforces the Pod Security Standard %q, want restricted", got)
	}
	digest := releasedDigest(t)
	pods, err := node.Client.CoreV1().Pods(install.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=shmkeeper"})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("%d Pods, %v", len(pods.Items), err)
	}
	for i := range pods.Items {
		checkServerPod(t, &pods.Items[i], digest)
	}
}

// releasedDigest returns the image's digest, from the layout.
func releasedDigest(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(releaseIn(os.Getenv(dirVariable)), "image", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Manifests []struct{ Digest string } }
	if err := json.Unmarshal(text, &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	return index.Manifests[0].Digest
}

func checkServerPod(t *testing.T, pod *corev1.Pod, digest string) {
	t.Helper()
	c := pod.Spec.Containers[0]
	if want := releaseImage + ":" + releaseVersion + "@" + digest; c.Image != want {
		t.Errorf("the Pod %s has the image %q, want %q", pod.Name, c.Image, want)
	}
	if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		t.Errorf("the Pod %s has the security context %+v, want a root file system that is read-only", pod.Name, s)
	}
	if s := pod.Status.ContainerStatuses; len(s) != 1 || !s[0].Ready || !strings.HasSuffix(s[0].ImageID, digest) {
		t.Errorf("the Pod %s has the status %+v, want one container that is ready, of %s", pod.Name, s, digest)
	}
	if s := pod.Spec.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser != nil {
		t.Errorf("the Pod %s has the security context %+v, want the user of the image, and that the kubelet refuses root", pod.Name, s)
	}
}
