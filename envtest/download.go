package envtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// If there is no network, the wait for a download is not to cost more than it saves; if there is, it goes on for as long as it needs.
const (
	indexTimeout    = 20 * time.Second
	downloadTimeout = 5 * time.Minute
)

// download fetches what setup-envtest has: etcd, kube-apiserver and kubectl.
type download struct {
	module  string // the folder of the module that pins setup-envtest
	cache   string
	version string // "v1.2.3"
	index   string // the URL of the list of releases; empty means setup-envtest's own
}

// find returns the folder with the programs, from the cache or from the network. An error says why
// there is none; they can be built instead.
func (d download) find(ctx context.Context, progress io.Writer) (string, error) {
	target := filepath.Join(d.cache, "downloaded-"+d.version+"-"+runtime.GOOS+"-"+runtime.GOARCH)
	programs := []string{etcdName, apiServerName, kubectlName}
	err := locked(ctx, progress, target, programs, func(absent []string) error { return d.fetch(ctx, progress, target, absent) })
	return target, err
}

func (d download) fetch(ctx context.Context, progress io.Writer, target string, programs []string) error {
	tmp, err := os.MkdirTemp(target, ".download-")
	if err != nil {
		return fmt.Errorf("the cache of programs: %w; set %s to a folder that can be written to", err, cacheVariable)
	}
	// What cannot be removed does no harm: nothing looks there.
	defer func() { _ = os.RemoveAll(tmp) }()
	tool, err := goCommand(ctx, d.module, "tool", "-n", "setup-envtest")
	if err != nil {
		return err
	}
	setup := func(timeout time.Duration, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		args = append(args, "--bin-dir", tmp)
		if d.index != "" {
			args = append(args, "--index", d.index)
		}
		out, err := output(exec.CommandContext(ctx, tool, args...))
		if ctx.Err() != nil {
			return "", fmt.Errorf("setup-envtest has not finished within %s", timeout)
		}
		return out, err
	}

	// Only the release that is pinned: another would be another API server.
	version := strings.TrimPrefix(d.version, "v")
	list, err := setup(indexTimeout, "list", version)
	if err != nil {
		return err
	}
	if list == "" {
		return errors.New("setup-envtest knows of none")
	}
	fmt.Fprintf(progress, "envtest: downloading %s %s\n", strings.Join(programs, ", "), d.version)
	dir, err := setup(downloadTimeout, "use", version, "--print", "path")
	if err != nil {
		return err
	}
	return moveTo(target, dir, programs)
}
