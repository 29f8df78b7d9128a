//go:build linux && node

package incident

import (
	"fmt"
	"math"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// With shmkeeper: more than a week goes by, and nobody is refused.
//
// Of all tests this one takes longest. Those that run in parallel begin with the first test of the first
// file, and then with the last of the last: elsewhere it would begin when others are done.
func TestOptedIn_PassesItsSteadyState(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "opted-in", "enforce")
	size, samples := p.passesSteadyState("", 24*time.Hour)
	record(3, fmt.Sprintf("%s computed", size.Limit), "steady from the seventh day on", samples)
}

// passesSteadyState deploys an outpost and sends requests for longer than a file is kept, by a time
// that is given. The lines of scenario 3 end in which.
func (p place) passesSteadyState(which string, longer time.Duration) (sizing.Size, series) {
	t := p.t
	t.Helper()
	size := p.applyPolicy(nil)
	p.deploy(nil)
	o := p.running()
	before := o.mustCharge()
	if v := o.mustVolume(); v.SizeBytes != int64(size.Limit) || v.Type != "tmpfs" {
		t.Fatalf("/dev/shm is %+v; want a tmpfs of %s", v, size.Limit)
	}
	if want := int64(limitOf(256*sizing.MiB, size)); before.limit != want {
		t.Errorf("the memory limit of the container's cgroup is %d; want 256Mi and the memory cost, %d", before.limit, want)
	}
	if got, want := sizing.BytesOf(o.pod.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory]), (size.AverageUse + 64*sizing.MiB).RoundUp(sizing.MiB); got != want {
		t.Errorf("the container requests %s of memory; want its own 64Mi and what is in use on average, %s", got, want)
	}

	l := o.send(t)
	stop, told := o.watch(t, l), o.watchUsage(t, l, "shmkeeper-shm")
	time.Sleep((p.retention + longer) / time.Duration(p.timeFactor)) // the time that is tested
	last := o.mustVolume()
	summary := o.mustBeInSummary("shmkeeper-shm", size.Limit)
	l.stop()
	samples := stop()
	p.mustLearnAll(told())
	if refused, failed := l.refused.Load(), l.failed.Load(); refused+failed > 0 || last.Refused > 0 {
		t.Errorf("%d requests were answered 400 and %d in another way; want none", refused, failed)
	}
	o.mustNotHaveRestarted()
	if last.Sweeps == 0 || last.Swept == 0 {
		t.Errorf("the writer has swept %d files in %d sweeps: this is not a steady state", last.Swept, last.Sweeps)
	}

	t.Logf("%d sessions in %s, of which %d were swept; the longest sweep took %d ms", l.saved.Load(), span(samples[len(samples)-1].at), last.Swept, last.LongestSweepMillis)
	cycle := time.Duration(o.mustVolume().LongestCycleMillis*int64(p.timeFactor)) * time.Millisecond // of the seconds since last too
	most, mean := l.pace(p.retention)
	fullest, average := p.asItWent(size, most, cycle), p.asItWent(size, mean, p.sweepInterval)
	all := func(s sample) int64 { return s.used + s.kernel - before.kernel }
	expect(t, 3, "files alive, at most"+which, count(fullest.PeakFiles), count(samples.peak(0, func(s sample) int64 { return s.files })), neverLow)
	expect(t, 3, "bytes in the volume, at most"+which, bytesOf(fullest.Required), bytesOf(samples.peak(0, func(s sample) int64 { return s.used })), neverLow)
	peak := samples.at(all)
	expect(t, 3, "kernel memory of the files when they had most memory"+which, bytesOf(peak.files*int64(size.KernelBytesPerFile)),
		bytesOf(peak.kernel-before.kernel), kernelMemory)
	expect(t, 3, "all memory of the files when they had most"+which, bytesOf(memoryOf(t, peak.files)), bytesOf(all(peak)), allMemory)
	// From the first sweep on that deletes as much as has come, and for whole intervals between sweeps.
	steady := l.passed((p.retention + p.sweepInterval) / time.Duration(p.timeFactor))
	expect(t, 3, "memory in use, on average"+which, bytesOf(average.AverageUse), bytesOf(samples.mean(steady, all)), onAverage)
	if most := samples.peak(0, func(s sample) int64 { return s.memory }); most > before.limit {
		t.Errorf("the cgroup was charged for %d bytes, above its limit of %d", most, before.limit)
	}
	// The root folder is an inode too.
	const meanwhile = createdPerMinute * 60 // files of an hour: the writer's count is taken a moment after statfs
	if files := last.InodesUsed - 1; files > fullest.PeakFiles || files < last.Files-meanwhile || files > last.Files+meanwhile {
		t.Errorf("the volume has %d inodes beside its root, and the writer knows of %d files; want as many, and at most %d", files, last.Files, fullest.PeakFiles)
	}
	// What the summary says is up to some seconds old, in which files come and go.
	if summary.used > int64(fullest.Required) || summary.used < last.UsedBytes*7/10 || summary.inodes-1 > fullest.PeakFiles || summary.inodes < last.InodesUsed*7/10 {
		t.Errorf("/stats/summary has %d bytes and %d inodes; statfs %d and %d, and at most %d and %d were predicted",
			summary.used, summary.inodes, last.UsedBytes, last.InodesUsed, int64(fullest.Required), fullest.PeakFiles+1)
	}
	return size, samples
}

// asItWent returns what the model says of the files that came and of the time between sweeps as it was: a machine that
// is slow sends fewer requests, or sends late ones at once, and a sweep of a second is most of an hour in the incident's time.
func (p place) asItWent(size sizing.Size, pace float64, cycle time.Duration) sizing.Size {
	t := p.t
	t.Helper()
	if !(pace > 0.5) || cycle > p.sweepInterval+2*time.Hour {
		t.Fatalf("of the requests that were due, %.0f %% were sent, and from the beginning of a sweep to the end of the next one %s went by: "+
			"this machine is too slow or too busy for this test", 100*pace, span(cycle))
	}
	asked := p.sizeAt(pace, cycle)
	t.Logf("of the requests that were due, %.1f %% were sent, and sweeps were %s apart: the model says %d files, where it says %d for the policy",
		100*pace, span(cycle), asked.PeakFiles, size.PeakFiles)
	if !*update {
		return asked
	}
	if math.Abs(float64(asked.PeakFiles)/float64(size.PeakFiles)-1) > closeToNominal {
		t.Errorf("this machine is too slow or too busy to write figures")
	}
	return size // the figures are the policy's
}

// closeToNominal is how far a run that writes figures may be from what the policy says.
const closeToNominal = 0.01
