//go:build linux

package main

import (
	"errors"
	"os"
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestObjectSizes(t *testing.T) {
	const slabinfo = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor>
shmem_inode_cache    661    820    784   20    4 : tunables    0    0    0 : slabdata     41     41      0
inode_cache         5187   5434    616   26    4 : tunables    0    0    0 : slabdata    209    209      0
dentry              8253   8253    192   21    1 : tunables    0    0    0 : slabdata    393    393      0
radix_tree_node      588    588    584   28    4 : tunables    0    0    0 : slabdata     21     21      0
`
	want := map[string]int64{"shmem_inode_cache": 784, "dentry": 192, "radix_tree_node": 584}
	if diff := cmp.Diff(want, objectSizes(slabinfo)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFileName(t *testing.T) {
	for _, length := range []int{9, 10, 31, 60, 255} {
		name := fileName("k", length)
		if got := len(name) - len(volumePath+"/") - len("\x00"); got != length {
			t.Errorf("a name of %d bytes, want %d", got, length)
		}
	}
	name := fileName("k", 12)
	for i, want := range map[int]string{0: "xxxk00000000", 1: "xxxk00000001", 12_345_678: "xxxk12345678"} {
		number(name, i)
		if got := string(name); got != volumePath+"/"+want+"\x00" {
			t.Errorf("the name of %d is %q, want %q", i, got, want)
		}
	}
}

func TestCgroup(t *testing.T) {
	c := cgroup(t.TempDir())
	for file, text := range map[string]string{
		"memory.current": "4096\n", "memory.events": "low 0\nhigh 12\noom_kill 1\n",
	} {
		if err := os.WriteFile(path.Join(string(c), file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.charged(); n != 4096 || err != nil {
		t.Errorf("charged %d, %v", n, err)
	}
	events, err := c.counters("memory.events")
	if diff := cmp.Diff(map[string]int64{"low": 0, "high": 12, "oom_kill": 1}, events); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, s := range map[string]struct {
		stat string
		want memory
		err  string
	}{
		"from 5.18 on":    {stat: "shmem 8192\nkernel 30000\nkernel_stack 16000\npagetables 4000\nslab 9000\n", want: memory{8192, 10000, 8192}},
		"before 5.18":     {stat: "shmem 8192\nkernel_stack 16000\nslab 9000\n", want: memory{8192, 9000, 524288}},
		"neither of them": {stat: "shmem 8192\n", err: "memory.stat has neither kernel nor slab"},
		"no tmpfs":        {stat: "kernel 1\n", err: "memory.stat has no shmem"},
		"not a number":    {stat: "shmem max\n", err: `memory.stat has a line "shmem max\n" without a number`},
	} {
		if err := os.WriteFile(path.Join(string(c), "memory.stat"), []byte(s.stat), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := c.memory()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != s.want || text != s.err {
			t.Errorf("%s: got %+v, %q, want %+v, %q", name, got, text, s.want, s.err)
		}
	}
}

func TestSteady(t *testing.T) {
	for name, c := range map[string]struct {
		kernel []int64 // what is read; the last one again and again
		want   int64
		reads  int
	}{
		"at once":                {[]int64{100}, 100, 3},
		"as far as it is exact":  {[]int64{100, 8000, 100}, 100, 3},
		"files are freed late":   {[]int64{90000, 90000, 50000, 10000}, 10000, 6},
		"counted late":           {[]int64{10000, 90000}, 90000, 4},
		"two are not three":      {[]int64{90000, 90000, 10000}, 10000, 5},
		"never for long":         {slices.Repeat([]int64{90000, 10000}, 60), 10000, 100},
		"a byte more than exact": {slices.Repeat([]int64{90000, 81807}, 60), 81807, 100},
		"just as exact":          {[]int64{90000, 81808}, 81808, 3},
	} {
		reads, waits := 0, 0
		got, err := steady(func() (memory, error) {
			m := memory{kernel: c.kernel[min(reads, len(c.kernel)-1)], slack: 2 * page}
			reads++
			return m, nil
		}, func() { waits++ })
		if got.kernel != c.want || err != nil || reads != c.reads || waits != reads-1 {
			t.Errorf("%s: got %d, %v after %d readings and %d waits, want %d after %d", name, got.kernel, err, reads, waits, c.want, c.reads)
		}
	}
	if _, err := steady(func() (memory, error) { return memory{}, os.ErrClosed }, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("an error while reading: %v", err)
	}
}
