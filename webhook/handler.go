package webhook

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/json"

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
}

// handler answers also when something is wrong with it, by onError.
type handler struct {
	name    string
	metrics *Metrics
	onError func(error) admission.Response
	handle  func(context.Context, admission.Request) (admission.Response, error)
}

// Handle answers a request. An error, or a panic, is counted and logged, and answered by onError.
func (h *handler) Handle(ctx context.Context, req admission.Request) (response admission.Response) {
	defer func() {
		if r := recover(); r != nil {
			response = h.fail(ctx, req, fmt.Errorf("panic: %v", r))
		}
	}()
	response, err := h.handle(ctx, req)
	if err != nil {
		return h.fail(ctx, req, err)
	}
	return response
}

func (h *handler) fail(ctx context.Context, req admission.Request, err error) admission.Response {
	h.metrics.errors.WithLabelValues(h.name).Inc()
	log.FromContext(ctx).Error(err, "failed to evaluate the request",
		"webhook", h.name, "kind", req.Kind.Kind, "namespace", req.Namespace, "name", req.Name)
	return h.onError(err)
}

// failOpen admits the object, and says so.
func failOpen(err error) admission.Response {
	return allow(map[string]string{"error": err.Error()}, []string{fmt.Sprintf(
		"shmkeeper failed to evaluate this object and admitted it: %v: tell shmkeeper's administrator", err)})
}

// failClosed rejects the object.
func failClosed(err error) admission.Response { return badRequest(err) }

// decode reads an object as an API server wrote it. Unknown fields are ignored: the API server
// may be newer.
func decode(raw runtime.RawExtension, into any) error {
	if len(raw.Raw) == 0 {
		return fmt.Errorf("the request has no object: call this webhook for CREATE and UPDATE only")
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(raw.Raw, into); err != nil {
		return fmt.Errorf("read the object of the request: %w", err)
	}
	return nil
}

// addNamespaceContext sets what a subject has from its request and its namespace: a Pod that is
// made from a template has no namespace of its own yet.
func (o *Options) addNamespaceContext(s *policy.Subject, req *admission.Request) {
	s.Namespace = req.Namespace
	if req.Name != "" {
		s.Name = req.Name
	}
	labels, known := o.Cluster.NamespaceLabels(req.Namespace)
	if !known {
		// The namespace is younger than our cache. Its name is one of its labels, and nothing
		// else is said about it.
		s.NamespaceLabels = map[string]string{"kubernetes.io/metadata.name": req.Namespace}
		return
	}
	s.NamespaceLabels = labels
	s.LimitRanges = o.Cluster.LimitRanges(req.Namespace)
	if req.Operation == admissionv1.Create {
		// A quota has counted what is there already, and nothing is added to that.
		s.ResourceQuotas = o.Cluster.ResourceQuotas(req.Namespace)
	}
}
