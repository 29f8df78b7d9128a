package envtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// egressConfiguration has the API server open its connections to the cluster's network through the
// proxy at the socket. These are the ones to Services (webhooks, aggregated API servers) and to
// kubelets; webhooks that are given by URL are called directly.
func egressConfiguration(socket string) string {
	return `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: ` + strconv.Quote(socket) + "\n"
}

// servicePort is a port of a Service.
type servicePort struct {
	namespace, name string
	port            int32
}

func (s servicePort) String() string { return fmt.Sprintf("%s.%s.svc:%d", s.name, s.namespace, s.port) }

// serviceNetwork is what kube-proxy is in a cluster: it connects callers of the address of a Service with a server behind it.
// It is an HTTP proxy that knows the method CONNECT, on a Unix socket, so that nobody but this user reaches it.
type serviceNetwork struct {
	socket string
	server *http.Server
	client atomic.Pointer[kubernetes.Clientset]

	mu       sync.Mutex
	backends map[servicePort]*backend
	closed   bool
}

// backend is who answers at a port of a Service.
type backend struct {
	addrs   []string
	next    int
	tunnels map[*tunnel]struct{}
}

// tunnel is one connection, from the API server to the server that answers.
type tunnel struct {
	client, server net.Conn
	// ended is closed when the client has closed its end, or can no longer be read.
	ended chan struct{}
}

// endWithin bounds how long a client may take to close its end after the server has closed its
// own. A client that is alive needs a moment.
const endWithin = 10 * time.Second

// cut closes the connection to the server, so that forward passes the end on to the client.
func (t *tunnel) cut() {
	_ = t.client.SetDeadline(time.Now().Add(endWithin)) // fails only if it is closed
	_ = t.server.Close()
}

// close cuts the connection. It may be called more than once, and whatever is lost is lost by intent.
func (t *tunnel) close() {
	_ = t.client.Close()
	_ = t.server.Close()
}

// newServiceNetwork listens on the socket, whose folder keeps others out.
func newServiceNetwork(socket string) (*serviceNetwork, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("the proxy to Services: %w; set TMPDIR to a folder with a shorter path that can be written to", err)
	}
	n := &serviceNetwork{socket: socket, backends: map[servicePort]*backend{}}
	n.server = &http.Server{Handler: n, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = n.server.Serve(l) }() // ends with close, and says only that
	return n, nil
}

// resolveWith gives it the credentials to ask whose address it is.
func (n *serviceNetwork) resolveWith(cfg *rest.Config) error {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	n.client.Store(client)
	return nil
}

// serve sets who answers. Without addresses it cuts the open connections, and returns when the
// clients have closed them: none of them sends another request on such a connection.
func (n *serviceNetwork) serve(s servicePort, addrs []string) {
	for _, t := range n.replace(s, addrs) {
		<-t.ended
	}
}

// replace sets who answers, and returns the connections that it has cut.
func (n *serviceNetwork) replace(s servicePort, addrs []string) (cut []*tunnel) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.backends[s]
	if b == nil {
		b = &backend{tunnels: map[*tunnel]struct{}{}}
		n.backends[s] = b
	}
	b.addrs, b.next = slices.Clone(addrs), 0
	if len(addrs) > 0 {
		return nil
	}
	for t := range b.tunnels {
		t.cut()
		cut = append(cut, t)
	}
	return cut
}

// close refuses new connections and cuts the open ones.
func (n *serviceNetwork) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, b := range n.backends {
		for t := range b.tunnels {
			t.close()
		}
	}
	return n.server.Close()
}

// ServeHTTP opens a tunnel to the Service whose address is asked for.
func (n *serviceNetwork) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy knows CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	s, server, err := n.dial(r.Context(), r.Host)
	client, buffered, hijackErr := http.NewResponseController(w).Hijack()
	if hijackErr != nil {
		if server != nil {
			_ = server.Close() // the error that counts is hijackErr
		}
		http.Error(w, hijackErr.Error(), http.StatusInternalServerError)
		return
	}
	if err != nil {
		defer func() { _ = client.Close() }() // it has all it will get
		// Of a refusal the API server reports the status line alone, so the reason goes there.
		fmt.Fprintf(client, "HTTP/1.1 502 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", oneLine(err))
		return
	}
	t := &tunnel{client: client, server: server, ended: make(chan struct{})}
	if _, err := io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		t.close()
		return
	}
	n.forward(s, t, buffered.Reader)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// dial connects to a server behind the address of a Service.
func (n *serviceNetwork) dial(ctx context.Context, address string) (servicePort, net.Conn, error) {
	s, err := n.lookup(ctx, address)
	if err != nil {
		return s, nil, err
	}
	addr, err := n.pick(s)
	if err != nil {
		return s, nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return s, nil, fmt.Errorf("%s: %w", s, err)
	}
	return s, conn, nil
}

// forward copies in both directions until one side ends. When that is the server it tells the
// client, and waits until the client has closed its end too. The client is read through a buffer,
// which may have its first bytes.
func (n *serviceNetwork) forward(s servicePort, t *tunnel, fromClient io.Reader) {
	defer t.close()
	n.mu.Lock()
	b := n.backends[s]
	// It may have changed since the address was picked.
	open := !n.closed && len(b.addrs) > 0
	if open {
		b.tunnels[t] = struct{}{}
	}
	n.mu.Unlock()
	if !open {
		return
	}
	defer func() {
		n.mu.Lock()
		delete(b.tunnels, t)
		n.mu.Unlock()
	}()

	served := make(chan struct{})
	go func() {
		defer close(t.ended)
		_, _ = io.Copy(t.server, fromClient) // either side may go at any time
		_, _ = io.Copy(io.Discard, fromClient)
	}()
	go func() {
		defer close(served)
		_, _ = io.Copy(t.client, t.server)
	}()
	select {
	case <-t.ended:
		return
	case <-served:
	}
	t.cut()
	if c, ok := t.client.(interface{ CloseWrite() error }); !ok || c.CloseWrite() != nil {
		return
	}
	<-t.ended
}

// lookup returns the port of the Service that has the address. It asks each time, since an address may change hands; connections are
// kept, so this is rare.
func (n *serviceNetwork) lookup(ctx context.Context, address string) (servicePort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return servicePort{}, err
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		return servicePort{}, err
	}
	client := n.client.Load()
	if client == nil {
		return servicePort{}, errors.New("the control plane is still starting")
	}
	// Kubernetes 1.30 cannot select by spec.clusterIP.
	list, err := client.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return servicePort{}, err
	}
	for i := range list.Items {
		if found := &list.Items[i]; found.Spec.ClusterIP == host {
			return servicePort{namespace: found.Namespace, name: found.Name, port: int32(number)}, nil
		}
	}
	return servicePort{}, fmt.Errorf("no Service has the address %s", host)
}

// pick returns the address whose turn it is.
func (n *serviceNetwork) pick(s servicePort) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.backends[s]
	if b == nil || len(b.addrs) == 0 {
		return "", fmt.Errorf("nobody answers at %s; name who does with ServeService", s)
	}
	addr := b.addrs[b.next%len(b.addrs)]
	b.next++
	return addr, nil
}
