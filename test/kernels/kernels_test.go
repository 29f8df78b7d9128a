//go:build kernels && linux

package kernels

import (
	"context"
	"encoding/json"
	"flag"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

var (
	pattern = flag.String("kernels", "", "a regular expression: which kernels to run, such as ^6\\.12; all if empty")
	update  = flag.Bool("update", false, "write the table of docs/explanation/sizing.md; needs all kernels")
)

// The model of package policy/sizing, against what kernels charge to a cgroup.
func TestKernels(t *testing.T) {
	start := time.Now()
	if *update && *pattern != "" {
		t.Fatal("UPDATE: the table has all kernels: leave out KERNELS")
	}
	guests, err := selectGuests(allSeries(), *pattern)
	if err != nil {
		t.Fatal(err)
	}
	kernels := fetchAll(t, guests)
	b, err := newBuilder(t.Context(), t.TempDir(), slices.ContainsFunc(guests, func(g guest) bool { return g.selinux }))
	if err != nil {
		t.Fatal(err)
	}
	ran := make([]*measured, len(guests))
	t.Run("guests", func(t *testing.T) {
		for i, g := range guests {
			if k, ok := kernels[g.version]; ok {
				t.Run(g.name(), func(t *testing.T) {
					t.Parallel()
					ran[i] = measure(t, b, g, k)
				})
			}
		}
	})
	var all []measured
	for _, m := range ran {
		if m != nil {
			all = append(all, *m)
		}
	}
	t.Logf("%d of %d guests were measured in %.1f minutes\n%s", len(all), len(guests), time.Since(start).Minutes(), table(all))
	if *update && !t.Failed() {
		if err := docs.Write(filepath.Join("..", "..", "docs", "explanation", "sizing.md"), table(all)); err != nil {
			t.Fatal(err)
		}
	}
}

// fetchAll fetches the kernels of all guests, and names those that are not to be had.
func fetchAll(t *testing.T, guests []guest) map[string]kernel {
	t.Helper()
	f, err := newFetcher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kernels, asked := map[string]kernel{}, map[string]bool{}
	for _, g := range guests {
		if asked[g.version] {
			continue
		}
		asked[g.version] = true
		k, err := f.fetch(t.Context(), g.series)
		switch {
		case err == nil:
			t.Logf("%s is %s of %s", g.version, k.release, k.suite)
			kernels[g.version] = k
		case g.required:
			t.Errorf("%s is missing: %s", g.version, oneLine(err))
		default:
			t.Logf("%s is missing, and not measured: %s", g.version, oneLine(err))
		}
	}
	if len(kernels) == 0 {
		t.Fatal("none of the kernels is to be had")
	}
	return kernels
}

// measure runs a guest and compares everything that it measured.
func measure(t *testing.T, b *builder, g guest, k kernel) *measured {
	start := time.Now()
	archive, err := b.initramfs(g)
	if err != nil {
		t.Fatal(err)
	}
	// A machine that does not get on must not take the whole run's time.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	results, err := machine{k.image, archive, g.selinux, g.memory()}.run(ctx, func(l report.Line) {
		if text, err := json.Marshal(l); err == nil && testing.Verbose() && l.Cost == nil {
			t.Logf("after %.0f s: %s", time.Since(start).Seconds(), text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if g.selinux != (results.kernel.Label != "") {
		t.Errorf("SELinux is to be on: %t; the label of a file is %q", g.selinux, results.kernel.Label)
	}
	for _, c := range comparisons(results) {
		t.Logf("%s: %s", g.name(), c)
		if failure := c.failure(); failure != "" {
			t.Error(failure)
		}
	}
	for _, problem := range problems(results, newPlan(g.factor())) {
		t.Error(problem)
	}
	return &measured{k, g.selinux, results}
}
