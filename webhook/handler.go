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
	// Metrics counts what was decided.
	Metrics *Metrics
}

// guarded is a handler that answers also when something is wrong with it: what it
// answers then is its stance.
type guarded struct {
	name    string
	metrics *Metrics
	stance  func(error) admission.Response
	handle  func(context.Context, admission.Request) (admission.Response, error)
}

// Handle answers a request. An error, or a panic, is counted and logged, and
// answered by the handler's stance.
func (g *guarded) Handle(ctx context.Context, req admission.Request) (response admission.Response) {
	defer func() {
		if r := recover(); r != nil {
			response = g.fail(ctx, req, fmt.Errorf("panic: %v", r))
		}
	}()
	response, err := g.handle(ctx, req)
	if err != nil {
		return g.fail(ctx, req, err)
	}
	return response
}

func (g *guarded) fail(ctx context.Context, req admission.Request, err error) admission.Response {
	g.metrics.errors.WithLabelValues(g.name).Inc()
	log.FromContext(ctx).Error(err, "cannot decide over a request", "webhook", g.name, "kind", req.Kind.Kind, "namespace", req.Namespace, "name", req.Name)
	return g.stance(err)
}

// failOpen lets the object through, and says so.
func failOpen(err error) admission.Response {
	return allow(map[string]string{"error": err.Error()}, []string{fmt.Sprintf(
		"shmkeeper could not look at this object and let it through: %v; tell whoever runs shmkeeper", err)})
}

// failClosed refuses the object.
func failClosed(err error) admission.Response { return unreadable(err) }

// decode reads an object as an API server wrote it. Fields that are unknown are
// passed over: the API server may be newer.
func decode(raw runtime.RawExtension, into any) error {
	if len(raw.Raw) == 0 {
		return fmt.Errorf("the request has no object: call this webhook for CREATE and UPDATE only")
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(raw.Raw, into); err != nil {
		return fmt.Errorf("read the object of the request: %w", err)
	}
	return nil
}

// place fills in what a subject has from its request: a Pod that is made from a
// template has no namespace of its own yet.
func (o *Options) place(s *policy.Subject, req *admission.Request) {
	s.Namespace = req.Namespace
	if req.Name != "" {
		s.Name = req.Name
	}
	s.LimitRanges = o.Cluster.LimitRanges(req.Namespace)
	if req.Operation == admissionv1.Create {
		// A quota has counted what is there already, and nothing is added to that.
		s.ResourceQuotas = o.Cluster.ResourceQuotas(req.Namespace)
	}
	labels, known := o.Cluster.NamespaceLabels(req.Namespace)
	if !known {
		// The namespace is younger than our cache. Its name is a label of it.
		labels = map[string]string{"kubernetes.io/metadata.name": req.Namespace}
	}
	s.NamespaceLabels = labels
}
