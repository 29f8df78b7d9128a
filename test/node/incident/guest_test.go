//go:build linux && node

package incident

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
	"github.com/shmkeeper/shmkeeper/test/node/uml"
)

var cgroupVersion = flag.Int("cgroup", 0, "the cgroup version to run on: 2 runs in User Mode Linux on a machine that has version 1; 0 is the machine's own")

// guestMemory is what the cluster and the largest volume need, in bytes.
const guestMemory = 6 << 30

// needsGuest reports whether the tests have to run in a guest to get the cgroup version that is asked for.
func needsGuest(version int, machineHas2 bool) (bool, error) {
	switch version {
	case 0:
		return false, nil
	case 1:
		if machineHas2 {
			return false, errors.New(`cgroup: "1" is not what this machine has, and there is no guest for it: leave it out, or boot with systemd.unified_cgroup_hierarchy=0`)
		}
		return false, nil
	case 2:
		return !machineHas2, nil
	default:
		return false, fmt.Errorf(`cgroup: "%d" is not a cgroup version: write 1 or 2, or leave it out`, version)
	}
}

// timed are the tests whose time runs 2,400 times faster. User Mode Linux does not keep up with 720
// requests a second; written_test.go shows there what does not depend on time.
var timed = []string{
	"TestDefaultDevShm_Fills", "TestSaturated_FillsWhenPredicted", "TestOptedIn_PassesItsSteadyState",
	"TestNaiveRepair_IsKilledAgainAndAgain", "TestMonitoring_WarnsBeforeTheFirst400",
}

// leaveOutTimed leaves out the timed tests, and says so, beside those that -skip already does.
func leaveOutTimed() error {
	patterns := []string{"^(" + strings.Join(timed, "|") + ")$"}
	if given := flag.Lookup("test.skip").Value.String(); given != "" {
		patterns = append(patterns, given)
	}
	fmt.Fprintf(os.Stderr, "test-node: left out, as User Mode Linux does not keep up with their time: %s\n", strings.Join(timed, ", "))
	return flag.Set("test.skip", strings.Join(patterns, "|"))
}

// runInGuest runs this program with the same arguments in User Mode Linux, on the images of a folder, and returns its exit status.
func runInGuest(dir string) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if timeout, ok := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); ok && timeout > 0 {
		// The tests themselves say more about what took too long, so they come first; their time begins when the cluster is up.
		cause := fmt.Errorf("its time is over; give it more than %s by -timeout", timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout+timeout/20, cause)
		defer cancel()
	}
	kernel, err := uml.FindKernel(ctx, os.Stderr)
	if err != nil {
		return 0, err
	}
	guest := uml.Guest{
		Args: os.Args[1:], Env: os.Environ(), Scratch: filepath.Join(dir, "guest"), Memory: guestMemory, CPUInfoVariable: isolate.CPUInfoVariable,
		Writable: []string{dir, logsIn(dir)},
	}
	if guest.Program, err = os.Executable(); err != nil {
		return 0, err
	}
	if guest.Dir, err = os.Getwd(); err != nil {
		return 0, err
	}
	if *update {
		root, err := envtest.Root(ctx)
		if err != nil {
			return 0, err
		}
		guest.Writable = append(guest.Writable, filepath.Join(root, "docs", "explanation"))
	}
	for _, folder := range append(guest.Writable, guest.Scratch) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return 0, fmt.Errorf("a folder for the guest: %w; set TMPDIR to one that can be written to", err)
		}
	}
	fmt.Fprintln(os.Stderr, "test-node: this machine has cgroup v1; the tests run on v2 in User Mode Linux")
	return kernel.Run(ctx, guest, os.Stdout, os.Stderr)
}

func TestNeedsGuest(t *testing.T) {
	for _, test := range []struct {
		version     int
		machineHas2 bool
		guest       bool
		want        string
	}{
		{version: 0, machineHas2: false},
		{version: 0, machineHas2: true},
		{version: 1, machineHas2: false},
		{version: 2, machineHas2: true},
		{version: 2, machineHas2: false, guest: true},
		{version: 1, machineHas2: true, want: `cgroup: "1" is not what this machine has, and there is no guest for it: ` +
			`leave it out, or boot with systemd.unified_cgroup_hierarchy=0`},
		{version: 3, want: `cgroup: "3" is not a cgroup version: write 1 or 2, or leave it out`},
	} {
		guest, err := needsGuest(test.version, test.machineHas2)
		if got := fmt.Sprint(err); guest != test.guest || got != cmp.Or(test.want, "<nil>") {
			t.Errorf("%d on a machine with cgroup v2 %v: got %v, %s; want %v, %s", test.version, test.machineHas2, guest, got, test.guest, test.want)
		}
	}
}
