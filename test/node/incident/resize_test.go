//go:build linux && node

package incident

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
)

// resized is what `kubectl shm resize` says.
type resized struct {
	Changes []struct {
		Volume, Container, Field, From, To, Why string
		Possible                                bool
	}
	Applied *struct {
		Done             bool
		Pending, Message string
	}
}

// possible says which fields of a Pod the cluster changes.
func (r *resized) possible() map[string]bool {
	out := map[string]bool{}
	for _, c := range r.Changes {
		out[c.Field] = c.Possible
	}
	return out
}

// A volume at 90 % is enlarged in place, and no request fails. The kubelet does not do it on cgroup
// v1: there the memory is raised, and the plugin says what is not possible.
func TestResize_EnlargesAVolumeInPlace(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "enlarged", "")
	// 12 requests a second: in User Mode Linux a command takes many seconds, in which the last tenth must not fill.
	p.workload = workload{timeFactor: 40, retention: 168 * time.Hour, sweepInterval: time.Hour}
	size := p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "256Mi"}})
	p.deploy(func(spec *corev1.PodSpec) { mount(spec, resource.MustParse("64Mi")) })
	o := p.running()
	const small = 64 * mib / pageSize
	o.fill(small*9/10, fileSize, "long", "session_")
	var dry, done resized
	printed, _, _ := o.shm("resize", o.pod.Name)
	if isolate.V2() {
		o.mustBeShown("resize -n enlarged "+podName.String(), "", printed)
	}
	o.shmJSON(&dry, 0, "resize", o.pod.Name)
	if possible := dry.possible(); !possible["sizeLimit"] || !possible["limits.memory"] || dry.Applied != nil {
		t.Errorf("a dry run says %+v; want that the API server takes all of it, and nothing done", dry)
	}
	if v := o.mustVolume(); v.SizeBytes != 64*mib {
		t.Fatalf("after a dry run the volume is %+v; want it as it was", v)
	}
	l := o.send(t)
	status := 0
	if !isolate.V2() {
		status = 1
	}
	o.shmJSON(&done, status, "resize", o.pod.Name, "--dry-run=none")
	possible := done.possible()
	if done.Applied == nil || !done.Applied.Done || !possible["limits.memory"] || possible["sizeLimit"] != isolate.V2() {
		t.Errorf("the resize says %+v; want the memory raised, and the volume enlarged on cgroup v2", done)
	}
	raise := size.MemoryCost.RoundUp(sizing.MiB) - size.MemoryCostOf(64*sizing.MiB).RoundUp(sizing.MiB)
	if got, want := o.mustCharge().limit, int64(256*sizing.MiB+raise); got != want {
		t.Errorf("the container's cgroup is limited to %d bytes; want 256Mi and what the larger volume costs more, %d", got, want)
	}
	if !isolate.V2() {
		if v := o.mustVolume(); v.SizeBytes != 64*mib {
			t.Errorf("the volume is %+v; want it as it was, as the kubelet does not resize it on cgroup v1", v)
		}
		o.mustNotHaveRestarted()
		return
	}
	if v := o.mustVolume(); v.SizeBytes != int64(size.Limit) {
		t.Fatalf("the volume is %+v; want %s", v, size.Limit)
	}
	// More than the volume could hold before, while requests go on.
	if got := o.fill(small/5, fileSize, "long", "session_"); got != small/5 {
		t.Errorf("%d of %d further files could be created", got, small/5)
	}
	saved := l.saved.Load()
	eventually(t, 3*time.Minute, func(context.Context) error {
		if more := l.saved.Load() - saved; more < 100 {
			return fmt.Errorf("%d requests were answered since there are more files than fitted before", more)
		}
		return nil
	})
	l.stop()
	if refused, failed := l.refused.Load(), l.failed.Load(); refused+failed > 0 || l.saved.Load() == 0 {
		t.Errorf("%d requests were answered 400, %d in another way, %d well; want none, none and all", refused, failed, l.saved.Load())
	}
	t.Logf("%d requests were answered well from before the resize until after it, and none in another way", l.saved.Load())
	o.mustNotHaveRestarted()
}

// The naive repair's loop ends when the Pod's limit is raised in place, and what is in the volume
// stays.
func TestResize_EndsTheOOMLoop(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "loop-resized", "")
	p.workload = unhurried
	// Of the size that the volume claims to have: the memory alone is raised, which every cgroup version does.
	p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "512Mi"}})
	p.deploy(func(spec *corev1.PodSpec) { mount(spec, resource.MustParse("512Mi")) })
	o := p.running()
	first := o.fillUntilKilled(0)
	o.fillUntilKilled(1)
	o.fillUntilKilled(2)

	var d diagnosis
	diagnosed, _, _ := o.shm("diagnose", o.pod.Name)
	o.mustBeShown("diagnose", "CAUSE    Container", diagnosed)
	o.shmJSON(&d, 0, "diagnose", o.pod.Name)
	if d.Reason != "OOMLoop" || len(d.Now) == 0 || !strings.HasPrefix(d.Now[0].Command, "kubectl shm resize "+o.pod.Name) {
		t.Errorf("diagnose says %+v; want the loop, and a resize first", d)
	}
	var done resized
	o.shmJSON(&done, 0, "resize", o.pod.Name, "--dry-run=none", "--timeout", "4m")
	if done.Applied == nil || !done.Applied.Done {
		t.Fatalf("the resize says %+v; want it done", done)
	}
	if err := o.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	restarts := o.status().RestartCount
	eventually(t, 6*time.Minute, func(ctx context.Context) error {
		if err := o.refresh(ctx); err != nil {
			return err
		}
		if s := o.status(); s.State.Running == nil {
			return fmt.Errorf("the container is not running: %+v", s.State)
		}
		restarts = o.status().RestartCount
		_, err := o.get(ctx, http.MethodGet, "/healthz", nil)
		return err
	})
	// It writes until the volume, which keeps its size until there is a new Pod, is full, and is not killed.
	v := o.mustVolume()
	if v.UsedBytes < first*99/100 || v.SizeBytes != 256*mib {
		t.Errorf("the volume is %+v; want the %d bytes that were in it, in the 256 MiB that it was mounted with", v, first)
	}
	free := int((v.SizeBytes - v.UsedBytes) / pageSize)
	if got := o.fill(free+1, fileSize, "long", "z"); got != free {
		t.Errorf("%d files fitted; want %d, all that is free", got, free)
	}
	for range 100 {
		if status, err := o.session(t.Context()); err != nil || status != http.StatusBadRequest {
			t.Fatalf("with a full volume a request is answered %d, %v; want 400, and no OOM kill", status, err)
		}
	}
	if err := o.refresh(t.Context()); err != nil || o.status().RestartCount != restarts {
		t.Errorf("the container was restarted %d times, %v; want %d, as the loop has ended", o.status().RestartCount, err, restarts)
	}
}
