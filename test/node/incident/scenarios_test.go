//go:build linux && node

package incident

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

const mib = 1 << 20

// As on the day: nobody has opted the namespace in, and the container has the runtime's /dev/shm.
func TestDefaultDevShm_Fills(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "not-opted-in", "")
	p.deploy(nil)
	o := p.running()
	if v := o.mustVolume(); v.Type != "tmpfs" || v.SizeBytes != 64*mib || v.UsedBytes != 0 {
		t.Fatalf("at the start /dev/shm is %+v; want an empty tmpfs of 64 MiB", v)
	}
	l := o.send(t)
	stop := o.watch(t, l)
	eventually(t, 2*time.Minute, func(context.Context) error {
		if refused := l.refused.Load(); refused < 5000 {
			return fmt.Errorf("%d sessions were refused", refused)
		}
		return nil
	})
	l.stop()
	samples := stop()

	v := o.mustVolume()
	if v.Saved != 16384 || v.UsedBytes != 64*mib {
		t.Errorf("%d sessions were saved in %d bytes; want 16384 in 64 MiB", v.Saved, v.UsedBytes)
	}
	if saved, failed := l.saved.Load(), l.failed.Load(); saved > v.Saved || failed > 0 {
		t.Errorf("of the requests %d were answered 302 and %d in another way; want at most %d and none", saved, failed, v.Saved)
	}
	for range 100 {
		if status, err := o.session(t.Context()); err != nil || status != http.StatusBadRequest {
			t.Fatalf("with a full /dev/shm a request is answered %d, %v; want 400", status, err)
		}
	}
	expect(t, 1, "the runtime's 64 MiB are full after", hours(16384.0/createdPerMinute/60), hours(l.fullAfter().Hours()), near)
	// Nothing in the kubelet's statistics tells of it.
	if found := o.volumesInSummary(); len(found) > 0 {
		t.Errorf("/stats/summary lists %v; the runtime's /dev/shm used not to be in it", found)
	}
	o.mustNotHaveRestarted()
	record(1, "the runtime's 64Mi", fmt.Sprintf("full after %.0f hours", l.fullAfter().Hours()), samples)
	t.Logf("full after %s; %d files, %d of them empty: a refused save leaves its file behind", span(l.fullAfter()), v.Files, v.Files-v.Saved)
}

// The first repair: a volume of 512Mi by hand, in a Pod that may use 256Mi.
func TestNaiveRepair_IsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "naive-repair", "")
	p.deploy(func(spec *corev1.PodSpec) {
		mount(spec, resource.MustParse("512Mi"))
	})
	o := p.running()
	if v := o.mustVolume(); v.Type != "tmpfs" || v.SizeBytes != 256*mib {
		t.Fatalf("/dev/shm is %+v; want the 512Mi clamped to a tmpfs of 256 MiB", v)
	}
	l := o.send(t)
	stop := o.watch(t, l)
	ends := o.ended(t, 3)
	l.stop()
	samples := stop()
	for i := range ends {
		if err := oomKilled(&ends[i]); err != nil {
			t.Errorf("end %d of the container: %v", i+1, err)
		}
	}
	if refused := l.refused.Load(); refused > 0 {
		t.Errorf("%d sessions were refused because the volume was full; the container should have been killed before", refused)
	}
	first := samples.peak(0, func(s sample) int64 { return s.used })
	if first >= 256*mib || first < 128*mib {
		t.Fatalf("the container was killed with %d bytes in the volume; want it nearly full, and not full", first)
	}
	killed := stayedFull(t, samples, first)
	for i := range ends[1:] {
		if d := lasted(ends[i+1]); d > 3*time.Second {
			t.Errorf("container %d lasted %s; want it killed as soon as it writes", i+2, d)
		}
	}
	if failed := l.failed.Load(); failed == 0 {
		t.Errorf("every request was answered, while the container was being killed")
	}
	if restarts := o.pod.Status.ContainerStatuses[0].RestartCount; restarts < 2 {
		t.Errorf("the container was restarted %d times; want it at least twice", restarts)
	}
	o.mustBeInSummary("shm", 256*sizing.MiB)
	record(2, "512Mi by hand", fmt.Sprintf("OOM-killed at %d MiB in a Pod limited to 256Mi, and again at each start", first/mib), samples)
	t.Logf("killed at %d MiB in the volume, %s after the start; the second and third container lasted %s and %s", first/mib,
		span(killed), lasted(ends[1]), lasted(ends[2]))
}

// ended waits until the container has ended so many times, and returns how.
func (o *outpost) ended(t *testing.T, times int) []corev1.ContainerStateTerminated {
	t.Helper()
	var ends []corev1.ContainerStateTerminated
	seen := map[string]bool{}
	eventually(t, 3*time.Minute, func(ctx context.Context) error {
		if err := o.refresh(ctx); err != nil {
			return err
		}
		for i := range o.pod.Status.ContainerStatuses {
			status := &o.pod.Status.ContainerStatuses[i]
			for _, ended := range []*corev1.ContainerStateTerminated{status.State.Terminated, status.LastTerminationState.Terminated} {
				if ended != nil && !seen[ended.ContainerID] {
					seen[ended.ContainerID] = true
					ends = append(ends, *ended)
				}
			}
		}
		if len(ends) < times {
			return fmt.Errorf("the container has ended %d times", len(ends))
		}
		return nil
	})
	return ends
}

// stayedFull returns when the volume was full, which is when the first container was killed. It
// hardly grows any more then; and what is in it stays.
func stayedFull(t *testing.T, samples series, full int64) time.Duration {
	t.Helper()
	at := slices.IndexFunc(samples, func(s sample) bool { return s.used > full*99/100 })
	for _, s := range samples[at:] {
		if s.used < full*99/100 {
			t.Fatalf("%s after the start the volume has %d bytes, after %d when the container was killed: somebody has emptied it", span(s.at), s.used, full)
		}
	}
	return samples[at].at
}

func lasted(end corev1.ContainerStateTerminated) time.Duration {
	return end.FinishedAt.Sub(end.StartedAt.Time)
}

// mount gives all containers a Memory emptyDir at /dev/shm.
func mount(spec *corev1.PodSpec, limit resource.Quantity) {
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "shm", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &limit},
	}})
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			containers[i].VolumeMounts = append(containers[i].VolumeMounts, corev1.VolumeMount{Name: "shm", MountPath: "/dev/shm"})
		}
	}
}

// A policy whose max is below the required size: the volume fills, when it was said to.
func TestSaturated_FillsWhenPredicted(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "saturated", "enforce")
	size := p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "256Mi"}})
	if !size.Saturated || size.FullAfter == 0 {
		t.Fatalf("with a max of 256Mi the size is %+v; want it saturated", size)
	}
	sufficient, err := node.Kubectl(t.Context(), "get", "sharedmemorypolicy", p.namespace, "-o", `jsonpath={.status.conditions[?(@.type=="SizeSufficient")].status}`)
	if err != nil || sufficient != "False" {
		t.Errorf("the policy's condition SizeSufficient is %q, %v; want False", sufficient, err)
	}
	p.deploy(nil)
	o := p.running()
	l := o.send(t)
	stop, told := o.watch(t, l), o.watchUsage(t, l, "shmkeeper-shm")
	eventually(t, 3*time.Minute, func(context.Context) error {
		if refused := l.refused.Load(); refused < 1000 {
			return fmt.Errorf("%d sessions were refused", refused)
		}
		return nil
	})
	l.stop()
	samples := stop()
	v := o.mustVolume()
	if v.Saved != size.CapacityFiles || v.UsedBytes != int64(size.Limit) {
		t.Errorf("%d sessions were saved in %d bytes; want %d in %s", v.Saved, v.UsedBytes, size.CapacityFiles, size.Limit)
	}
	expect(t, 4, "the volume is full after", hours(size.FullAfter.Hours()), hours(l.fullAfter().Hours()), near)
	p.mustLearn(told())
	mustForecast(t, told(), samples, l.fullAfter(), p.sweepInterval)
	o.mustTell(t, "shmkeeper-shm")
	if failed := l.failed.Load(); failed > 0 {
		t.Errorf("%d requests were answered neither 302 nor 400; want none", failed)
	}
	eventually(t, time.Minute, func(context.Context) error {
		if summary := o.mustBeInSummary("shmkeeper-shm", size.Limit); summary.used != int64(size.Limit) {
			return fmt.Errorf("/stats/summary has %d bytes; want the volume full with %s", summary.used, size.Limit)
		}
		return nil
	})
	// Full is not out of memory: the charge has been added to the limit.
	o.mustOutliveAWeek(t, int(size.MeanFiles)-int(v.Files))
	record(4, "cut by max: 256Mi", fmt.Sprintf("full after %.1f days, as predicted", l.fullAfter().Hours()/24), samples)
}

// Audit: nothing changes, and the audit log says what would have.
func TestAudit_ChangesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "audited", "audit")
	size := p.applyPolicy(nil)
	p.deploy(nil)
	o := p.running()
	if v := o.mustVolume(); v.SizeBytes != 64*mib {
		t.Errorf("/dev/shm is %+v; want the runtime's 64 MiB", v)
	}
	container := &o.pod.Spec.Containers[0]
	if limit := container.Resources.Limits.Memory(); limit.String() != limitOfNamespace || container.Resources.Requests.Memory().String() != "64Mi" {
		t.Errorf("the container has the resources %v; want the LimitRange's", container.Resources)
	}
	if len(o.pod.Spec.Volumes) != 1 || len(container.VolumeMounts) != 1 {
		t.Errorf("the Pod has the volumes %v, mounted at %v; want the service account's token alone", o.pod.Spec.Volumes, container.VolumeMounts)
	}
	for name := range o.pod.Annotations {
		if strings.HasPrefix(name, "shmkeeper.dev/") {
			t.Errorf("the Pod has the annotation %q", name)
		}
	}
	annotations := map[string]string{}
	eventually(t, 30*time.Second, func(context.Context) error {
		events, err := node.AuditEvents()
		if err != nil {
			return err
		}
		for i := range events {
			if e := &events[i]; e.Verb == "create" && e.ObjectRef != nil && e.ObjectRef.Resource == "pods" && e.ObjectRef.Namespace == p.namespace {
				for name, value := range e.Annotations {
					if strings.Contains(name, "shmkeeper") {
						annotations[name] = value
					}
				}
			}
		}
		if len(annotations) == 0 {
			return fmt.Errorf("no request for a Pod in %q has an annotation of shmkeeper in the audit log", p.namespace)
		}
		return nil
	})
	for name, want := range map[string]string{
		"mode": "audit", "policy": p.namespace, "outcome": "Mutated", "reason": "AddVolume", "size-limit": size.Limit.String(),
	} {
		if got := annotations["report.pods.shmkeeper.dev/"+name]; got != want {
			t.Errorf("the audit log has the %s %q; want %q", name, got, want)
		}
	}
	detail := annotations["report.pods.shmkeeper.dev/detail"]
	if want := "adds a Memory emptyDir of " + size.Limit.String() + " and mounts it at /dev/shm in \"proxy\", raises the memory limit"; !strings.HasPrefix(detail, want) {
		t.Errorf("the audit log has the detail %q; want it to begin with %q", detail, want)
	}
	t.Log(detail)
}

// A policy that only validates: the controller cannot create the Pod, and its event says why and what to do.
func TestRejected_EventOfTheReplicaSet(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "validate-only", "enforce")
	size := p.applyPolicy(map[string]any{"mutation": "Disabled"})
	p.deploy(nil)
	want := fmt.Sprintf("violates SharedMemoryPolicy %q: container \"proxy\" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: "+
		"mount a Memory emptyDir with sizeLimit: %s there", p.namespace, size.Limit)
	eventually(t, time.Minute, func(ctx context.Context) error {
		events, err := node.Client.CoreV1().Events(p.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range events.Items {
			e := &events.Items[i]
			if e.InvolvedObject.Kind != "ReplicaSet" || e.Reason != "FailedCreate" {
				continue
			}
			if !strings.HasSuffix(e.Message, want) {
				t.Errorf("the ReplicaSet's event says %q; want it to end in %q", e.Message, want)
			}
			return nil
		}
		return fmt.Errorf("the ReplicaSet has no event FailedCreate")
	})
}
