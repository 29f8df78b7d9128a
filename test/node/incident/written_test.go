//go:build linux && node

package incident

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/test/node/isolate"
)

// These scenarios are those of scenarios_test.go, but files are written at once instead of by
// requests in a time that runs faster: what they show does not depend on the pace, and User Mode
// Linux cannot keep that pace.

// The runtime's /dev/shm.
func TestDefaultDevShm_OneFileForEachPage(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "default-written", "")
	p.deploy(nil)
	o := p.running()
	const files = 64 * mib / pageSize
	before := o.settled()
	got := o.fill(files+1, fileSize, "long", "a")
	expect(t, 1, "files that fit in the runtime's 64 MiB", count(files), count(int64(got)), exactly)
	o.expectAllMemory(1, "all memory of a full volume of 64 MiB", files, before)
	for range 100 {
		if status, err := o.session(t.Context()); err != nil || status != http.StatusBadRequest {
			t.Fatalf("with a full /dev/shm a request is answered %d, %v; want 400", status, err)
		}
	}
	o.mustNotHaveRestarted()
}

// The first repair: the Pod's limit is used up by what the killed container has left in the volume,
// so the next one is killed too, for ever.
func TestNaiveRepair_LoopsWhenTheLimitIsUsedUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "loop-written", "")
	p.deploy(func(spec *corev1.PodSpec) {
		mount(spec, resource.MustParse("512Mi"))
	})
	o := p.running()
	if v := o.mustVolume(); v.SizeBytes != 256*mib {
		t.Fatalf("/dev/shm is %+v; want the 512Mi clamped to 256 MiB", v)
	}
	o.mustBeKilledAsAWhole()
	first := o.fillUntilKilled(0)
	// The most files that the model has room for in the limit, without a byte for the process.
	fits := int64(256*mib) / memoryOf(t, 1) * pageSize
	expect(t, 2, "bytes in the volume when the container with a limit of 256Mi is killed", bytesOf(fits), bytesOf(first), near)
	for restarts := int32(1); restarts < 3; restarts++ {
		if used := o.fillUntilKilled(restarts); used < first || used > first+first/20 {
			t.Errorf("container %d was killed with %d bytes in the volume, the first one with %d; want hardly more, as the Pod's limit is used up", restarts+1, used, first)
		}
	}
}

// The same without a limit of the Pod, which needs every container to have one: each restart adds
// as much again to the node, until the volume is full.
func TestNaiveRepair_WithoutAPodLimit(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "no-pod-limit", "")
	if err := node.Client.CoreV1().LimitRanges(p.namespace).Delete(t.Context(), "defaults", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.deploy(func(spec *corev1.PodSpec) {
		spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limitOfNamespace)}
		unlimited := *spec.Containers[0].DeepCopy()
		unlimited.Name, unlimited.Command, unlimited.Resources = "unlimited", []string{"/sessionwriter", "pause"}, corev1.ResourceRequirements{}
		mount(spec, resource.MustParse("512Mi"))
		spec.Containers = append(spec.Containers, unlimited)
	})
	o := p.running()
	o.container = "proxy"
	if v := o.mustVolume(); v.SizeBytes != 512*mib {
		t.Fatalf("/dev/shm is %+v; want all of the 512Mi", v)
	}
	fits := int64(256*mib) / memoryOf(t, 1) * pageSize
	first := o.fillUntilKilled(0)
	expect(t, 2, "without a Pod limit: bytes in the volume when the first container is killed", bytesOf(fits), bytesOf(first), near)
	second := o.fillUntilKilled(1)
	expect(t, 2, "without a Pod limit: bytes that the second container adds until it is killed", bytesOf(fits), bytesOf(second-first), near)
	o.restarted(2)
	capacity := 512 * mib / pageSize
	if got, want := o.fill(capacity, fileSize, "long", "c"), capacity-int(second/pageSize); got != want {
		t.Errorf("the third container could create %d files; want %d, until the volume is full", got, want)
	}
	if v := o.mustVolume(); v.UsedBytes != 512*mib {
		t.Errorf("the volume has %d bytes; want it full with 512 MiB", v.UsedBytes)
	}
	pod := o.mustPodCharge()
	if pod.limit < 1<<60 || pod.memory < 512*mib {
		t.Errorf("the Pod's cgroup is charged for %d bytes and limited to %d; want all that all containers have written, and no limit", pod.memory, pod.limit)
	}
}

// A policy whose max is below the required size: the volume fills, the container is not killed.
func TestSaturated_IsPaidFor(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "saturated-written", "enforce")
	size := p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "256Mi"}})
	if !size.Saturated {
		t.Fatalf("with a max of 256Mi the size is %+v; want it saturated", size)
	}
	p.deploy(nil)
	o := p.running()
	before := o.settled()
	got := o.fill(int(size.CapacityFiles)+1, fileSize, "long", "a")
	expect(t, 4, "files that fit in 256Mi", count(size.CapacityFiles), count(int64(got)), exactly)
	o.expectAllMemory(4, "all memory of a full volume of 256Mi", size.CapacityFiles, before)
	if want := memoryOf(t, size.CapacityFiles); int64(size.MemoryCost) != want {
		t.Errorf("the memory cost of a volume of %s is %d; want that of its files, %d", size.Limit, int64(size.MemoryCost), want)
	}
	o.mustOutliveAWeek(t, int(size.MeanFiles)-got)
}

// mustOutliveAWeek fails if the container, whose volume is full, does not live on through a week of
// refused sessions. Each leaves an empty file until it is swept, so as many as a retention brings are
// added; the container's own memory has room for their kernel memory.
func (o *outpost) mustOutliveAWeek(t *testing.T, empty int) {
	t.Helper()
	if got := o.fill(empty, 0, "long", "e"); got != empty {
		t.Errorf("%d of %d empty files could be created", got, empty)
	}
	for range 100 {
		if status, err := o.session(t.Context()); err != nil || status != http.StatusBadRequest {
			t.Fatalf("at the end of a week a request is answered %d, %v; want 400", status, err)
		}
	}
	o.mustNotHaveRestarted()
}

// expectAllMemory compares the memory of so many session files, which are all that is in the
// volume, with the model. before is the kernel memory of the container's cgroup when the volume was
// empty.
func (o *outpost) expectAllMemory(scenario int, what string, files, before int64) {
	o.t.Helper()
	kernel := o.settled() - before
	used := o.mustVolume().UsedBytes
	if want := files * pageSize; used != want {
		o.t.Errorf("the volume has %d bytes; want the %d of %d files", used, want, files)
	}
	expect(o.t, scenario, what, bytesOf(memoryOf(o.t, files)), bytesOf(used+kernel), allMemory)
}

// status returns that of the container that is looked at.
func (o *outpost) status() *corev1.ContainerStatus {
	for i := range o.pod.Status.ContainerStatuses {
		if s := &o.pod.Status.ContainerStatuses[i]; o.container == "" || s.Name == o.container {
			return s
		}
	}
	return &corev1.ContainerStatus{}
}

// restarted waits until the container answers after so many restarts.
func (o *outpost) restarted(times int32) {
	o.t.Helper()
	eventually(o.t, 3*time.Minute, func(ctx context.Context) error {
		if err := o.refresh(ctx); err != nil {
			return err
		}
		if s := o.status(); s.RestartCount != times || s.State.Running == nil {
			return fmt.Errorf("the container was restarted %d times, and is now %+v", s.RestartCount, s.State)
		}
		_, err := o.get(ctx, http.MethodGet, "/healthz", nil)
		return err
	})
}

// fillUntilKilled has the container that was restarted so many times write files until it is
// OOM-killed, and returns how many bytes are in the volume then. One that is killed before it
// answers is as good.
func (o *outpost) fillUntilKilled(restarts int32) int64 {
	o.t.Helper()
	asked := false
	eventually(o.t, 5*time.Minute, func(ctx context.Context) error {
		if err := o.refresh(ctx); err != nil {
			return err
		}
		s := o.status()
		if ended := endOf(s, restarts); ended != nil && !o.seen[ended.ContainerID] {
			if err := oomKilled(ended); err != nil {
				o.t.Fatalf("container %d: %v", restarts+1, err)
			}
			if o.seen == nil {
				o.seen = map[string]bool{}
			}
			o.seen[ended.ContainerID] = true
			return nil
		}
		// The status is a second old at times: who asked again could ask the next container.
		if asked {
			return fmt.Errorf("container %d has not answered, and its end is not known yet: %+v", restarts+1, s.State)
		}
		if s.State.Running == nil || s.RestartCount != restarts {
			return fmt.Errorf("container %d is not running: %+v", restarts+1, s.State)
		}
		if _, err := o.get(ctx, http.MethodGet, "/healthz", nil); err != nil {
			return err
		}
		asked = true
		var answer struct {
			Created int
			Error   string
		}
		prefix := string(rune('a' + restarts))
		if _, err := o.get(ctx, http.MethodPost, fmt.Sprintf("/files?count=200000&size=%d&name=long&prefix=%s", fileSize, prefix), &answer); err == nil {
			o.t.Fatalf("container %d has created %d files and then got the error %q; want it killed", restarts+1, answer.Created, answer.Error)
		}
		return fmt.Errorf("the end of container %d is not known yet", restarts+1)
	})
	used, _, err := o.mounted()
	if err != nil {
		o.t.Fatal(err)
	}
	return used
}

// endOf returns how the container ended that was restarted so many times, or a later one; nil if that is not known yet.
func endOf(s *corev1.ContainerStatus, restarts int32) *corev1.ContainerStateTerminated {
	switch {
	case s.RestartCount < restarts:
		return nil
	case s.State.Terminated != nil:
		return s.State.Terminated
	// While the next one waits for its turn, the last state is that of this one.
	case s.RestartCount > restarts || s.State.Waiting != nil:
		return s.LastTerminationState.Terminated
	default:
		return nil
	}
}

// mustBeKilledAsAWhole checks that with cgroup v2 the container has no process left when one is OOM-killed, as the kubelet has it.
func (o *outpost) mustBeKilledAsAWhole() {
	o.t.Helper()
	if !isolate.V2() {
		return // cgroup v1 knows no such thing: one process is killed
	}
	dir, err := o.cgroup()
	if err != nil {
		o.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "memory.oom.group"))
	if err != nil || strings.TrimSpace(string(text)) != "1" {
		o.t.Errorf("memory.oom.group of the container is %q, %v; want 1", text, err)
	}
}

// The steady state for a validity of a few hours, which needs fewer files, at a pace that User Mode Linux keeps. It takes three
// minutes, and as the last test of the last file it begins second: see TestOptedIn_PassesItsSteadyState.
func TestOptedIn_PassesTheSteadyStateOfFewerFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "fewer-files", "enforce")
	p.workload = shift
	p.passesSteadyState(", with a validity of 4 hours", 4*time.Hour)
}
