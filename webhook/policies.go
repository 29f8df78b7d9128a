package webhook

import (
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// validatePolicies rejects a SharedMemoryPolicy that does not compile: what its
// CustomResourceDefinition cannot say. FAILS CLOSED: a policy that nobody checked could come to
// nothing without anybody knowing.
func validatePolicies(o Options) *handler {
	return &handler{name: "policies", options: &o, onError: failClosed, handle: validatePolicy}
}

func validatePolicy(req *admission.Request) (admission.Response, error) {
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
	var warnings []string
	if field, message := compiled.SizeWarning(); message != "" {
		warnings = append(warnings, field+": "+message)
	}
	if _, narrow := matchcondition.Expression([]*v1alpha1.SharedMemoryPolicy{&p}, nil); !narrow {
		warnings = append(warnings, "spec.match: the API server sends every Pod to shmkeeper, since it cannot tell which ones "+
			"the policy matches: give each entry of match a podSelector that asks for a label, images, tmpfsPaths or mounted")
	}
	return allow(nil, warnings), nil
}
