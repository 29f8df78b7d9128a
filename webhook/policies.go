package webhook

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// ValidatePolicies rejects a SharedMemoryPolicy that does not compile: what its
// CustomResourceDefinition cannot say. FAILS CLOSED: a policy that nobody checked could come to
// nothing without anybody knowing.
func ValidatePolicies(o Options) admission.Handler {
	return &handler{name: "policies", metrics: o.Metrics, onError: failClosed, handle: o.validatePolicy}
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

// sizeWarnings says when the size that a policy gives fills.
func sizeWarnings(p policy.Policy) []string {
	s, ok := p.Size()
	switch {
	case !ok:
		return nil
	case !s.Bounded:
		return []string{fmt.Sprintf(
			"spec.sizing.files: without retention files are never deleted, and %s fills after %s: write the retention",
			s.Limit, sizing.FormatDuration(s.FullAfterOf(s.Limit)))}
	case s.Overflows(s.Limit):
		return []string{fmt.Sprintf(
			"spec.sizing.max: %s fills after %s, as %s are required: raise it, or shorten the retention",
			s.Limit, sizing.FormatDuration(s.FullAfter), s.Required)}
	case s.Saturated:
		return []string{fmt.Sprintf(
			"spec.sizing.max: %s is less than the %s that are required: raise it, or shorten the retention",
			s.Limit, s.Required)}
	default:
		return nil
	}
}
