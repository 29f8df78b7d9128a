//go:build linux && node

package incident

import (
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/internal/runbooks"
)

// tryRunbooks runs the commands of docs/runbooks that need containers, on an outpost whose /dev/shm is full. They empty it.
func (o *outpost) tryRunbooks() {
	t := o.t
	t.Helper()
	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for name, program := range map[string]string{"kubectl": node.Programs.Kubectl, "kubectl-shm": plugin(os.Getenv(dirVariable))} {
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	replicas, err := node.Client.CoreV1().Pods(install.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=shmkeeper"})
	if err != nil || len(replicas.Items) < 2 {
		t.Fatalf("there are %d replicas of shmkeeper, %v; want two", len(replicas.Items), err)
	}
	shell := runbooks.Shell{
		Dir:     root,
		Env:     append(node.KubectlCommand(t.Context()).Env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH")),
		Replace: map[string]string{"NAMESPACE": o.namespace, "POD": o.pod.Name, "REPLICA": replicas.Items[0].Name},
		Instead: map[string]string{"--image=busybox": "--image=" + toolsImage, "sleep 60": "sleep 1"},
	}
	begun := time.Now()
	for _, trial := range runbooks.OnNode {
		if err := trial.Run(t.Context(), shell); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d commands of the runbooks in %s", len(runbooks.OnNode), time.Since(begun).Round(time.Second))
	if v := o.mustVolume(); v.UsedBytes != 0 {
		t.Errorf("after all sessions of an hour ago were deleted, /dev/shm is %+v; want it empty", v)
	}
	if _, err := node.Kubectl(t.Context(), "rollout", "status", "--namespace="+install.Namespace, "--timeout=2m", "deployment/shmkeeper"); err != nil {
		t.Error(err)
	}
}
