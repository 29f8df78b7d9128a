package envtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// reportEvery is the time between two words about a build that goes on.
const reportEvery = 15 * time.Second

// source is a module below this package that pins programs.
type source struct {
	folder   string            // below envtest/binaries
	module   string            // whose version the programs have
	packages map[string]string // by the program's name
	ldflags  func(version string) string
	tags     string
}

var etcdSource = source{
	folder:   "etcd",
	module:   "go.etcd.io/etcd/server/v3",
	packages: map[string]string{"etcd": "go.etcd.io/etcd/server/v3"},
	ldflags:  func(string) string { return "-s -w" },
}

// kubernetesSource is the release that the tests are written for. kubernetesOf returns others.
var kubernetesSource = source{
	folder: kubernetesFolder,
	module: "k8s.io/kubernetes",
	packages: map[string]string{
		"kube-apiserver":          "k8s.io/kubernetes/cmd/kube-apiserver",
		"kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
		"kube-scheduler":          "k8s.io/kubernetes/cmd/kube-scheduler",
		"kubectl":                 "k8s.io/kubernetes/cmd/kubectl",
		"kubelet":                 "k8s.io/kubernetes/cmd/kubelet",
	},
	ldflags: func(version string) string {
		major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
		minor, _, _ := strings.Cut(rest, ".")
		flags := []string{"-s", "-w"}
		// Servers and clients have a copy each.
		for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
			flags = append(flags,
				"-X", pkg+".gitVersion="+version, "-X", pkg+".gitMajor="+major, "-X", pkg+".gitMinor="+minor,
				"-X", pkg+".gitTreeState=clean")
		}
		return strings.Join(flags, " ")
	},
}

// pinned is a source at the version that its module file names.
type pinned struct {
	source
	dir     string // of the module
	version string // "v1.2.3"
	cache   string // where all programs are kept
	target  string // where those of this source are, or will be once built
}

// resolve finds the source's module below the folder.
func (src source) resolve(ctx context.Context, binaries string) (pinned, error) {
	p := pinned{source: src, dir: filepath.Join(binaries, src.folder)}
	var err error
	if p.version, err = goCommand(ctx, p.dir, "list", "-m", "-f", "{{.Version}}", src.module); err != nil {
		return p, fmt.Errorf("the version of %s: %w; run 'go mod tidy' in %s", src.module, err, p.dir)
	}
	if p.cache, err = cacheFolder(); err != nil {
		return p, err
	}
	key, err := p.key(ctx)
	if err != nil {
		return p, err
	}
	p.target = filepath.Join(p.cache, src.folder+"-"+p.version+"-"+key)
	return p, nil
}

// key stands for all that a build depends on.
func (p pinned) key(ctx context.Context) (string, error) {
	platform, err := goCommand(ctx, p.dir, "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return "", fmt.Errorf("the version of go: %w; put go on the PATH", err)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%s\n", platform, p.ldflags(p.version))
	if p.tags != "" {
		fmt.Fprintln(hash, p.tags)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			return "", fmt.Errorf("the module that pins the programs: %w; restore the file", err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(data), data)
	}
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// build sees to it that the programs are in target.
func (p pinned) build(ctx context.Context, progress io.Writer, programs ...string) error {
	return locked(ctx, progress, p.target, programs, func(absent []string) error { return p.compile(ctx, progress, absent) })
}

func (p pinned) compile(ctx context.Context, progress io.Writer, programs []string) error {
	// On the same file system as the target, so that moving is renaming.
	tmp, err := os.MkdirTemp(p.target, ".build-")
	if err != nil {
		return fmt.Errorf("the cache of programs: %w; set %s to a folder that can be written to", err, cacheVariable)
	}
	// What cannot be removed does no harm: nothing looks there.
	defer func() { _ = os.RemoveAll(tmp) }()

	what := strings.Join(programs, ", ") + " " + p.version
	total := p.toCompile(ctx, programs)
	fmt.Fprintf(progress, "envtest: building %s from its Go module, once: %d packages, which take 10 to 20 minutes for all of Kubernetes on two cores\n", what, total)
	begun := time.Now()
	// Into a folder go names each program after its package, which suits all but the one that is alone in its module.
	out := tmp + string(filepath.Separator)
	if len(programs) == 1 {
		out = filepath.Join(tmp, programs[0])
	}
	// With the flags of an ordinary build, so that the packages that our own programs need too are compiled once.
	args := []string{"build", "-v", "-tags", p.tags, "-ldflags", p.ldflags(p.version), "-o", out}
	for _, program := range programs {
		args = append(args, p.packages[program])
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = p.dir
	cmd.Env = buildEnvironment()
	cmd.SysProcAttr = dieWithParent()
	// The compilers are children of its own.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	compiled := &packageCounter{}
	cmd.Stderr = compiled

	ended := make(chan error, 1)
	go func() {
		// See startProcess.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ended <- cmd.Run()
	}()
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-tick.C:
			fmt.Fprintf(progress, "envtest: building %s: %s\n", what, state(compiled.count(), total, time.Since(begun)))
		}
	}
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s\nIf it was cut short, run it again: what is compiled is kept. "+
			"Otherwise repeat it in %s: CGO_ENABLED=0 go build %s",
			what, err, compiled.rest(), p.dir, strings.Join(args[len(args)-len(programs):], " "))
	}

	if err := moveTo(p.target, tmp, programs); err != nil {
		return err
	}
	fmt.Fprintf(progress, "envtest: built %s in %s\n", what, time.Since(begun).Round(time.Second))
	return nil
}

// toCompile returns how many packages are not in Go's cache; 0 if go does not say.
func (p pinned) toCompile(ctx context.Context, programs []string) int {
	args := []string{"list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"}
	for _, program := range programs {
		args = append(args, p.packages[program])
	}
	out, err := goCommand(ctx, p.dir, args...)
	if err != nil {
		return 0
	}
	return len(strings.Fields(out))
}

// state says how far a build is, and how long the rest takes at the rate so far: after a tenth of it, as the first
// packages are small ones.
func state(compiled, total int, elapsed time.Duration) string {
	elapsed = elapsed.Round(time.Second)
	if total == 0 {
		return fmt.Sprintf("%d packages in %s", compiled, elapsed)
	}
	done := fmt.Sprintf("%d of %d packages in %s", compiled, max(total, compiled), elapsed)
	switch {
	case compiled >= total:
		return done + ", and now the programs are linked"
	case 10*compiled < total:
		return done
	default:
		left := time.Duration(float64(elapsed) * float64(total-compiled) / float64(compiled))
		return fmt.Sprintf("%s, some %s to go", done, max(left, time.Minute).Round(time.Minute))
	}
}

// buildEnvironment returns this process's environment, without what would change the programs.
func buildEnvironment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
}

// goCommand returns what the go command prints.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = buildEnvironment()
	return output(cmd)
}

// output returns what the command prints. When it fails, the error has what it wrote to standard error.
func output(cmd *exec.Cmd) (string, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// packageCounter is the standard error of `go build -v`: the path of each compiled package on a line of its own, and any errors.
type packageCounter struct {
	mu       sync.Mutex
	part     []byte // a line without its end
	packages int
	other    bytes.Buffer
}

func (c *packageCounter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.part = append(c.part, p...)
	for {
		line, after, ok := bytes.Cut(c.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		if bytes.ContainsAny(line, " \t:") {
			c.other.Write(line)
			c.other.WriteByte('\n')
		} else {
			c.packages++
		}
		c.part = after
	}
}

func (c *packageCounter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packages
}

// rest returns everything but the packages.
func (c *packageCounter) rest() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimSpace(c.other.String() + string(c.part))
}
