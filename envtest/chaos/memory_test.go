//go:build chaos && linux

package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What happens at a memory limit. The kernel has to let this process make memory cgroups, so these
// are left out if it does not.
var memoryScenarios = []scenario{
	{
		name: "reviews of 5.7 MB, eight at once, at the shipped memory limit", long: true,
		fault: func(t *testing.T, h *harness) {
			h.withMemoryLimit(t, mostResident, func(groups []cgroup) {
				h.sendHostile(t, hugeReviews(), 3, "/validate-pods")
				for _, g := range groups {
					if killed, err := g.kills(); err != nil || killed > 0 {
						t.Errorf("the kernel has killed %d processes: %v", killed, err)
					}
				}
			})
		},
	},
	{
		name: "a replica is killed at its memory limit", long: true, allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			h.withMemoryLimit(t, mostResident, func(groups []cgroup) {
				r := h.replicas[0]
				h.shrinkUntilKilled(t, groups[0], r)
				h.dropReplica(r)
			})
		},
		signs: []sign{logs(`"msg":"Starting"`)},
	},
}

// withMemoryLimit replaces the replicas by ones in memory cgroups of a limit in bytes, and back.
func (h *harness) withMemoryLimit(t *testing.T, limit int64, do func([]cgroup)) {
	t.Helper()
	program := h.program
	var groups []cgroup
	for _, old := range append([]*replica(nil), h.replicas...) {
		g, err := newCgroup(fmt.Sprintf("shmkeeper-chaos-%d-%d", os.Getpid(), h.started))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.endIn(t, g) })
		if err := g.limit(limit); err != nil {
			t.Fatal(err)
		}
		if h.program, err = g.wrap(h.dir, program); err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
		h.addReplica(t)
		h.dropReplica(old)
		if err := old.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	h.program = program
	do(groups)
	for len(h.replicas) < len(groups) {
		h.addReplica(t)
	}
	h.roll(t)
}

// endIn removes a group, when what runs in it has ended.
func (h *harness) endIn(t *testing.T, g cgroup) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := os.Remove(g.path)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Error(err)
			return
		}
		time.Sleep(50 * time.Millisecond) // between two tries
	}
}

// shrinkUntilKilled leaves a replica the memory that it uses and has it read large reviews, until
// the kernel kills it.
func (h *harness) shrinkUntilKilled(t *testing.T, g cgroup, r *replica) {
	t.Helper()
	eventually(t, func() error {
		if err := r.Signal(syscall.Signal(0)); err != nil {
			return nil
		}
		used, err := g.used()
		if err == nil {
			err = g.limit(used)
		}
		if err != nil && !errors.Is(err, syscall.EBUSY) { // it has grown in the meantime
			return err
		}
		sendReviews([]*replica{r}, hugeReviews(), "/validate-pods")
		return fmt.Errorf("%s lives on with %d bytes", r.name, used)
	})
}

// cgroup is a memory cgroup, of version 1 or 2.
type cgroup struct {
	path string
	v2   bool
}

const (
	cgroup1 = "/sys/fs/cgroup/memory"
	cgroup2 = "/sys/fs/cgroup"
)

// newCgroup makes a memory cgroup.
func newCgroup(name string) (cgroup, error) {
	g := cgroup{path: filepath.Join(cgroup1, name)}
	if _, err := os.Stat(cgroup1); err != nil {
		g = cgroup{filepath.Join(cgroup2, name), true}
	}
	err := os.Mkdir(g.path, 0o755)
	if err == nil && g.v2 {
		if _, err = os.Stat(filepath.Join(g.path, "memory.max")); err != nil {
			err = errors.Join(err, os.Remove(g.path))
		}
	}
	return g, err
}

// memoryCgroups returns an error where this process may not make memory cgroups.
func memoryCgroups() error {
	g, err := newCgroup(fmt.Sprintf("shmkeeper-chaos-%d", os.Getpid()))
	if err != nil {
		return err
	}
	return os.Remove(g.path)
}

func (g cgroup) file(v1, v2 string) string {
	if g.v2 {
		return filepath.Join(g.path, v2)
	}
	return filepath.Join(g.path, v1)
}

// limit sets the limit in bytes.
func (g cgroup) limit(bytes int64) error {
	return os.WriteFile(g.file("memory.limit_in_bytes", "memory.max"), strconv.AppendInt(nil, bytes, 10), 0o644)
}

// used returns what is charged now, in bytes.
func (g cgroup) used() (int64, error) {
	text, err := os.ReadFile(g.file("memory.usage_in_bytes", "memory.current"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// kills returns how many processes the kernel has killed in the group.
func (g cgroup) kills() (int, error) {
	text, err := os.ReadFile(g.file("memory.oom_control", "memory.events"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, found := strings.CutPrefix(line, "oom_kill "); found {
			return strconv.Atoi(strings.TrimSpace(n))
		}
	}
	return 0, fmt.Errorf("the kernel does not say how many processes it killed:\n%s", text)
}

// wrap writes a program that starts another one in the group.
func (g cgroup) wrap(dir, program string) (string, error) {
	path := filepath.Join(dir, filepath.Base(g.path))
	script := fmt.Sprintf("#!/bin/sh\necho $$ >%s/cgroup.procs && exec %s \"$@\"\n", g.path, program)
	return path, os.WriteFile(path, []byte(script), 0o755)
}
