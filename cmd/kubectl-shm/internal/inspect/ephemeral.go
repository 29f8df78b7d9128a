package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// DefaultImage is the image of the ephemeral container: any with a shell, stat, find, awk and sleep
// will do.
const DefaultImage = "docker.io/library/busybox:1.37"

// LeftBehind says what an ephemeral container leaves in a Pod.
const LeftBehind = "It ends on its own after 15 minutes. Its entry in the Pod's spec.ephemeralContainers and its image on the node stay: the former until the Pod is deleted, since Kubernetes removes none before."

const (
	readerPrefix = "shm-reader-"
	// readerLife ends the container after 15 minutes if nothing stops it. The trap lets the Pod be deleted without waiting
	// for its grace period.
	readerLife  = "trap 'exit 0' TERM INT; sleep 900 & wait $!"
	readerUser  = int64(65532)
	readerStart = 2 * time.Minute
)

// AddContainer adds an ephemeral container to a Pod, from which the mounts can be read, and returns
// it when it runs. One that an earlier call has added is used again. The user needs the right to patch
// pods/ephemeralcontainers and to create pods/exec.
func (r *Reader) AddContainer(ctx context.Context, pod *corev1.Pod, image string, mounts []Mount) (Target, error) {
	t := Target{Namespace: pod.Namespace, Pod: pod.Name}
	if name, ok := earlierReader(pod, mounts); ok {
		t.Container = name
		return t, nil
	}
	c := readerContainer(pod, image, mounts)
	t.Container = c.Name
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID},
		"spec":     map[string]any{"ephemeralContainers": []corev1.EphemeralContainer{c}},
	})
	if err != nil {
		return t, fmt.Errorf("the ephemeral container: %w", err)
	}
	current := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	if err := r.Client.SubResource("ephemeralcontainers").Patch(ctx, current, client.RawPatch(types.StrategicMergePatchType, patch)); err != nil {
		return t, fmt.Errorf("add an ephemeral container to Pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, readerStart, true, func(ctx context.Context) (bool, error) {
		if err := r.Client.Get(ctx, client.ObjectKeyFromObject(pod), current); err != nil {
			return false, err
		}
		var done bool
		done, last = hasStarted(current, c.Name)
		return done || errors.Is(last, errWillNotStart), nil
	})
	if last != nil {
		return t, fmt.Errorf("container %q of Pod %s/%s: %w: name an image that the node can pull with --image", c.Name, pod.Namespace, pod.Name, last)
	}
	return t, inContainer(t, err)
}

var errWillNotStart = errors.New("the ephemeral container does not start")

// hasStarted reports whether an ephemeral container runs. The error says why it does not yet; if it
// wraps errWillNotStart waiting is in vain.
func hasStarted(pod *corev1.Pod, name string) (bool, error) {
	for i := range pod.Status.EphemeralContainerStatuses {
		s := &pod.Status.EphemeralContainerStatuses[i]
		switch {
		case s.Name != name:
		case s.State.Running != nil:
			return true, nil
		case s.State.Terminated != nil:
			return false, fmt.Errorf("%w: %s, exit code %d %s", errWillNotStart, s.State.Terminated.Reason, s.State.Terminated.ExitCode, s.State.Terminated.Message)
		case s.State.Waiting != nil && s.State.Waiting.Reason != "ContainerCreating" && s.State.Waiting.Reason != "PodInitializing":
			return false, fmt.Errorf("%w: %s: %s", errWillNotStart, s.State.Waiting.Reason, s.State.Waiting.Message)
		}
	}
	return false, errors.New("the ephemeral container has not started yet")
}

// earlierReader returns an ephemeral container of ours that runs and sees the mounts.
func earlierReader(pod *corev1.Pod, mounts []Mount) (string, bool) {
	for i := range pod.Spec.EphemeralContainers {
		c := &pod.Spec.EphemeralContainers[i]
		if strings.HasPrefix(c.Name, readerPrefix) && Running(pod, c.Name) && !slices.ContainsFunc(mounts, func(m Mount) bool { return !sees(c, m) }) {
			return c.Name, true
		}
	}
	return "", false
}

// sees reports whether an ephemeral container sees a mount where the others do.
func sees(c *corev1.EphemeralContainer, m Mount) bool {
	at := slices.IndexFunc(c.VolumeMounts, func(v corev1.VolumeMount) bool { return v.MountPath == m.Path })
	if m.Volume == "" {
		return at < 0
	}
	return at >= 0 && c.VolumeMounts[at].Name == m.Volume
}

// readerContainer returns the container to add. It runs as the user that the Pod's containers run
// as, if the Pod says so, without any capability, and mounts volumes read-only. It sees the runtime's
// own /dev/shm as every container does that mounts nothing there.
func readerContainer(pod *corev1.Pod, image string, mounts []Mount) corev1.EphemeralContainer {
	c := corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
		Name: readerPrefix + rand.String(5), Image: image, Command: []string{"sh", "-c", readerLife},
		ImagePullPolicy: corev1.PullIfNotPresent,
		SecurityContext: &corev1.SecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(readerUser), AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}}
	if s := pod.Spec.SecurityContext; s != nil && s.RunAsUser != nil {
		runAs(&c, s.RunAsUser)
	}
	for _, m := range mounts {
		if m.Volume != "" {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: m.Volume, MountPath: m.Path, ReadOnly: true})
		}
		for _, name := range m.Containers {
			if other := container(pod, name); other != nil && other.SecurityContext != nil && other.SecurityContext.RunAsUser != nil {
				runAs(&c, other.SecurityContext.RunAsUser)
			}
		}
	}
	return c
}

// runAs sets the user of a container. Only root is not runAsNonRoot.
func runAs(c *corev1.EphemeralContainer, user *int64) {
	c.SecurityContext.RunAsUser, c.SecurityContext.RunAsNonRoot = user, new(*user != 0)
}

// Ephemeral says whether an ephemeral container may be added if no container has a shell.
type Ephemeral struct {
	Allowed bool
	Image   string
}

// Add adds the flags that allow an ephemeral container.
func (e *Ephemeral) Add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&e.Allowed, "allow-ephemeral-container", false, "add a container with a shell to Pods that have none; its entry stays until the Pod is deleted")
	cmd.Flags().StringVar(&e.Image, "image", DefaultImage, "`IMAGE` of that container: any with a shell, stat, find and awk")
}

// Validate returns an error if the flags contradict each other.
func (e *Ephemeral) Validate() error {
	if e.Image == "" || strings.ContainsFunc(e.Image, unicode.IsSpace) {
		return fmt.Errorf("--image: %q is not the name of an image: write one such as %s", e.Image, DefaultImage)
	}
	if e.Image != DefaultImage && !e.Allowed {
		return errors.New("--image: it is used only with --allow-ephemeral-container: add that, or leave it out")
	}
	return nil
}
