//go:build linux && node

package incident

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkeeper/shmkeeper/test/node/isolate"
)

// sampleEvery is the time between two samples.
const sampleEvery = 250 * time.Millisecond

// sample is the state of one container's volume.
type sample struct {
	at   time.Duration // the incident's time since the load began
	used int64         // bytes of pages, by statfs
	size int64         // bytes that the volume can have
	// files is the number of session files; 0 where the container could not be asked.
	files int64
	// kernel is the kernel memory that the container's cgroup is charged for; 0 if it could not be read.
	kernel int64
	// memory is all that it is charged for.
	memory int64
}

// series are samples in their order.
type series []sample

// peak returns the largest of one figure since a time.
func (s series) peak(since time.Duration, figure func(sample) int64) int64 {
	var most int64
	for i := range s {
		if s[i].at >= since {
			most = max(most, figure(s[i]))
		}
	}
	return most
}

// at returns the sample with the largest of one figure, of those in which the container has answered.
func (s series) at(figure func(sample) int64) sample {
	var most sample
	for i := range s {
		if s[i].files > 0 && s[i].kernel > 0 && (most.files == 0 || figure(s[i]) > figure(most)) {
			most = s[i]
		}
	}
	return most
}

// mean returns the average of one figure since a time.
func (s series) mean(since time.Duration, figure func(sample) int64) int64 {
	var sum, n int64
	for i := range s {
		if s[i].at >= since {
			sum += figure(s[i])
			n++
		}
	}
	return sum / max(n, 1)
}

// watch takes samples while a load runs, until the returned function is called, which returns them.
// They are taken from outside of the container too, so that a container that does not answer is no
// gap.
func (o *outpost) watch(t *testing.T, l *load) (stop func() series) {
	ctx, cancel := context.WithCancel(t.Context())
	watched := *o // what is known of the Pod now, which the test may change
	var all series
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(sampleEvery); ; {
			s := sample{at: time.Since(l.start)}
			if v, err := watched.volume(ctx); err == nil {
				s.used, s.size, s.files = v.UsedBytes, v.SizeBytes, v.Files
			} else if used, size, err := watched.mounted(); err == nil {
				s.used, s.size = used, size
			}
			if charge, err := watched.charge(); err == nil {
				s.kernel, s.memory = charge.kernel, charge.memory
			}
			if s.size > 0 && ctx.Err() == nil {
				all = append(all, s)
			}
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	stop = sync.OnceValue(func() series {
		cancel()
		wg.Wait()
		for i := range all {
			all[i].at = l.passed(all[i].at)
		}
		return all
	})
	t.Cleanup(func() { stop() })
	return stop
}

// mounted asks the node, by statfs, for the Memory emptyDir of the Pod.
func (o *outpost) mounted() (used, size int64, err error) {
	pattern := filepath.Join(isolate.Dir, "node", "kubelet", "pods", string(o.pod.UID), "volumes", "kubernetes.io~empty-dir", "*")
	found, err := filepath.Glob(pattern)
	if err != nil {
		return 0, 0, err
	}
	if len(found) != 1 {
		return 0, 0, fmt.Errorf("the Pod has %d emptyDirs; want one", len(found))
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(found[0], &fs); err != nil {
		return 0, 0, err
	}
	return int64(fs.Blocks-fs.Bfree) * fs.Bsize, int64(fs.Blocks) * fs.Bsize, nil
}

// charge is what a memory cgroup is charged for, in bytes.
type charge struct {
	memory int64 // everything
	kernel int64 // the part that is neither anonymous nor a file's
	limit  int64 // math.MaxInt64, or nearly, without one
}

// charge reads the cgroup of the Pod's first container.
func (o *outpost) charge() (charge, error) {
	dir, err := o.cgroup()
	if err != nil {
		return charge{}, err
	}
	return readCharge(dir)
}

// podCharge reads the cgroup of the Pod as a whole.
func (o *outpost) podCharge() (charge, error) {
	dir, err := o.cgroup()
	if err != nil {
		return charge{}, err
	}
	return readCharge(filepath.Dir(dir))
}

// processes are those of the Pod's first container.
func (o *outpost) processes() ([]int, error) {
	dir, err := o.cgroup()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, field := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("cgroup.procs: %w", err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// cgroup finds the folder of the memory cgroup of the Pod's first container.
func (o *outpost) cgroup() (string, error) {
	if len(o.pod.Status.ContainerStatuses) == 0 {
		return "", fmt.Errorf("Pod %q has no container", o.pod.Name)
	}
	_, container, ok := strings.Cut(o.pod.Status.ContainerStatuses[0].ContainerID, "://")
	if !ok {
		return "", fmt.Errorf("the first container of Pod %q has no ID", o.pod.Name)
	}
	root := filepath.Join("/sys/fs/cgroup/memory", isolate.Cgroup())
	if isolate.V2() {
		root = filepath.Join("/sys/fs/cgroup", isolate.Cgroup())
	}
	var found string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil && errors.Is(err, fs.ErrNotExist) {
			return nil // a container that has just ended
		}
		if err == nil && entry.IsDir() && entry.Name() == container {
			found = path
			return fs.SkipAll
		}
		return err
	})
	if err == nil && found == "" {
		err = fmt.Errorf("container %q of Pod %q has no cgroup below %q", container, o.pod.Name, root)
	}
	return found, err
}

func readCharge(dir string) (c charge, err error) {
	names := map[string]*int64{"memory.usage_in_bytes": &c.memory, "memory.kmem.usage_in_bytes": &c.kernel, "memory.limit_in_bytes": &c.limit}
	if isolate.V2() {
		names = map[string]*int64{"memory.current": &c.memory, "memory.max": &c.limit}
		// "kernel" is there from Linux 5.18 on. Before, "slab" differs by less than a hundredth.
		if c.kernel, err = statOf(dir, "kernel"); errors.Is(err, errNoSuchLine) {
			c.kernel, err = statOf(dir, "slab")
		}
		if err != nil {
			return c, err
		}
	}
	for name, into := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return c, err
		}
		text := string(bytes.TrimSpace(data))
		if text == "max" { // of cgroup v2: no limit
			*into = math.MaxInt64
			continue
		}
		if *into, err = strconv.ParseInt(text, 10, 64); err != nil {
			return c, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

// errNoSuchLine is what a memory.stat has not got.
var errNoSuchLine = errors.New("memory.stat has no such line")

// statOf reads a line of memory.stat.
func statOf(dir, name string) (int64, error) {
	data, err := os.ReadFile(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if field, value, ok := strings.Cut(lines.Text(), " "); ok && field == name {
			return strconv.ParseInt(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("%q: %w", name, errNoSuchLine)
}
