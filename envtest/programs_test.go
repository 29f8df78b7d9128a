package envtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stubs writes executable files with these names and returns their folder.
func stubs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindPrograms_AssetsComeFirst(t *testing.T) {
	dir := stubs(t, "etcd", "kube-apiserver", "kubectl", "kube-controller-manager")
	t.Setenv(assetsVariable, dir)
	got, err := FindPrograms(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	want := Programs{
		Etcd: dir + "/etcd", APIServer: dir + "/kube-apiserver", Kubectl: dir + "/kubectl",
		ControllerManager: dir + "/kube-controller-manager",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFindPrograms_AssetsWithoutControllerManager(t *testing.T) {
	if os.Getenv(assetsVariable) != "" {
		t.Skip("nothing is built where " + assetsVariable + " is set")
	}
	t.Setenv(assetsVariable, stubs(t, "etcd", "kube-apiserver", "kubectl"))
	got, err := FindPrograms(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if got.ControllerManager != plane.Programs.ControllerManager {
		t.Errorf("the controller manager is %s, want %s", got.ControllerManager, plane.Programs.ControllerManager)
	}
}

func TestFindPrograms_IncompleteAssets(t *testing.T) {
	dir := stubs(t, "etcd", "kubectl")
	t.Setenv(assetsVariable, dir)
	_, err := FindPrograms(t.Context(), t.Output())
	want := `KUBEBUILDER_ASSETS: there is no "kube-apiserver" in "` + dir + `"; let it name a folder that setup-envtest has filled, or unset it`
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

func TestFindPrograms_RelativeCache(t *testing.T) {
	t.Setenv(assetsVariable, "")
	t.Setenv(cacheVariable, "cache")
	_, err := FindPrograms(t.Context(), t.Output())
	want := `SHMKEEPER_ENVTEST_CACHE: "cache" is relative, and would be another folder for each package; start it with /`
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

// releases serves a list of releases with one archive, for this platform.
func releases(t *testing.T, version string, programs ...string) string {
	t.Helper()
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	files := tar.NewWriter(zipped)
	for _, name := range programs {
		header := &tar.Header{Name: "controller-tools/envtest/" + name, Mode: 0o755, Size: int64(len(name)), Typeflag: tar.TypeReg}
		if err := files.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}

	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/archive", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(archive.Bytes()) // a reader that has gone fails on its own
	})
	mux.HandleFunc("/index", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "releases:\n  %s:\n    envtest-%s-%s-%s.tar.gz:\n      hash: %x\n      selfLink: %s/archive\n",
			version, version, runtime.GOOS, runtime.GOARCH, sha512.Sum512(archive.Bytes()), server.URL)
	})
	return server.URL + "/index"
}

func downloadInto(t *testing.T, cache, version, index string) (string, error) {
	t.Helper()
	module, err := filepath.Abs("binaries/download")
	if err != nil {
		t.Fatal(err)
	}
	return download{module: module, cache: cache, version: version, index: index}.find(t.Context(), t.Output())
}

func TestDownload_FetchesTheReleaseOnce(t *testing.T) {
	cache := t.TempDir()
	dir, err := downloadInto(t, cache, "v1.2.3", releases(t, "v1.2.3", "etcd", "kube-apiserver", "kubectl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(data) != name {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	again, err := downloadInto(t, cache, "v1.2.3", "http://127.0.0.1:1/nothing-is-asked")
	if err != nil || again != dir {
		t.Errorf("the second time: %s, %v; want %s", again, err, dir)
	}
}

func TestDownload_MissingRelease(t *testing.T) {
	_, err := downloadInto(t, t.TempDir(), "v1.2.4", releases(t, "v1.2.3", "etcd", "kube-apiserver", "kubectl"))
	if want := "setup-envtest knows of none"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

func TestDownload_WithoutNetwork(t *testing.T) {
	_, err := downloadInto(t, t.TempDir(), "v1.2.3", "http://127.0.0.1:1/")
	if want := "connection refused"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v; want %q in it", err, want)
	}
}

func TestLocked_FilledInOnceForAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	from := stubs(t, "etcd")
	const callers = 8
	var filled atomic.Int64
	waits := make(progressLines, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			err := locked(t.Context(), waits, dir, []string{"etcd"}, func(absent []string) error {
				filled.Add(1)
				for range callers - 1 {
					select {
					case <-waits:
					case <-time.After(30 * time.Second):
						return errors.New("not all others wait within 30 s")
					}
				}
				return moveTo(dir, from, absent)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := filled.Load(); n != 1 {
		t.Errorf("it was filled %d times", n)
	}
}

// progressLines receives each line of progress.
type progressLines chan string

// Write implements io.Writer.
func (p progressLines) Write(line []byte) (int, error) {
	p <- string(line)
	return len(line), nil
}

func TestLock_EndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, func() { t.Error("nobody else has it") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits := 0
	_, err = lock(ctx, path, func() { waits++; cancel() })
	if !errors.Is(err, context.Canceled) || waits != 1 {
		t.Errorf("the second holder: %v after %d words of waiting", err, waits)
	}
	unlock()
	unlock, err = lock(t.Context(), path, func() { t.Error("nobody has it any more") })
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestOverride_SetFlagsReplaceOwn(t *testing.T) {
	got := override([]string{"--audit-log-path=a", "--secure-port=1", "--allow-privileged"}, []string{"-secure-port=2", "--allow-privileged=false", "--v=4"})
	want := []string{"--audit-log-path=a", "-secure-port=2", "--allow-privileged=false", "--v=4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPackageCounter_CountsAndKeepsErrors(t *testing.T) {
	var c packageCounter
	for _, part := range []string{"k8s.io/a", "pi\nk8s.io/b\n# k8s.io/c\n", "c.go:1:2: undefined: x\nlast words"} {
		if _, err := c.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if c.count() != 2 {
		t.Errorf("%d packages, want 2", c.count())
	}
	if got, want := c.rest(), "# k8s.io/c\nc.go:1:2: undefined: x\nlast words"; got != want {
		t.Errorf("the rest is %q, want %q", got, want)
	}
}
