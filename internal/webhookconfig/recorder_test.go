package webhookconfig

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// recorder records what a manager reads and sends.
type recorder struct {
	mu       sync.Mutex
	requests []string
	versions map[string]string
}

// gone is the version of an object that was not found.
const gone = "gone"

// wrap records the requests that are sent to the API server.
func (r *recorder) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		r.mu.Lock()
		r.requests = append(r.requests, request.Method+" "+request.URL.Path)
		r.mu.Unlock()
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// requestCount returns how many requests were sent so far.
func (r *recorder) requestCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

// sent returns the requests that begin with a prefix, without the first ones.
func (r *recorder) sent(without int, prefix string) (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.requests[without:] {
		if strings.HasPrefix(request, prefix) {
			out = append(out, request)
		}
	}
	return out
}

// writes returns the requests that change something, without the first ones, and without Events, which are sent in the background.
func (r *recorder) writes(without int) (out []string) {
	for _, request := range r.sent(without, "") {
		if !strings.HasPrefix(request, "GET ") && !strings.Contains(request, "/events.k8s.io/") {
			out = append(out, request)
		}
	}
	return out
}

// lastRead returns the version of an object that the manager has read last from its cache.
func (r *recorder) lastRead(o client.Object) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.versions[versionKey(o, o.GetName())]
}

func versionKey(o client.Object, name string) string { return fmt.Sprintf("%T %s", o, name) }

// newClient is a client.NewClientFunc.
func (r *recorder) newClient(config *rest.Config, options client.Options) (client.Client, error) {
	c, err := client.New(config, options)
	return recordingClient{c, r}, err
}

type recordingClient struct {
	client.Client
	recorder *recorder
}

// Get implements client.Reader.
func (c recordingClient) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	err := c.Client.Get(ctx, key, o, options...)
	version := o.GetResourceVersion()
	if apierrors.IsNotFound(err) {
		version = gone
	}
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	c.recorder.versions[versionKey(o, key.Name)] = version
	return err
}
