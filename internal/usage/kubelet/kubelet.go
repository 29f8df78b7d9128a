// Package kubelet asks kubelets how full the volumes of their Pods are: GET /stats/summary at their
// own port, which they authorise as get nodes/stats. The API server's proxy would need get
// nodes/proxy, which also allows to run commands in any container, and is never used.
//
// FAILS OPEN: a node that does not answer, or answers nonsense, has an error of its own, and the
// others are read all the same.
package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/internal/usage"
)

// Options say how kubelets are asked.
type Options struct {
	// CAFile has the CA that signs the kubelets' serving certificates, in PEM; empty: the CA of the
	// cluster.
	CAFile string
	// InsecureTLS takes any certificate. Anyone who can answer in a kubelet's place then gets the
	// server's token.
	InsecureTLS bool
	// Concurrency is how many are asked at once; 0 counts as 8.
	Concurrency int
	// Timeout is how long one may take to answer in full; 0 counts as 10 s.
	Timeout time.Duration
	// MaxBytes is how long an answer may be; 0 counts as 32 MiB, more than ten times that of a node
	// with 500 Pods.
	MaxBytes int64
}

// Node is a kubelet to ask.
type Node struct {
	Name    string
	Address string // of an IP, without a port
	Port    int32
}

// Answer is what a kubelet said, or why it said nothing.
type Answer struct {
	Node    string
	Summary usage.Summary
	Err     error
}

// ErrTooLarge is why an answer is not read to its end.
var ErrTooLarge = errors.New("the answer is too large")

// Reader asks kubelets. It may be used concurrently.
type Reader struct {
	client      *http.Client
	concurrency int
	maxBytes    int64
}

// New returns a Reader that has the credentials of config, which also names the cluster's CA.
func New(config *rest.Config, o Options) (*Reader, error) {
	c := rest.CopyConfig(config)
	c.Timeout, c.UserAgent = 0, config.UserAgent
	// A kubelet is asked directly: its address is none that a proxy of the API server knows.
	c.Proxy, c.Dial = func(*http.Request) (*url.URL, error) { return nil, nil }, nil
	c.ServerName = ""
	if o.CAFile != "" {
		c.CAFile, c.CAData = o.CAFile, nil
	}
	if o.InsecureTLS {
		c.CAFile, c.CAData = "", nil
	}
	c.Insecure = o.InsecureTLS
	transport, err := rest.TransportFor(c)
	if err != nil {
		return nil, fmt.Errorf("asking kubelets: %w", err)
	}
	r := &Reader{concurrency: o.Concurrency, maxBytes: o.MaxBytes, client: &http.Client{
		Transport: transport,
		Timeout:   o.Timeout,
		// An answer from elsewhere is not the kubelet's, and the token is for nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if r.concurrency <= 0 {
		r.concurrency = 8
	}
	if r.client.Timeout <= 0 {
		r.client.Timeout = 10 * time.Second
	}
	if r.maxBytes <= 0 {
		r.maxBytes = 32 << 20
	}
	return r, nil
}

// NodeOf returns where the kubelet of a node is asked: at its InternalIP, at the port that it
// names. An address that is not one of another machine is an error: a node writes its own status, and
// must not have the server ask itself, or the cloud's metadata service.
func NodeOf(node *corev1.Node) (Node, error) {
	out := Node{Name: node.Name, Port: node.Status.DaemonEndpoints.KubeletEndpoint.Port}
	if out.Port == 0 {
		out.Port = 10250
	}
	if out.Port < 1 || out.Port > 65535 {
		return Node{}, fmt.Errorf("node %q: its kubelet's port %d is not from 1 to 65535", node.Name, out.Port)
	}
	for _, a := range node.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		ip, err := netip.ParseAddr(a.Address)
		ip = ip.Unmap()
		if err != nil || ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip.Zone() != "" {
			return Node{}, fmt.Errorf("node %q: its InternalIP %.60q is not the address of another machine", node.Name, a.Address)
		}
		out.Address = ip.String()
		return out, nil
	}
	return Node{}, fmt.Errorf("node %q has no InternalIP", node.Name)
}

// Read asks all kubelets and returns their answers in the order of the nodes, when all have
// answered or their time is up.
func (r *Reader) Read(ctx context.Context, nodes []Node) []Answer {
	out := make([]Answer, len(nodes))
	var group errgroup.Group
	group.SetLimit(r.concurrency)
	for i := range nodes {
		group.Go(func() error {
			out[i].Node = nodes[i].Name
			if out[i].Summary, out[i].Err = r.ask(ctx, nodes[i]); out[i].Err != nil {
				out[i].Err = fmt.Errorf("the kubelet of node %q: %w", nodes[i].Name, out[i].Err)
			}
			return nil
		})
	}
	_ = group.Wait() // each has its own error
	return out
}

func (r *Reader) ask(ctx context.Context, n Node) (usage.Summary, error) {
	address := net.JoinHostPort(n.Address, strconv.Itoa(int(n.Port)))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/stats/summary", http.NoBody)
	if err != nil {
		return usage.Summary{}, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return usage.Summary{}, err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return usage.Summary{}, fmt.Errorf("%s: grant get nodes/stats, as manifests/usage does, and make sure that the kubelet asks the API server about tokens", response.Status)
	default:
		return usage.Summary{}, errors.New(response.Status)
	}
	body := &bounded{from: response.Body, left: r.maxBytes}
	s, err := usage.ReadSummary(body)
	switch {
	case body.exceeded:
		return usage.Summary{}, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, r.maxBytes)
	case err != nil:
		return usage.Summary{}, fmt.Errorf("reading /stats/summary: %w", err)
	}
	return s, nil
}

// bounded reads so many bytes and then fails.
type bounded struct {
	from     io.Reader
	left     int64
	exceeded bool
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// What follows may be the end.
		var one [1]byte
		n, err := b.from.Read(one[:])
		if n > 0 {
			b.exceeded = true
			return 0, ErrTooLarge
		}
		return 0, err
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
