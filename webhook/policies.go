package webhook

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// ValidatePolicies refuses a SharedMemoryPolicy that does not compile: what its
// CustomResourceDefinition cannot say. FAILS CLOSED: a policy that nobody checked
// could come to nothing without anybody knowing.
func ValidatePolicies(o Options) admission.Handler {
	return &guarded{name: "policies", metrics: o.Metrics, stance: failClosed, handle: o.validatePolicy}
}

func (o *Options) validatePolicy(_ context.Context, req admission.Request) (admission.Response, error) {
	var p v1alpha1.SharedMemoryPolicy
	if err := decode(req.Object, &p); err != nil {
		return admission.Response{}, err
	}
	if p.DeletionTimestamp != nil {
		return allow(nil, nil), nil // its finalizers must be removable
	}
	if p.Name == "" { // made by generateName, which is filled in later
		p.Name = p.GenerateName + "x"
	}
	compiled, errs := policy.Compile(&p)
	if len(errs) > 0 {
		return invalid(p.Name, errs), nil
	}
	return allow(nil, sizeWarnings(compiled)), nil
}

// sizeWarnings say when the size that a policy gives will fill.
func sizeWarnings(p policy.Policy) []string {
	s, ok := p.Size()
	switch {
	case !ok:
		return nil
	case !s.Bounded:
		return []string{fmt.Sprintf("without spec.sizing.files.retention nothing is ever deleted: %s fills after %s; write the retention", s.Limit, policy.Span(s.FullAfter))}
	case s.Saturated:
		return []string{fmt.Sprintf("spec.sizing.max %s is less than the %s that are needed; raise it, or shorten the retention", s.Limit, s.Demand)}
	default:
		return nil
	}
}
