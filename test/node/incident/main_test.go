//go:build linux && node

package incident

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/test/node/cluster"
	"github.com/shmkeeper/shmkeeper/test/node/debian"
	"github.com/shmkeeper/shmkeeper/test/node/image"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
	"github.com/shmkeeper/shmkeeper/test/node/prometheus"
	"github.com/shmkeeper/shmkeeper/test/node/uml"
)

// pageSize is that of the kernel, in bytes. All figures here are for it.
const pageSize = 4096

// The images of the cluster, beside that of the release.
const (
	writerImage = "shmkeeper/sessionwriter:test"
	pauseImage  = "shmkeeper/pause:test"
	// shellImage is the writer with a shell and the programs of busybox, and toolsImage these alone.
	shellImage = "shmkeeper/sessionwriter:shell"
	toolsImage = "shmkeeper/busybox:test"
)

// applets are the programs of busybox that the images have.
var applets = []string{"sh", "stat", "find", "awk", "date", "sleep", "cat", "df", "head", "ls", "rm", "tail", "wc"}

// nonRoot is the user of all images, by number as in the Dockerfile.
const nonRoot = "65532:65532"

// dirVariable passes a folder with the images on to the run in namespaces of its own, and
// logsVariable is where logs go that are to be kept.
const (
	dirVariable  = "SHMKEEPER_NODE_DIR"
	logsVariable = "SHMKEEPER_NODE_LOGS"
)

var update = flag.Bool("update", false, "write the figures and the plot of docs/explanation/incident.md")

// node is the cluster that all tests share. Each has a namespace in it.
var node *cluster.Cluster

func TestMain(m *testing.M) {
	if uml.IsInit() {
		uml.Init()
	}
	flag.Parse()
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test-node:", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// run runs the tests in namespaces of their own, and these in a guest if the machine has not got
// the cgroup version that is asked for. What the namespaces leave behind is an error.
func run(m *testing.M) (status int, err error) {
	guest, err := needsGuest(*cgroupVersion, isolate.V2())
	if err != nil {
		return 0, err
	}
	if !guest { // the one test that needs it is left out there
		if _, err := prometheus.Find(); err != nil {
			return 0, err
		}
	}
	var dir string // set where prepare has made it, and only there
	prepareOnce := func() (err error) {
		// In a guest the machine has done so.
		if os.Getenv(dirVariable) == "" {
			dir, err = prepare()
		}
		return err
	}
	if guest {
		if err = prepareOnce(); err == nil {
			status, err = runInGuest(dir)
		}
	} else {
		var inside bool
		if inside, status, err = isolate.Run(prepareOnce); inside {
			return runInside(m, os.Getenv(dirVariable))
		}
	}
	switch {
	case dir == "":
	case status == 0 && err == nil:
		err = os.RemoveAll(dir)
	default:
		err = errors.Join(err, os.Remove(archive(dir)), os.Remove(layoutArchive(dir)), fmt.Errorf("the logs of all programs are in %q until the next run", logsIn(dir)))
	}
	return status, err
}

// prepare does what needs the network and the go command: it builds the programs and the images.
func prepare() (dir string, err error) {
	if os.Geteuid() != 0 {
		return "", errors.New("these tests start a kubelet, which needs root: run them as root, or `make test` for all others")
	}
	if _, err := cluster.FindRuntime(); err != nil {
		return "", err
	}
	if err := errors.Join(suits(), everythingIsVisible()); err != nil {
		return "", err
	}
	// All programs of one release, and from their modules, whatever the machine has besides.
	if err := errors.Join(os.Setenv("SHMKEEPER_ENVTEST_BUILD", "1"), os.Unsetenv("KUBEBUILDER_ASSETS")); err != nil {
		return "", err
	}
	ctx := context.Background()
	if _, err := envtest.FindPrograms(ctx, os.Stderr); err != nil {
		return "", err
	}
	if _, err := envtest.FindNodePrograms(ctx, os.Stderr); err != nil {
		return "", err
	}
	removeStale()
	dir = filepath.Join(os.TempDir(), dirPrefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("a folder for images and logs: %w; set TMPDIR to one that can be written to", err)
	}
	if err := buildImages(ctx, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, os.Setenv(dirVariable, dir)
}

// suits returns an error where the figures could not come out as they are expected, or the machine is too small for them.
func suits() error {
	if size := os.Getpagesize(); size != pageSize {
		return fmt.Errorf("the expected figures are for pages of %d bytes, and this kernel has pages of %d; run it on another machine", pageSize, size)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("the memory of the machine: %w", err)
	}
	const least = 6 << 30
	if total := uint64(info.Totalram) * uint64(info.Unit); total < least {
		return fmt.Errorf("the cluster and its full volumes need %d MiB of memory, and this machine has %d; run it on a larger one", least/mib, total/mib)
	}
	return nil
}

// everythingIsVisible returns an error where something that the tests use would not be there for the node.
func everythingIsVisible() error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("the path of this program: %w", err)
	}
	folder, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("the current folder: %w", err)
	}
	errs := []error{
		isolate.Visible("TMPDIR", os.TempDir()), isolate.Visible("the test's program, of GOTMPDIR,", executable), isolate.Visible("the checkout", folder),
	}
	if cache, err := os.UserCacheDir(); err == nil {
		errs = append(errs, isolate.Visible("the cache, of HOME or XDG_CACHE_HOME,", cache))
	}
	for _, variable := range []string{logsVariable, "SHMKEEPER_ENVTEST_CACHE"} {
		if path := os.Getenv(variable); path != "" {
			errs = append(errs, isolate.Visible(variable, path))
		}
	}
	return errors.Join(errs...)
}

// dirPrefix begins the name of the folder of a run; the process ID of the program follows.
const dirPrefix = "shmkeeper-node-"

// removeStale removes the folders of runs that failed, or whose program was killed. What cannot be removed is somebody else's.
func removeStale() {
	found, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range found {
		if pid := strings.TrimPrefix(filepath.Base(dir), dirPrefix); pid == strconv.Itoa(os.Getpid()) || !isolate.Runs(pid) {
			_ = os.RemoveAll(dir)
		}
	}
}

func buildImages(ctx context.Context, dir string) error {
	programs := filepath.Join(dir, "programs")
	if err := os.Mkdir(programs, 0o700); err != nil {
		return fmt.Errorf("a folder for the programs: %w", err)
	}
	// They are in the archive then.
	defer func() { _ = os.RemoveAll(programs) }()
	if err := buildRelease(ctx, dir); err != nil {
		return err
	}
	writer := filepath.Join(programs, "sessionwriter")
	if err := image.GoBuild(ctx, ".", "github.com/shmkeeper/shmkeeper/test/node/sessionwriter", writer); err != nil {
		return err
	}
	if err := image.GoBuild(ctx, "../../..", "github.com/shmkeeper/shmkeeper/cmd/kubectl-shm", plugin(dir)); err != nil {
		return err
	}
	busybox, err := debian.Package{Name: "busybox-static", Cache: "busybox", Remedy: "run it on Debian"}.Unpack(ctx, os.Stderr, "bin/busybox")
	if err != nil {
		return err
	}
	tools := filepath.Join(busybox, "bin/busybox")
	return image.Write(archive(dir),
		image.Image{Name: shellImage, Program: writer, Tools: tools, Applets: applets, Env: []string{"TMPDIR=/dev/shm/"}, User: nonRoot},
		image.Image{Name: toolsImage, Program: writer, Tools: tools, Applets: applets},
		image.Image{Name: writerImage, Program: writer, Env: []string{"TMPDIR=/dev/shm/"}, User: nonRoot},
		image.Image{Name: pauseImage, Program: writer, Entrypoint: []string{"/sessionwriter", "pause"}, User: nonRoot},
	)
}

func archive(dir string) string { return filepath.Join(dir, "images.tar") }

// plugin is the program kubectl-shm.
func plugin(dir string) string { return filepath.Join(dir, "kubectl-shm") }

func logsIn(dir string) string {
	if logs := os.Getenv(logsVariable); logs != "" {
		return logs
	}
	return filepath.Join(dir, "logs")
}

// runInside starts the cluster, installs shmkeeper and runs the tests.
func runInside(m *testing.M, dir string) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	runtime, err := cluster.FindRuntime()
	if err != nil {
		return 0, err
	}
	node, err = cluster.Start(ctx, cluster.Options{
		Runtime: runtime, PauseImage: pauseImage, Images: []string{archive(dir)}, Layouts: []cluster.Layout{{Name: releaseImage, Archive: layoutArchive(dir)}},
		LogDir: logsIn(dir), Progress: os.Stderr,
		// Alpha in 1.37: a resize may change the sizeLimit of a Memory emptyDir (KEP-6030).
		FeatureGates: map[string]bool{"InPlacePodVerticalScalingMemoryBackedVolumes": true},
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, node.Stop()) }()
	if err := installShmkeeper(ctx, dir); err != nil {
		return 0, err
	}
	if uml.InGuest() {
		if err := leaveOutTimed(); err != nil {
			return 0, err
		}
	}
	status = m.Run()
	if *update && status == 0 {
		err = writeDocs(context.Background())
	}
	return status, err
}
