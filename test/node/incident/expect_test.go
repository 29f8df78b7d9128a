//go:build linux && node

package incident

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/test/node/cluster"
	"github.com/shmkeeper/shmkeeper/test/node/incident/figures"
)

// figure is a number with its unit.
type figure struct {
	value float64
	text  string
}

func count(n int64) figure { return figure{float64(n), fmt.Sprintf("%d", n)} }

func hours(h float64) figure { return figure{h, span(time.Duration(h * float64(time.Hour)))} }

func bytesOf[T sizing.Bytes | int64](n T) figure {
	return figure{float64(n), fmt.Sprintf("%.1f MiB", float64(n)/mib)}
}

// span returns a time in whole minutes.
func span(d time.Duration) string { return d.Round(time.Minute).String() }

var (
	recorded    sync.Mutex
	comparisons []figures.Comparison
	curves      []figures.Curve
)

// mostPoints is how many points of a curve are kept: a picture has no more columns of pixels for it.
const mostPoints = 400

// record keeps the samples of a scenario for the picture: a point for each group of neighbors, where they hold most.
func record(scenario int, name, detail string, samples series) {
	c := figures.Curve{Scenario: scenario, Name: name, Detail: detail, Points: figures.Points{{}}}
	for group := range slices.Chunk(samples, max(1, (len(samples)+mostPoints-1)/mostPoints)) {
		fullest := slices.MaxFunc(group, func(a, b sample) int { return cmp.Compare(a.used, b.used) })
		c.SizeMiB = float64(fullest.size) / mib
		c.Points = append(c.Points, [2]float64{fullest.at.Hours(), float64(fullest.used) / mib})
	}
	recorded.Lock()
	defer recorded.Unlock()
	curves = append(curves, c)
}

var kernelCosts []figures.KernelCost

func recordKernelMemory(k figures.KernelCost) {
	recorded.Lock()
	defer recorded.Unlock()
	kernelCosts = append(kernelCosts, k)
}

// What a prediction may be of the measured. All memory of files, pages and kernel memory, is never
// more than predicted, and at most a twentieth less.
var (
	exactly   = [2]float64{1, 1}
	allMemory = [2]float64{1, 1.05}
	// A peak that is exceeded once in a million times is above that of one run.
	neverLow = [2]float64{1, 1.1}
	// The model's kernel memory of a file is the most of any kernel.
	kernelMemory = [2]float64{1, 1.25}
	// A mean is held against a mean, and that of one run is itself a draw: 182,520 files give or take 427, and late by half a sweep.
	onAverage = [2]float64{0.97, 1.1}
	// A time may differ by a tenth either way, and what is measured over a few seconds of a busy machine by a fifth.
	near  = [2]float64{0.9, 1.1}
	about = [2]float64{0.8, 1.2}
)

// expect compares, for a scenario of docs/explanation/incident.md, a prediction with what was measured: the
// former divided by the latter has to be within the two.
func expect(t *testing.T, scenario int, what string, predicted, measured figure, within [2]float64) {
	t.Helper()
	ratio := predicted.value / measured.value
	t.Logf("%-42s predicted %12s   measured %12s   ratio %.3f", what, predicted.text, measured.text, ratio)
	recorded.Lock()
	comparisons = append(comparisons, figures.Comparison{Scenario: scenario, What: what, Predicted: predicted.text, Measured: measured.text, Ratio: ratio})
	recorded.Unlock()
	// Written so that a ratio that is not a number fails too.
	if !(ratio >= within[0] && ratio <= within[1]) {
		t.Errorf("%s: predicted %s, measured %s, a ratio of %.3f; want %.2f to %.2f", what, predicted.text, measured.text, ratio, within[0], within[1])
	}
}

// memoryOf returns what the engine takes all memory of so many session files to be: their pages and their kernel memory.
func memoryOf(t *testing.T, files int64) int64 {
	return files * (pageSize + kernelBytesOf(t, fileSize))
}

// mustCharge returns charge for tests that cannot go on without.
func (o *outpost) mustCharge() charge {
	o.t.Helper()
	c, err := o.charge()
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// mustPodCharge returns podCharge for tests that cannot go on without.
func (o *outpost) mustPodCharge() charge {
	o.t.Helper()
	c, err := o.podCharge()
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

func (o *outpost) mustNotHaveRestarted() {
	o.t.Helper()
	if err := o.refresh(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
	for i := range o.pod.Status.ContainerStatuses {
		if status := &o.pod.Status.ContainerStatuses[i]; status.RestartCount > 0 {
			o.t.Errorf("container %q was restarted %d times: %+v", status.Name, status.RestartCount, status.LastTerminationState.Terminated)
		}
	}
}

// usage is what the kubelet tells of a volume, in bytes and files.
type usage struct{ used, capacity, inodes int64 }

// volumesInSummary returns the Pod's Memory emptyDirs in the kubelet's /stats/summary: all volumes but that of the service account's token.
func (o *outpost) volumesInSummary() map[string]usage {
	o.t.Helper()
	var found map[string]usage
	eventually(o.t, time.Minute, func(ctx context.Context) error {
		data, err := node.Client.CoreV1().RESTClient().Get().Resource("nodes").Name(cluster.NodeName).SubResource("proxy").Suffix("stats/summary").DoRaw(ctx)
		if err != nil {
			return err
		}
		var summary stats.Summary
		if err := json.Unmarshal(data, &summary); err != nil {
			return err
		}
		for i := range summary.Pods {
			pod := &summary.Pods[i]
			if pod.PodRef.UID != string(o.pod.UID) || len(pod.VolumeStats) == 0 {
				continue
			}
			found = map[string]usage{}
			for j := range pod.VolumeStats {
				if v := &pod.VolumeStats[j]; v.UsedBytes != nil && v.CapacityBytes != nil && v.InodesUsed != nil && !isToken(v.Name) {
					found[v.Name] = usage{int64(*v.UsedBytes), int64(*v.CapacityBytes), int64(*v.InodesUsed)}
				}
			}
			return nil
		}
		return fmt.Errorf("the kubelet has no statistics of Pod %q yet", o.pod.Name)
	})
	return found
}

func isToken(volume string) bool { return strings.HasPrefix(volume, "kube-api-access-") }

// mustBeInSummary returns the Pod's one Memory emptyDir, which /stats/summary has to list under
// that name and with that size. What it says of the use is some seconds old.
func (o *outpost) mustBeInSummary(name string, size sizing.Bytes) usage {
	o.t.Helper()
	all := o.volumesInSummary()
	if found, ok := all[name]; ok && len(all) == 1 && found.capacity == int64(size) {
		return found
	}
	o.t.Fatalf("/stats/summary lists %+v; want %q alone, of %s", all, name, size)
	return usage{}
}
