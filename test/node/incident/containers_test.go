//go:build linux && node

package incident

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Two containers write into the one volume, and each is charged for what it wrote itself.
func TestVolume_SharedByTwoContainers(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "two-containers", "enforce")
	size := p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "128Mi"}, "writers": map[string]any{"names": []any{"*"}}})
	p.deploy(func(spec *corev1.PodSpec) {
		second := *spec.Containers[0].DeepCopy()
		second.Name = "second"
		second.Env = append(second.Env, corev1.EnvVar{Name: "LISTEN", Value: ":9001"})
		spec.Containers = append(spec.Containers, second)
	})
	first := p.running()
	second := first
	second.url = "http://" + first.pod.Status.PodIP + ":9001"
	eventually(t, time.Minute, func(ctx context.Context) error {
		_, err := second.get(ctx, "GET", "/healthz", nil)
		return err
	})

	capacity := int(size.Limit) / 4096
	half := capacity / 2
	if got := first.fill(half, fileSize, "long", "a"); got != half {
		t.Errorf("the first container could create %d of %d files", got, half)
	}
	if got := second.fill(capacity, fileSize, "long", "b"); got != capacity-half {
		t.Errorf("the second container could create %d files after the first one's %d; want %d", got, half, capacity-half)
	}
	for name, o := range map[string]outpost{"first": first, "second": second} {
		if v := o.mustVolume(); v.SizeBytes != int64(size.Limit) || v.UsedBytes != int64(size.Limit) {
			t.Errorf("the %s container sees %+v; want the one volume of %s, full", name, v, size.Limit)
		}
	}
	// Any of them may be the one that writes everything, so each has the memory for it.
	for i := range first.pod.Spec.Containers {
		container := &first.pod.Spec.Containers[i]
		if got, want := sizing.BytesOf(container.Resources.Limits[corev1.ResourceMemory]), limitOf(256*sizing.MiB, size); got != want {
			t.Errorf("container %q has a memory limit of %s; want 256Mi and the memory cost, %s", container.Name, got, want)
		}
	}
	first.mustNotHaveRestarted()
}

// The volume outlives its container: the next one finds it full, and is neither killed nor served.
func TestVolume_OutlivesARestart(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "restart", "enforce")
	size := p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "128Mi"}})
	p.deploy(nil)
	o := p.running()
	capacity := int(size.Limit) / 4096
	if got := o.fill(capacity+1, fileSize, "long", "a"); got != capacity {
		t.Fatalf("%d files fitted; want %d", got, capacity)
	}
	o.signal(syscall.SIGKILL)
	eventually(t, time.Minute, func(ctx context.Context) error {
		if err := o.refresh(ctx); err != nil {
			return err
		}
		if status := &o.pod.Status.ContainerStatuses[0]; status.RestartCount != 1 || status.State.Running == nil {
			return fmt.Errorf("the container was restarted %d times, and is now %+v", status.RestartCount, status.State)
		}
		_, err := o.get(ctx, "GET", "/healthz", nil)
		return err
	})
	if v := o.mustVolume(); v.UsedBytes != int64(size.Limit) {
		t.Errorf("after the restart the volume has %d bytes; want it full with %s", v.UsedBytes, size.Limit)
	}
	for range 200 {
		if status, err := o.session(t.Context()); err != nil || status != 400 {
			t.Fatalf("after the restart a request is answered %d, %v; want 400, as the volume is full", status, err)
		}
	}
	if err := o.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := &o.pod.Status.ContainerStatuses[0]; status.RestartCount != 1 {
		t.Errorf("the container was restarted once more: %+v", status.LastTerminationState.Terminated)
	}
	// What the first container wrote counts for the Pod, whose limit is that of the one container.
	pod := o.mustPodCharge()
	if pod.memory < int64(size.Limit) || pod.limit != int64(limitOf(256*sizing.MiB, size)) {
		t.Errorf("the Pod's cgroup is charged for %d of %d bytes; want at least %s of %s", pod.memory, pod.limit, size.Limit, limitOf(256*sizing.MiB, size))
	}
}

// Resources of the Pod as a whole: they are raised, and the kubelet clamps by them.
func TestVolume_PodLevelResources(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "pod-level", "enforce")
	size := p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "512Mi"}})
	p.deploy(func(spec *corev1.PodSpec) {
		spec.Resources = &corev1.ResourceRequirements{
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("300Mi")},
			Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("300Mi")},
		}
	})
	o := p.running()
	if got, want := sizing.BytesOf(o.pod.Spec.Resources.Limits[corev1.ResourceMemory]), limitOf(300*sizing.MiB, size); got != want {
		t.Errorf("the Pod has a memory limit of %s; want 300Mi and the memory cost, %s", got, want)
	}
	capacity := int(size.Limit) / 4096
	before := o.settled()
	if got := o.fill(capacity+1, fileSize, "long", "a"); got != capacity {
		t.Errorf("%d files fitted; want %d, all of %s", got, capacity, size.Limit)
	}
	o.expectAllMemory(7, "all memory of a full volume of "+size.Limit.String()+", paid for by the Pod's own limit", int64(capacity), before)
	if pod := o.mustPodCharge(); pod.limit != int64(limitOf(300*sizing.MiB, size)) {
		t.Errorf("the Pod's cgroup has a limit of %d; want 300Mi and the memory cost", pod.limit)
	}
	o.mustNotHaveRestarted()
}

// An init container has written to the volume before: it is charged to the Pod, and there is still room for all.
func TestVolume_FilesOfAnInitContainer(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "init-container", "enforce")
	size := p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "256Mi"}})
	capacity := int(size.Limit) / 4096
	early := capacity / 4
	p.deploy(func(spec *corev1.PodSpec) {
		first := *spec.Containers[0].DeepCopy()
		first.Name = "before"
		first.Env = nil
		first.Command = []string{"/sessionwriter", "fill", "--dir=/dev/shm", fmt.Sprintf("--count=%d", early), fmt.Sprintf("--size=%d", fileSize)}
		spec.InitContainers = []corev1.Container{first}
		mount(spec, resource.MustParse("64Mi"))
	})
	o := p.running()
	v := o.mustVolume()
	if v.SizeBytes != int64(size.Limit) || v.UsedBytes != int64(early)*4096 {
		t.Errorf("/dev/shm is %+v; want %s, which 64Mi were raised to, with the %d files of the init container", v, size.Limit, early)
	}
	if got := o.fill(capacity, fileSize, "long", "a"); got != capacity-early {
		t.Errorf("%d files fitted after those of the init container; want %d", got, capacity-early)
	}
	if v := o.mustVolume(); v.UsedBytes != int64(size.Limit) {
		t.Errorf("the volume has %d bytes; want it full with %s", v.UsedBytes, size.Limit)
	}
	o.mustNotHaveRestarted()
}

// signal sends a signal to the first process of the Pod's first container.
func (o *outpost) signal(s syscall.Signal) {
	o.t.Helper()
	pids, err := o.processes()
	if err != nil {
		o.t.Fatal(err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil {
			o.t.Fatalf("process %d of the container: %v", pid, err)
		}
	}
}
