//go:build linux && node

package incident

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
	"github.com/shmkeeper/shmkeeper/test/node/incident/figures"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
	"github.com/shmkeeper/shmkeeper/test/node/uml"
)

// The constants of the sizing model, against what this kernel charges to a container's cgroup.
func TestModel_KernelMemoryOfAFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "kernel-memory", "enforce")
	p.applyPolicy(map[string]any{"sizing": map[string]any{"max": "1Gi", "min": "1Gi"}})
	p.deploy(nil)
	o := p.running()
	many := 100_000
	if uml.InGuest() {
		many = 20_000
	}
	for _, c := range []struct {
		size, files int
	}{
		{0, many}, {1, many}, {100, many}, {1500, many}, {4096, many}, {5000, many}, {100_000, 8000}, {262_144, 3000}, {300_000, 3000}, {17_000_000, 60},
	} {
		for _, name := range []string{"short", "long"} {
			// A policy cannot say that files are empty; an empty one costs what one of a single page does.
			model := kernelBytesOf(t, max(c.size, 1))
			before := o.settled()
			if got := o.fill(c.files, c.size, name, "k"); got != c.files {
				t.Fatalf("%d of %d files of %d bytes could be created", got, c.files, c.size)
			}
			after := o.settled()
			o.remove("k")
			measured, give := float64(after-before)/float64(c.files), float64(slack())/float64(c.files)
			t.Logf("files of %8d bytes with %5s names: %9.1f bytes of kernel memory each, give or take %.1f; the model says %6d", c.size, name, measured, give, model)
			recordKernelMemory(figures.KernelCost{Size: c.size, Name: name, Measured: measured, Error: give, Model: model})
			if measured-give > float64(model) {
				t.Errorf("a file of %d bytes with a %s name costs %.1f bytes of kernel memory; the model has only %d", c.size, name, measured, model)
			}
			// The model is for any kernel and takes all names for long ones: it may be too high, but not for all of the memory. An empty file is an
			// exception that no policy can ask for.
			if short := 104.0; float64(model) > kernelMemory[1]*(measured+give)+short {
				t.Errorf("a file of %d bytes with a %s name costs %.1f bytes of kernel memory; the model has %d, too much by more than a quarter", c.size, name, measured, model)
			}
			pages := float64((c.size + pageSize - 1) / pageSize * pageSize)
			if name == "long" && c.size > 0 && pages+float64(model) > allMemory[1]*(pages+measured+give) {
				t.Errorf("a file of %d bytes with a long name costs %.1f bytes of memory; the model has %.1f, too much by more than a twentieth", c.size, pages+measured, pages+float64(model))
			}
		}
	}
}

// kernelBytesOf returns what the engine takes the kernel memory of one file to be.
func kernelBytesOf(t *testing.T, size int) int64 {
	t.Helper()
	compiled, errs := policy.Compile(&v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match:  []v1alpha1.Match{{Images: []string{"*"}}},
			Sizing: &v1alpha1.Sizing{Files: &v1alpha1.Files{CreatedPerMinute: "1", FileSize: *resource.NewQuantity(int64(size), resource.DecimalSI)}},
		},
	})
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	s, _ := compiled.Size()
	return int64(s.KernelBytesPerFile)
}

// slack returns how many bytes a cgroup's kernel memory can be off: it is charged by whole pages,
// and each processor holds a few that are not all used. With cgroup v2 each processor reports what
// it has charged in batches of 64 pages (MEMCG_CHARGE_BATCH).
func slack() int64 {
	if isolate.V2() {
		return 64 * pageSize * int64(runtime.NumCPU())
	}
	return 8 * pageSize
}

// settled returns the kernel memory of the container's cgroup once it does not change any more: what was removed is freed a moment later.
func (o *outpost) settled() int64 {
	o.t.Helper()
	last := o.mustCharge().kernel
	eventually(o.t, time.Minute, func(context.Context) error {
		time.Sleep(500 * time.Millisecond) // the time over which the change is measured
		now := o.mustCharge().kernel
		change := now - last
		last = now
		if change < -slack() || change > slack() {
			return fmt.Errorf("the kernel memory has changed by %d bytes in half a second", change)
		}
		return nil
	})
	return last
}

// remove has the container delete its files of that prefix.
func (o *outpost) remove(prefix string) {
	o.t.Helper()
	var answer struct{ Error string }
	if _, err := o.get(o.t.Context(), http.MethodDelete, "/files?prefix="+prefix, &answer); err != nil {
		o.t.Fatal(err)
	}
	if answer.Error != "" {
		o.t.Fatal(answer.Error)
	}
	if v := o.mustVolume(); v.UsedBytes != 0 {
		o.t.Fatalf("after all files were removed the volume has %d bytes", v.UsedBytes)
	}
}
