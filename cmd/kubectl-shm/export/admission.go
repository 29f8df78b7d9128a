package export

import (
	"encoding/json"
	"fmt"
	"io"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/admissionpolicy"
)

// writeAdmissionPolicies writes the admission policies of policies, and to standard error what they
// do not say.
func writeAdmissionPolicies(s cli.Streams, loaded []policyfile.Policy, forKyverno bool) error {
	var policies []admissionpolicy.Policy
	for _, p := range loaded {
		policies = append(policies, admissionpolicy.Policy{Compiled: p.Compiled, Source: p.Source})
	}
	all, err := admissionpolicy.Generate(policies)
	if err != nil {
		return err
	}
	var objects []any
	noted := map[string]bool{}
	for _, o := range all {
		if forKyverno {
			objects = append(objects, kyvernoPolicies(o)...)
		} else {
			objects = append(objects, admissionPolicies(o)...)
		}
		for _, note := range o.Notes {
			if !noted[note.Text] {
				noted[note.Text] = true
				fmt.Fprintf(s.ErrOut, "note: %s\n", note.Text)
			}
		}
	}
	return writeObjects(s.Out, objects)
}

func admissionPolicies(o admissionpolicy.Objects) []any {
	var out []any
	if o.Mutate != nil {
		out = append(out, o.Mutate, o.MutateBinding)
	}
	out = append(out, o.Validate, o.Undecided)
	for i := range o.Bindings {
		out = append(out, &o.Bindings[i])
	}
	return out
}

// writeObjects writes objects as a stream of YAML, without what only an API server fills in.
func writeObjects(w io.Writer, objects []any) error {
	for i, o := range objects {
		text, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("write the policies: %w", err)
		}
		var object map[string]any
		if err := json.Unmarshal(text, &object); err != nil {
			return fmt.Errorf("write the policies: %w", err)
		}
		unstructured.RemoveNestedField(object, "status")
		unstructured.RemoveNestedField(object, "metadata", "creationTimestamp")
		if i > 0 {
			fmt.Fprintln(w, "---")
		}
		if err := cli.WriteYAML(w, object); err != nil {
			return err
		}
	}
	return nil
}

// kyvernoPolicy is a MutatingPolicy or ValidatingPolicy of Kyverno: the specification of an
// admission policy with what its bindings say, and what Kyverno adds.
type kyvernoPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              kyvernoSpec `json:"spec"`
}

type kyvernoSpec struct {
	// Autogen names no controllers: only Pods are changed and checked, never the workloads.
	Autogen           kyvernoAutogen                                 `json:"autogen"`
	Evaluation        kyvernoEvaluation                              `json:"evaluation"`
	FailurePolicy     *admissionregistrationv1.FailurePolicyType     `json:"failurePolicy,omitempty"`
	MatchConstraints  *admissionregistrationv1.MatchResources        `json:"matchConstraints"`
	MatchConditions   []admissionregistrationv1.MatchCondition       `json:"matchConditions,omitempty"`
	Variables         []admissionregistrationv1.Variable             `json:"variables,omitempty"`
	ReinvocationPol   admissionregistrationv1.ReinvocationPolicyType `json:"reinvocationPolicy,omitempty"`
	Mutations         []admissionregistrationv1.Mutation             `json:"mutations,omitempty"`
	ValidationActions []admissionregistrationv1.ValidationAction     `json:"validationActions,omitempty"`
	Validations       []admissionregistrationv1.Validation           `json:"validations,omitempty"`
}

type kyvernoAutogen struct {
	PodControllers struct {
		Controllers []string `json:"controllers"`
	} `json:"podControllers"`
}

type kyvernoEvaluation struct {
	Background struct {
		Enabled bool `json:"enabled"`
	} `json:"background"`
}

func newKyverno(kind, name string, meta metav1.ObjectMeta, selects *admissionregistrationv1.MatchResources) kyvernoPolicy {
	meta.Name = name
	p := kyvernoPolicy{TypeMeta: metav1.TypeMeta{APIVersion: "policies.kyverno.io/v1", Kind: kind}, ObjectMeta: meta}
	p.Spec.Autogen.PodControllers.Controllers = []string{}
	p.Spec.MatchConstraints = selects
	return p
}

// kyvernoPolicies returns the same as policies of Kyverno, which have no bindings.
func kyvernoPolicies(o admissionpolicy.Objects) []any {
	var out []any
	in := func(constraints, binding *admissionregistrationv1.MatchResources) *admissionregistrationv1.MatchResources {
		both := constraints.DeepCopy()
		both.NamespaceSelector = binding.NamespaceSelector
		return both
	}
	if m := o.Mutate; m != nil {
		p := newKyverno("MutatingPolicy", m.Name, m.ObjectMeta, in(m.Spec.MatchConstraints, o.MutateBinding.Spec.MatchResources))
		p.Spec.FailurePolicy, p.Spec.MatchConditions, p.Spec.Variables = m.Spec.FailurePolicy, m.Spec.MatchConditions, m.Spec.Variables
		p.Spec.ReinvocationPol, p.Spec.Mutations = m.Spec.ReinvocationPolicy, m.Spec.Mutations
		out = append(out, p)
	}
	for i := range o.Bindings {
		b := &o.Bindings[i]
		v := o.Validate
		if b.Spec.PolicyName == o.Undecided.Name {
			v = o.Undecided
		}
		p := newKyverno("ValidatingPolicy", b.Name, v.ObjectMeta, in(v.Spec.MatchConstraints, b.Spec.MatchResources))
		p.Spec.FailurePolicy, p.Spec.MatchConditions, p.Spec.Variables = v.Spec.FailurePolicy, v.Spec.MatchConditions, v.Spec.Variables
		p.Spec.ValidationActions, p.Spec.Validations = b.Spec.ValidationActions, v.Spec.Validations
		out = append(out, p)
	}
	return out
}
