//go:build linux

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

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/test/node/cluster"
	"github.com/shmkeeper/shmkeeper/test/node/image"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
)

// The images of the cluster. That of shmkeeper is the one that the manifests name.
const (
	shmkeeperImage = "shmkeeper/shmkeeper:dev"
	writerImage    = "shmkeeper/sessionwriter:test"
	pauseImage     = "shmkeeper/pause:test"
)

// nonRoot is the user of all images, by number as in the Dockerfile.
const nonRoot = "65532:65532"

// imagesVariable passes the folder of the images on to the run in namespaces of its own, and logsVariable is where logs go that are to be kept.
const (
	imagesVariable = "SHMKEEPER_NODE_IMAGES"
	logsVariable   = "SHMKEEPER_NODE_LOGS"
)

var update = flag.Bool("update", false, "write the figures and the plot of docs/incident.md anew")

// node is the cluster that all tests share. Each has a namespace in it.
var node *cluster.Cluster

func TestMain(m *testing.M) {
	flag.Parse()
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test-node:", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// run runs the tests in namespaces of their own. What these leave behind is an error.
func run(m *testing.M) (status int, err error) {
	var images string // set where prepare has made it, and only there
	inside, status, err := isolate.Run(func() error {
		var err error
		images, err = prepare()
		return err
	})
	if inside {
		return runInside(m, os.Getenv(imagesVariable))
	}
	if images != "" {
		err = errors.Join(err, os.RemoveAll(images))
	}
	return status, err
}

// prepare does what needs the network and the go command: it builds the programs and the images.
func prepare() (images string, err error) {
	if os.Geteuid() != 0 {
		return "", errors.New("these tests start a kubelet, which needs root: run them as root, or `make test` for all others")
	}
	if _, err := cluster.FindRuntime(); err != nil {
		return "", err
	}
	ctx := context.Background()
	if _, err := envtest.FindPrograms(ctx, os.Stderr); err != nil {
		return "", err
	}
	if _, err := envtest.FindNodePrograms(ctx, os.Stderr); err != nil {
		return "", err
	}
	removeStaleImages()
	dir := filepath.Join(os.TempDir(), imagesPrefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("a folder for the images: %w; set TMPDIR to one that can be written to", err)
	}
	if err := buildImages(ctx, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, os.Setenv(imagesVariable, dir)
}

// imagesPrefix begins the name of the folder with the images of a run; the process ID of the program follows.
const imagesPrefix = "shmkeeper-images-"

// removeStaleImages removes the folders of runs whose program was killed before it could. What cannot be removed is somebody else's.
func removeStaleImages() {
	found, err := filepath.Glob(filepath.Join(os.TempDir(), imagesPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range found {
		if !isolate.Runs(strings.TrimPrefix(filepath.Base(dir), imagesPrefix)) {
			_ = os.RemoveAll(dir)
		}
	}
}

func buildImages(ctx context.Context, dir string) error {
	server, err := install.Build(ctx, dir)
	if err != nil {
		return err
	}
	writer := filepath.Join(dir, "sessionwriter")
	if err := image.GoBuild(ctx, ".", "github.com/shmkeeper/shmkeeper/test/node/sessionwriter", writer); err != nil {
		return err
	}
	return image.Write(archive(dir),
		image.Image{Name: shmkeeperImage, Program: server, User: nonRoot},
		image.Image{Name: writerImage, Program: writer, Env: []string{"TMPDIR=/dev/shm/"}, User: nonRoot},
		image.Image{Name: pauseImage, Program: writer, Entrypoint: []string{"/sessionwriter", "pause"}, User: nonRoot},
	)
}

func archive(dir string) string { return filepath.Join(dir, "images.tar") }

// runInside starts the cluster, installs shmkeeper and runs the tests.
func runInside(m *testing.M, images string) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	runtime, err := cluster.FindRuntime()
	if err != nil {
		return 0, err
	}
	logs := os.Getenv(logsVariable)
	if logs == "" {
		logs = filepath.Join(isolate.Dir, "logs")
	}
	node, err = cluster.Start(ctx, cluster.Options{
		Runtime: runtime, PauseImage: pauseImage, Images: []string{archive(images)}, LogDir: logs, Progress: os.Stderr,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, node.Stop()) }()
	if err := installShmkeeper(ctx); err != nil {
		return 0, err
	}
	status = m.Run()
	if *update && status == 0 {
		err = writeDocs(context.Background())
	}
	return status, err
}

// installShmkeeper does what docs/install.md says, and returns when the webhooks answer.
func installShmkeeper(ctx context.Context) error {
	if err := install.Apply(ctx, node.ControlPlane, "default"); err != nil {
		return err
	}
	if _, err := node.Kubectl(ctx, "rollout", "status", "--namespace="+install.Namespace, "--timeout=2m", "deployment/shmkeeper"); err != nil {
		state, _ := node.Kubectl(ctx, "describe", "pods", "--namespace="+install.Namespace)
		logs, _ := node.Kubectl(ctx, "logs", "--namespace="+install.Namespace, "--selector=app.kubernetes.io/name=shmkeeper", "--tail=40")
		return fmt.Errorf("shmkeeper does not run: %w\n%s\n%s", err, state, logs)
	}
	return nil
}
