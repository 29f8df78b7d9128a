package envtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The programs' names, which are those of their files.
const (
	etcdName       = "etcd"
	apiServerName  = "kube-apiserver"
	controllerName = "kube-controller-manager"
	schedulerName  = "kube-scheduler"
	kubectlName    = "kubectl"
	kubeletName    = "kubelet"
)

// The environment variables that say where programs are, where to put them, not to download any, and
// which release of Kubernetes they are of.
const (
	assetsVariable  = "KUBEBUILDER_ASSETS"
	cacheVariable   = "SHMKEEPER_ENVTEST_CACHE"
	buildVariable   = "SHMKEEPER_ENVTEST_BUILD"
	releaseVariable = "SHMKEEPER_ENVTEST_RELEASE"
)

// Programs are the paths of what a control plane consists of.
type Programs struct {
	Etcd, APIServer, ControllerManager, Kubectl string
}

// NodePrograms are the paths of what a cluster with a node has in addition to a control plane of
// Programs. The container runtime is not among them.
type NodePrograms struct {
	Scheduler, Kubelet string
}

// FindNodePrograms returns the programs of the release that FindPrograms builds, and builds those that are missing, as FindPrograms does.
func FindNodePrograms(ctx context.Context, progress io.Writer) (NodePrograms, error) {
	_, kubernetes, err := resolveKubernetes(ctx)
	if err != nil {
		return NodePrograms{}, err
	}
	if err := kubernetes.build(ctx, progress, schedulerName, kubeletName); err != nil {
		return NodePrograms{}, err
	}
	return NodePrograms{
		Scheduler: filepath.Join(kubernetes.target, schedulerName),
		Kubelet:   filepath.Join(kubernetes.target, kubeletName),
	}, nil
}

// FindPrograms returns the programs from where the package comment says, and fetches or builds what
// is missing. progress is told of it, as it takes minutes; several that are asked for the same at
// once, in this or in other processes, wait for the first.
func FindPrograms(ctx context.Context, progress io.Writer) (Programs, error) {
	binaries, kubernetes, err := resolveKubernetes(ctx)
	if err != nil {
		return Programs{}, err
	}
	if assets := os.Getenv(assetsVariable); assets != "" {
		if absent := missing(assets, etcdName, apiServerName, kubectlName); len(absent) > 0 {
			return Programs{}, fmt.Errorf("%s: there is no %q in %q; let it name a folder that setup-envtest has filled, or unset it",
				assetsVariable, absent[0], assets)
		}
		return withControllerManager(ctx, progress, assets, kubernetes)
	}

	etcd, err := etcdSource.resolve(ctx, binaries)
	if err != nil {
		return Programs{}, err
	}
	all := []string{apiServerName, controllerName, kubectlName}
	if os.Getenv(buildVariable) != "1" && len(missing(etcd.target, etcdName))+len(missing(kubernetes.target, all...)) > 0 {
		downloaded, err := download{module: filepath.Join(binaries, "download"), cache: kubernetes.cache, version: kubernetes.version}.find(ctx, progress)
		if err == nil {
			return withControllerManager(ctx, progress, downloaded, kubernetes)
		}
		if ctx.Err() != nil {
			return Programs{}, err
		}
		fmt.Fprintf(progress, "envtest: no programs of %s to download (%v)\n", kubernetes.version, err)
	}
	if err := etcd.build(ctx, progress, etcdName); err != nil {
		return Programs{}, err
	}
	if err := kubernetes.build(ctx, progress, all...); err != nil {
		return Programs{}, err
	}
	return Programs{
		Etcd:              filepath.Join(etcd.target, etcdName),
		APIServer:         filepath.Join(kubernetes.target, apiServerName),
		ControllerManager: filepath.Join(kubernetes.target, controllerName),
		Kubectl:           filepath.Join(kubernetes.target, kubectlName),
	}, nil
}

// Root returns the folder of the project's module. It works wherever in the project the program or test is run, modules below it included.
func Root(ctx context.Context) (string, error) {
	root, err := goCommand(ctx, "", "list", "-m", "-f", "{{.Dir}}", "github.com/shmkeeper/shmkeeper")
	if err != nil {
		return "", fmt.Errorf("the folder of the project: %w; run this in a checkout of shmkeeper", err)
	}
	return root, nil
}

// resolveKubernetes finds the module that pins Kubernetes, and the folder that it and the others are in.
func resolveKubernetes(ctx context.Context) (binaries string, kubernetes pinned, err error) {
	root, err := Root(ctx)
	if err != nil {
		return "", pinned{}, err
	}
	binaries = filepath.Join(root, "envtest", "binaries")
	source, err := kubernetesOf(os.Getenv(releaseVariable), binaries)
	if err != nil {
		return "", pinned{}, err
	}
	kubernetes, err = source.resolve(ctx, binaries)
	return binaries, kubernetes, err
}

// withControllerManager returns the programs in a folder that setup-envtest has filled, which has
// no kube-controller-manager unless someone has put one there.
func withControllerManager(ctx context.Context, progress io.Writer, dir string, kubernetes pinned) (Programs, error) {
	p := Programs{
		Etcd:              filepath.Join(dir, etcdName),
		APIServer:         filepath.Join(dir, apiServerName),
		ControllerManager: filepath.Join(dir, controllerName),
		Kubectl:           filepath.Join(dir, kubectlName),
	}
	if len(missing(dir, controllerName)) == 0 {
		return p, nil
	}
	if err := kubernetes.build(ctx, progress, controllerName); err != nil {
		return Programs{}, err
	}
	p.ControllerManager = filepath.Join(kubernetes.target, controllerName)
	return p, nil
}

// missing returns those of the programs that are not in the folder.
func missing(dir string, programs ...string) []string {
	var names []string
	for _, program := range programs {
		if info, err := os.Stat(filepath.Join(dir, program)); err != nil || !info.Mode().IsRegular() {
			names = append(names, program)
		}
	}
	return names
}

// cacheFolder returns where programs are kept: outside any checkout, so that all share them.
func cacheFolder() (string, error) {
	if dir := os.Getenv(cacheVariable); dir != "" {
		if !filepath.IsAbs(dir) {
			return "", fmt.Errorf("%s: %q is relative, and would be another folder for each package; start it with /", cacheVariable, dir)
		}
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("the cache of programs: %w; set %s to a folder", err, cacheVariable)
	}
	return filepath.Join(dir, "shmkeeper", "envtest"), nil
}

// locked has act fill the folder, whole programs only, unless it has the programs or gets them from another process in the meantime.
func locked(ctx context.Context, progress io.Writer, dir string, programs []string, act func(absent []string) error) error {
	if len(missing(dir, programs...)) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the cache of programs: %w; set %s to a folder that can be written to", err, cacheVariable)
	}
	unlock, err := lock(ctx, filepath.Join(dir, ".lock"), func() {
		fmt.Fprintf(progress, "envtest: waiting for another process to fill %s\n", dir)
	})
	if err != nil {
		return err
	}
	defer unlock()
	absent := missing(dir, programs...)
	if len(absent) == 0 {
		return nil
	}
	return act(absent)
}

// moveTo moves programs to a folder from another one on the same file system, so that each appears whole or not at all.
func moveTo(target, from string, programs []string) error {
	for _, program := range programs {
		if err := os.Rename(filepath.Join(from, program), filepath.Join(target, program)); err != nil {
			return fmt.Errorf("the cache of programs: %w; remove %q and try again", err, target)
		}
	}
	return nil
}
