//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroup represents a cgroup by its path.
type cgroup string

// newCgroup creates a cgroup below the root, without swap and with a limit in bytes; 0: none.
func newCgroup(name string, limit int64) (cgroup, error) {
	c := cgroup(path.Join(cgroupRoot, name))
	if err := os.Mkdir(string(c), 0o755); err != nil {
		return "", err
	}
	if limit == 0 {
		return c, nil
	}
	return c, c.set("memory.max", strconv.FormatInt(limit, 10))
}

func (c cgroup) set(file, value string) error {
	return os.WriteFile(path.Join(string(c), file), []byte(value), 0)
}

// remove removes the cgroup, once the last of its processes has gone.
func (c cgroup) remove() error {
	err := syscall.Rmdir(string(c))
	for range 50 {
		if err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
		err = syscall.Rmdir(string(c))
	}
	return fmt.Errorf("remove the cgroup %s: %w", c, err)
}

// charged returns the memory of the cgroup, in bytes.
func (c cgroup) charged() (int64, error) {
	text, err := os.ReadFile(path.Join(string(c), "memory.current"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// counters returns the lines of a file such as memory.stat or memory.events: a name and a number.
func (c cgroup) counters(file string) (map[string]int64, error) {
	text, err := os.ReadFile(path.Join(string(c), file))
	if err != nil {
		return nil, err
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		value, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s has a line %q without a number", file, line)
		}
		values[name] = value
	}
	return values, nil
}

// memory represents what a cgroup's files cost it, in bytes.
type memory struct {
	pages, kernel, slack int64
}

const page = 4096

// memory returns what the cgroup is charged. Kernel memory of processes, their stacks and page
// tables, is left out.
//
// From Linux 5.18 on memory.stat has all kernel memory, and counts it exactly once the kernel has
// added up what each processor holds; a charge is by whole pages, of which two can be half used.
// Before, there are slabs alone, and the processor holds up to 64 pages that are not counted yet, of
// those that can be reclaimed and of those that cannot.
func (c cgroup) memory() (memory, error) {
	values, err := c.counters("memory.stat")
	if err != nil {
		return memory{}, err
	}
	pages, ok := values["shmem"]
	if !ok {
		return memory{}, errors.New("memory.stat has no shmem")
	}
	if kernel, ok := values["kernel"]; ok {
		return memory{pages, kernel - values["kernel_stack"] - values["pagetables"], 2 * page}, nil
	}
	slab, ok := values["slab"]
	if !ok {
		return memory{}, errors.New("memory.stat has neither kernel nor slab")
	}
	return memory{pages, slab, 128 * page}, nil
}
