package admissionpolicy_test

import (
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/shmkeeper/shmkeeper/internal/admissionpolicy"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// library returns the admission policies of policies of the library.
func library(t *testing.T, names ...string) []admissionpolicy.Objects {
	t.Helper()
	var all []admissionpolicy.Policy
	for _, name := range names {
		source := policytest.Library(t, name)
		compiled, errs := policy.Compile(&source)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		all = append(all, admissionpolicy.Policy{Compiled: compiled, Source: &source})
	}
	out, err := admissionpolicy.Generate(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every expression compiles as an API server compiles it when the policy is written: here those of a
// policy for each model, and for none. What they say is tested in envtest/admissionpolicy.
func TestGenerate_Compiles(t *testing.T) {
	for _, o := range library(t, "authentik-proxy-outposts", "gitlab", "ray", "vllm", "frigate", "hygiene") {
		if o.Mutate != nil {
			compileAll(t, o.Mutate.Name, o.Mutate.Spec.MatchConditions, o.Mutate.Spec.Variables, nil, o.Mutate.Spec.Mutations)
		}
		for _, p := range []*admissionregistrationv1.ValidatingAdmissionPolicy{o.Validate, o.Undecided} {
			compileAll(t, p.Name, p.Spec.MatchConditions, p.Spec.Variables, p.Spec.Validations, nil)
		}
	}
}

func compileAll(t *testing.T, name string, conditions []admissionregistrationv1.MatchCondition, variables []admissionregistrationv1.Variable,
	validations []admissionregistrationv1.Validation, mutations []admissionregistrationv1.Mutation,
) {
	t.Helper()
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		t.Fatal(err)
	}
	options := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	bad := func(err error, expression string) {
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, expression)
		}
	}
	for i := range conditions {
		c := plugincel.NewConditionCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())).CompileCondition(
			[]plugincel.ExpressionAccessor{(*matchconditions.MatchCondition)(&conditions[i])}, options, environment.NewExpressions)
		for _, err := range c.CompilationErrors() {
			bad(err, conditions[i].Expression)
		}
	}
	for _, v := range variables {
		r := compiler.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, options, environment.NewExpressions)
		if r.Error != nil {
			bad(r.Error, v.Name+": "+v.Expression)
		}
	}
	for _, v := range validations {
		for _, accessor := range []plugincel.ExpressionAccessor{
			&validating.ValidationCondition{Expression: v.Expression}, &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression},
		} {
			if r := compiler.CompileCELExpression(accessor, options, environment.NewExpressions); r.Error != nil {
				bad(r.Error, accessor.GetExpression())
			}
		}
	}
	options.HasPatchTypes = true
	for _, m := range mutations {
		accessor := &patch.JSONPatchCondition{Expression: m.JSONPatch.Expression}
		if r := compiler.CompileCELExpression(accessor, options, environment.NewExpressions); r.Error != nil {
			bad(r.Error, accessor.GetExpression())
		}
	}
}
