package webhook

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Options are what all handlers share.
type Options struct {
	// Cluster is what is known of the cluster.
	Cluster Cluster
	// MaxMode is the most that any policy does in any namespace.
	MaxMode v1alpha1.Mode
	// Metrics counts what the handlers answer.
	Metrics *Metrics
	// Running is what is known of the Pods that run; nil if nothing is.
	Running RunningPods
	// Events gets what happens to the Pods of workloads; nil if nobody wants to know.
	Events Events
}

// handler answers also when something is wrong with it, by onError.
type handler struct {
	name    string
	options *Options
	onError func(error) admission.Response
	// handle answers a request that the full decoder has read.
	handle func(*admission.Request) (admission.Response, error)
	// read and decide answer a request in one pass over its JSON; nil for a webhook that is seldom
	// called.
	read   objectReader
	decide func(*reviewRequest) (admission.Response, error)
}

// newHandler returns the handler of objects that two decoders read: read and decode.
func newHandler(
	o *Options, name string, onError func(error) admission.Response, read objectReader,
	decode func(runtime.RawExtension, kindOfObject) (policy.Subject, error),
	decide func(*reviewRequest) (admission.Response, error),
) *handler {
	return &handler{
		name: name, options: o, onError: onError, read: read, decide: decide,
		handle: func(req *admission.Request) (admission.Response, error) {
			return decide(newRequest(req, decode))
		},
	}
}

// Handle answers a request. An error, or a panic, is counted and logged, and answered by onError.
func (h *handler) Handle(ctx context.Context, req admission.Request) admission.Response {
	response, err := recovered(func() (admission.Response, error) { return h.handle(&req) })
	if err != nil {
		return h.fail(ctx, &reviewRequest{kind: req.Kind, namespace: req.Namespace, name: req.Name}, err)
	}
	return response
}

// onePass reads an AdmissionReview in one pass and returns the response to it. The error says why
// the full decoder must read it.
func (h *handler) onePass(ctx context.Context, c *cursor, body []byte) (*admission.Response, error) {
	c.reset(body)
	r := &reviewRequest{}
	response, err := recovered(func() (admission.Response, error) {
		r = c.review(h.read)
		if c.err != nil {
			return admission.Response{}, c.err
		}
		return h.decide(r)
	})
	switch {
	case err == nil:
	case c.err == nil, errors.Is(c.err, errTooMany), errors.Is(c.err, errExcessive):
		response = h.fail(ctx, r, err)
	default:
		return nil, err
	}
	response.UID = r.uid
	return &response, nil
}

// recovered returns a panic of f as an error.
func recovered(f func() (admission.Response, error)) (response admission.Response, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}

// fail answers a request that could not be evaluated. It is counted unless its namespace is not known.
func (h *handler) fail(ctx context.Context, r *reviewRequest, err error) admission.Response {
	if _, known := h.options.Cluster.NamespaceLabels(r.namespace); known || r.namespace == "" {
		h.options.Metrics.errors.WithLabelValues(h.name).Inc()
	}
	log.FromContext(ctx).Error(errors.New(bounded(err.Error())), "failed to evaluate the request",
		"webhook", h.name, "kind", bounded(r.kind.Kind), "namespace", bounded(r.namespace), "name", bounded(r.name))
	return h.onError(err)
}

// bounded returns the beginning of a text from a request, for the log.
func bounded(text string) string {
	const most = 256
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// failOpen admits the object, and says so.
func failOpen(err error) admission.Response {
	return allow(map[string]string{"error": err.Error()}, []string{fmt.Sprintf(
		"shmkeeper failed to evaluate this object and admitted it: %v: tell shmkeeper's administrator", err)})
}

// failClosed rejects the object.
func failClosed(err error) admission.Response { return badRequest(err) }

// addNamespaceContext sets what a subject has from its request and its namespace: a Pod that is
// made from a template has no namespace of its own yet.
func (o *Options) addNamespaceContext(s *policy.Subject, req *reviewRequest) {
	s.Namespace = req.namespace
	if req.name != "" {
		s.Name = req.name
	}
	labels, known := o.Cluster.NamespaceLabels(req.namespace)
	if !known {
		// The namespace is younger than our cache. Its name is one of its labels, and nothing
		// else is said about it.
		s.NamespaceLabels = map[string]string{"kubernetes.io/metadata.name": req.namespace}
		return
	}
	s.NamespaceLabels = labels
	s.LimitRanges = o.Cluster.LimitRanges(req.namespace)
	if req.operation == admissionv1.Create {
		// A quota has counted what is there already, and nothing is added to that.
		s.ResourceQuotas = o.Cluster.ResourceQuotas(req.namespace)
	}
}
