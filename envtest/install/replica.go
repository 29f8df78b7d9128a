package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// Replica is a server process.
type Replica struct {
	// Webhooks is the address on which it answers the API server.
	Webhooks string
	// Log is the file of what it logs.
	Log string

	probes string
	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

// readyWithin bounds the time from the start of a replica until it is ready.
const readyWithin = time.Minute

// StartReplica starts a server process with the rights of its service account and
// waits until it is ready. Arguments are added to those of the manifests. Nothing
// is sent to it before ServeReplicas names it.
func StartReplica(ctx context.Context, cp *envtest.ControlPlane, program, dir, name string, args ...string) (*Replica, error) {
	config, err := cp.ServiceAccount(Namespace, ServiceAccount)
	if err != nil {
		return nil, err
	}
	r, err := Launch(config, program, dir, name, args...)
	if err != nil {
		return nil, err
	}
	if err := r.WaitReady(ctx); err != nil {
		_ = r.Kill()
		return nil, err
	}
	return r, nil
}

// Launch starts a server process as StartReplica does, with credentials that are given. It does not wait.
func Launch(config *rest.Config, program, dir, name string, args ...string) (*Replica, error) {
	kubeconfig := filepath.Join(dir, name+".kubeconfig")
	if err := envtest.WriteKubeconfig(kubeconfig, config); err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	r := &Replica{
		Webhooks: address(ports[0]), probes: address(ports[1]),
		Log: filepath.Join(dir, name+".log"), exited: make(chan struct{}),
	}
	log, err := os.Create(r.Log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own handle
	// Not CommandContext: the process lives until Stop, however long ctx does.
	r.cmd = exec.Command(program, append([]string{
		"--kubeconfig=" + kubeconfig,
		"--namespace=" + Namespace,
		"--webhook-host=127.0.0.1",
		"--webhook-port=" + strconv.Itoa(ports[0]),
		"--health-probe-bind-address=" + r.probes,
		"--metrics-bind-address=0",
		"--shutdown-delay=500ms",
	}, args...)...)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	dieWithParent(r.cmd)
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() {
		r.err = r.cmd.Wait()
		close(r.exited)
	}()
	return r, nil
}

// WaitReady waits until the replica is ready, for a minute at most.
func (r *Replica) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	last := "it does not answer"
	for {
		ready, answer := r.Ready(ctx)
		if ready {
			return nil
		}
		if answer != "" {
			last = answer
		}
		select {
		case <-r.exited:
			return fmt.Errorf("the server ended before it was ready: %w\n%s", r.err, r.logTail())
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready within %s: %s\n%s", readyWithin, last, r.logTail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Ready reports whether the replica is ready, and what it answered.
func (r *Replica) Ready(ctx context.Context) (ready bool, answer string) {
	status, answer := r.Probe(ctx, "/readyz?verbose")
	return status == http.StatusOK, answer
}

// Probe asks the replica as a kubelet does. The status is 0 if it does not answer.
func (r *Replica) Probe(ctx context.Context, path string) (status int, answer string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.probes+path, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	_, _ = body.ReadFrom(response.Body)
	return response.StatusCode, body.String()
}

// Pid returns the ID of the process.
func (r *Replica) Pid() int { return r.cmd.Process.Pid }

// Signal sends the process a signal.
func (r *Replica) Signal(s os.Signal) error { return r.cmd.Process.Signal(s) }

// Stop ends the replica as a kubelet does, by SIGTERM, and waits until it has
// drained. An error says that it did not end well.
func (r *Replica) Stop() error {
	if err := r.Terminate(); err != nil {
		return err
	}
	return r.Wait()
}

// Terminate sends SIGTERM, and does not wait.
func (r *Replica) Terminate() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Wait waits until a replica that got SIGTERM has drained. An error says that it did not end well.
func (r *Replica) Wait() error {
	select {
	case <-r.exited:
		return r.err
	case <-time.After(30 * time.Second):
		_ = r.Kill()
		return fmt.Errorf("the server did not end within 30 s of SIGTERM:\n%s", r.logTail())
	}
}

// Kill ends the replica at once.
func (r *Replica) Kill() error {
	err := r.cmd.Process.Kill()
	<-r.exited
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func (r *Replica) logTail() string {
	text, err := os.ReadFile(r.Log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// ServeReplicas has the API server reach these replicas by the Service. Without
// any, nobody answers, and the connections of the API server are closed when it returns.
func ServeReplicas(cp *envtest.ControlPlane, replicas ...*Replica) {
	addresses := make([]string, len(replicas))
	for i, r := range replicas {
		addresses[i] = r.Webhooks
	}
	cp.ServeService(Namespace, Service, ServicePort, addresses...)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts returns ports of the loopback address that nobody listens on now.
func freePorts(n int) ([]int, error) {
	var ports []int
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("a TCP listener has the address %v", l.Addr())
		}
		ports = append(ports, a.Port)
	}
	return ports, nil
}
