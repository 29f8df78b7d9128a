package envtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// startTimeout bounds the time from a program's start until it answers. A few seconds are usual; User Mode Linux on a loaded machine needs minutes.
const startTimeout = 5 * time.Minute

// attempts is how often Start begins again because another process took a port between its choice and its use.
const attempts = 3

// Options configure a control plane. The zero value is a useful one.
type Options struct {
	// APIServerArgs are further flags of kube-apiserver, each "--name=value". A flag that is set
	// here replaces the value chosen by this package.
	APIServerArgs []string
	// FeatureGates are set in kube-apiserver and in kube-controller-manager.
	FeatureGates map[string]bool
	// AuditPolicy is a Policy of audit.k8s.io/v1 in YAML. Empty means AuditMetadata; AuditNone turns auditing off.
	AuditPolicy string
	// WithoutControllerManager leaves out kube-controller-manager. Nothing then creates service
	// accounts, so the admission plugin that requires one for each Pod is turned off.
	WithoutControllerManager bool
	// WithNodes is for kubelets on this machine. The API server then listens at port 443 of all
	// addresses, ServiceAddress among them, which is how Pods find it where nothing forwards; it
	// connects to kubelets and, through the Pods behind them, to Services on its own, so that
	// ServeService has no effect; and the controllers that look after nodes run too. It needs a
	// network namespace that nobody else uses.
	WithNodes bool
	// LogDir, when set, is a folder where the programs' logs and the audit log are left; it is created. Otherwise they go with Stop.
	LogDir string
	// Progress is told what takes long: a build. Nil means standard error.
	Progress io.Writer
}

// ControlPlane is a running control plane. Its methods may be called concurrently.
type ControlPlane struct {
	// Config is a cluster administrator's, without a rate limit. Copy it before changing it.
	Config *rest.Config
	// Kubeconfig is the path of a file that says the same as Config, readable by its owner only.
	Kubeconfig string
	// AuditLog is the path of the audit log, one event of audit.k8s.io/v1 in JSON on each line.
	AuditLog string
	// Programs are the programs that run.
	Programs Programs

	dir       string
	release   func() // of dir
	pki       *pki
	services  *serviceNetwork
	processes []*process
}

// Start runs a control plane and returns when it admits Pods. ctx bounds the start only; what was started ends with Stop, and at the latest
// with this process. An error says what failed and shows the end of its log; nothing is then left running.
func Start(ctx context.Context, opts Options) (*ControlPlane, error) {
	if opts.Progress == nil {
		opts.Progress = os.Stderr
	}
	programs, err := FindPrograms(ctx, opts.Progress)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		cp, err := start(ctx, programs, opts)
		if err == nil {
			return cp, nil
		}
		if !errors.Is(err, errPortTaken) || attempt == attempts {
			return nil, err
		}
	}
}

// start makes one attempt of Start.
func start(ctx context.Context, programs Programs, opts Options) (_ *ControlPlane, err error) {
	dir, release, err := newTempDir()
	if err != nil {
		return nil, err
	}
	cp := &ControlPlane{dir: dir, release: release, Programs: programs}
	defer func() {
		if err != nil {
			err = errors.Join(err, cp.Stop())
		}
	}()
	layout, err := cp.prepare(opts)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client, err := cp.startAPIServer(ctx, layout, opts)
	if err != nil {
		return nil, err
	}
	if opts.WithoutControllerManager {
		return cp, nil
	}
	if err := cp.startControllerManager(ctx, layout, opts, client); err != nil {
		return nil, err
	}
	return cp, nil
}

// prepare makes what the programs need before they start: folders, keys and the network of Services.
func (cp *ControlPlane) prepare(opts Options) (layout, error) {
	logs := opts.LogDir
	if logs == "" {
		logs = filepath.Join(cp.dir, "logs")
	}
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return layout{}, fmt.Errorf("the folder of the logs: %w; name another in Options.LogDir", err)
	}
	cp.AuditLog = filepath.Join(logs, "audit.log")
	// The API server would append to an earlier run's.
	if err := os.Remove(cp.AuditLog); err != nil && !os.IsNotExist(err) {
		return layout{}, fmt.Errorf("the audit log of an earlier run: %w; name another folder in Options.LogDir", err)
	}
	var err error
	if cp.pki, err = newPKI(cp.dir); err != nil {
		return layout{}, err
	}
	if cp.services, err = newServiceNetwork(filepath.Join(cp.dir, "egress.sock")); err != nil {
		return layout{}, err
	}
	if opts.WithNodes {
		if err := cp.pki.writeKubeletClient(); err != nil {
			return layout{}, err
		}
	}
	return layout{dir: cp.dir, logs: logs, audit: cp.AuditLog, egress: cp.services.socket}, nil
}

// startAPIServer starts etcd and the API server, and returns a client when it is ready.
func (cp *ControlPlane) startAPIServer(ctx context.Context, layout layout, opts Options) (kubernetes.Interface, error) {
	etcd, err := layout.etcd(cp.Programs)
	if err != nil {
		return nil, err
	}
	apiServer, err := layout.apiServer(cp.Programs, etcd.url, opts)
	if err != nil {
		return nil, err
	}
	// The API server waits for etcd on its own, so both start at once.
	for _, c := range []command{etcd.command, apiServer.command} {
		if err := cp.run(c); err != nil {
			return nil, err
		}
	}
	cp.pki.host = apiServer.url
	if cp.Config, err = cp.User("envtest:admin", "system:masters"); err != nil {
		return nil, err
	}
	cp.Kubeconfig = filepath.Join(cp.dir, "kubeconfig")
	if err := WriteKubeconfig(cp.Kubeconfig, cp.Config); err != nil {
		return nil, err
	}
	resolver, err := cp.User("envtest:service-network", "system:masters")
	if err != nil {
		return nil, err
	}
	if err := cp.services.resolveWith(resolver); err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		return nil, err
	}
	return client, cp.wait(ctx, "kube-apiserver", func() error { return ready(ctx, client) })
}

// startControllerManager starts the controllers, and returns when Pods can be created.
func (cp *ControlPlane) startControllerManager(
	ctx context.Context, layout layout, opts Options, client kubernetes.Interface,
) error {
	manager, err := cp.User("system:kube-controller-manager")
	if err != nil {
		return err
	}
	if err := WriteKubeconfig(layout.managerKubeconfig(), manager); err != nil {
		return err
	}
	if err := cp.run(layout.controllerManager(cp.Programs, opts)); err != nil {
		return err
	}
	return cp.wait(ctx, "kube-controller-manager", func() error { return admitsPods(ctx, client) })
}

// ready returns an error until the API server serves and has the namespace that everyone takes for granted.
func ready(ctx context.Context, client kubernetes.Interface) error {
	if _, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err != nil {
		return err
	}
	_, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceDefault, metav1.GetOptions{})
	return err
}

// admitsPods returns an error until the controllers have done what a Pod needs before it can be created.
func admitsPods(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return errors.New("it has not created the service account \"default\"")
	}
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ConfigMaps(metav1.NamespaceDefault).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	return err
}

// RunProgram starts a program that belongs to the control plane, a scheduler say, and returns when
// ready succeeds, which is asked again and again. The program ends with Stop, and at the latest
// with this process. Its log lies beside the others. An error shows the end of that log.
func (cp *ControlPlane) RunProgram(ctx context.Context, name, path string, args []string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := cp.run(command{name: name, path: path, args: args, log: filepath.Join(filepath.Dir(cp.AuditLog), name+".log")}); err != nil {
		return err
	}
	return cp.wait(ctx, name, func() error { return ready(ctx) })
}

// run starts one program and remembers it for Stop.
func (cp *ControlPlane) run(c command) error {
	p, err := startProcess(c)
	if err != nil {
		return err
	}
	cp.processes = append(cp.processes, p)
	return nil
}

// wait returns when check succeeds. It fails when ctx ends, or at once when one of the programs does.
func (cp *ControlPlane) wait(ctx context.Context, what string, check func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		for _, p := range cp.processes {
			if p.ended() {
				return p.failure()
			}
		}
		select {
		case <-ctx.Done():
			for _, p := range cp.processes {
				if p.name == what {
					return fmt.Errorf("%s is not ready: %w\n%s\nGive it more time, or set Options.LogDir and read its log there", what, err, p.logEnd())
				}
			}
			return fmt.Errorf("%s is not ready: %w", what, err)
		case <-tick.C:
		}
	}
}

// ServeService says who answers at a port of the Service "name": the addresses, each "host:port",
// take turns with each new connection. It may be called at any time, before there is such a Service
// too, and again to name others. As in a cluster, open connections to an address that is no longer
// named stay until its server closes them, and an address that refuses connections is an error for
// the caller. With no address nobody answers: new connections are refused and open ones are cut,
// and the API server has noticed that when ServeService returns, so that none of its requests is
// lost to a connection that it took to be open.
func (cp *ControlPlane) ServeService(namespace, name string, port int, addrs ...string) {
	cp.services.serve(servicePort{namespace: namespace, name: name, port: int32(port)}, addrs)
}

// Stop ends everything that Start began and removes its files, except those in Options.LogDir. The
// programs are killed: nothing that they would save on their way out is kept.
func (cp *ControlPlane) Stop() error {
	var errs []error
	for i := len(cp.processes) - 1; i >= 0; i-- {
		errs = append(errs, cp.processes[i].stop())
	}
	cp.processes = nil
	if cp.services != nil {
		errs = append(errs, cp.services.close())
	}
	if err := os.RemoveAll(cp.dir); err != nil {
		errs = append(errs, fmt.Errorf("the folder of the control plane: %w; remove it by hand", err))
	}
	cp.release()
	return errors.Join(errs...)
}
