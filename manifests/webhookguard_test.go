package manifests_test

import (
	"maps"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
)

// versions returns the ones of Kubernetes whose CEL has to understand the guards: the oldest that is
// supported, and the one of the module in use.
func versions() map[string]*version.Version {
	return map[string]*version.Version{"1.30": version.MajorMinor(1, 30), "current": environment.DefaultCompatibilityVersion()}
}

// newValidator compiles a guard as the API server of a version does when it is created.
func newValidator(t *testing.T, guard *admissionregistrationv1.ValidatingAdmissionPolicy, v *version.Version) validating.Validator {
	t.Helper()
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(v))
	if err != nil {
		t.Fatal(err)
	}
	optional := cel.OptionalVariableDeclarations{HasAuthorizer: true}
	variables := make([]cel.NamedExpressionAccessor, len(guard.Spec.Variables))
	for i, variable := range guard.Spec.Variables {
		variables[i] = &validating.Variable{Name: variable.Name, Expression: variable.Expression}
	}
	compiler.CompileAndStoreVariables(variables, optional, environment.NewExpressions)
	conditions := make([]cel.ExpressionAccessor, len(guard.Spec.MatchConditions))
	for i := range guard.Spec.MatchConditions {
		conditions[i] = (*matchconditions.MatchCondition)(&guard.Spec.MatchConditions[i])
	}
	matched := compiler.CompileCondition(conditions, optional, environment.NewExpressions)
	matcher := matchconditions.NewMatcher(matched, guard.Spec.FailurePolicy, "policy", "validate", guard.Name)
	validations := make([]cel.ExpressionAccessor, len(guard.Spec.Validations))
	for i, rule := range guard.Spec.Validations {
		validations[i] = &validating.ValidationCondition{Expression: rule.Expression, Message: rule.Message, Reason: rule.Reason}
	}
	validated := compiler.CompileCondition(validations, optional, environment.NewExpressions)
	if errs := append(matched.CompilationErrors(), validated.CompilationErrors()...); len(errs) > 0 {
		t.Fatalf("%s: %v", v, errs)
	}
	return validating.NewValidator(validated, matcher,
		compiler.CompileCondition(nil, optional, environment.NewExpressions),
		compiler.CompileCondition(make([]cel.ExpressionAccessor, len(validations)), optional, environment.NewExpressions),
		guard.Spec.FailurePolicy, nil)
}

// denial returns why a guard denies a write; empty if it does not. old is nil for a creation. It
// fails the test if an expression fails.
func denial(t *testing.T, guard validating.Validator, kind, resource, username string, now, old runtime.Object) string {
	t.Helper()
	operation, options := admission.Update, runtime.Object(&metav1.UpdateOptions{})
	if old == nil {
		operation, options = admission.Create, &metav1.CreateOptions{}
	}
	gvk := admissionregistrationv1.SchemeGroupVersion.WithKind(kind)
	if kind == "Namespace" {
		gvk = corev1.SchemeGroupVersion.WithKind(kind)
	}
	gvr := gvk.GroupVersion().WithResource(resource)
	attributes := admission.NewAttributesRecord(now, old, gvk, "", "shmkeeper", gvr, "", operation, options, false, &user.DefaultInfo{Name: username})
	versioned := &admission.VersionedAttributes{
		Attributes: attributes, VersionedKind: gvk, VersionedObject: admission.NewLazyObject(now), VersionedOldObject: admission.NewLazyObject(old),
	}
	var denials []string
	for _, d := range guard.Validate(t.Context(), gvr, versioned, nil, nil, celconfig.RuntimeCELCostBudget, nil).Decisions {
		if d.Evaluation == validating.EvalError {
			t.Fatal(d.Message)
		}
		if d.Action == validating.ActionDeny {
			denials = append(denials, d.Message)
		}
	}
	return strings.Join(denials, "\n")
}

const (
	serverAccount = "system:serviceaccount:shmkeeper-system:shmkeeper"
	guardWords    = "violates the guard of shmkeeper's webhook configurations: its service account may "
)

// What the server writes passes, and nothing that would have it sent more than ships.
func TestWebhookGuard_ServerOwnsOnlyItsFields(t *testing.T) {
	guard := object[admissionregistrationv1.ValidatingAdmissionPolicy](t, "webhook-guard/configurations.yaml")
	if binding := object[admissionregistrationv1.ValidatingAdmissionPolicyBinding](t, "webhook-guard/configurations.yaml"); binding.Spec.PolicyName != guard.Name {
		t.Errorf("the binding is of %q, not of %q", binding.Spec.PolicyName, guard.Name)
	}
	ships := object[admissionregistrationv1.ValidatingWebhookConfiguration](t, "webhooks/validating.yaml")
	cases := permitted(ships)
	maps.Copy(cases, denied())
	for v, compatibility := range versions() {
		validator := newValidator(t, &guard, compatibility)
		for name, c := range cases {
			t.Run(v+" "+name, func(t *testing.T) {
				old, now := ships.DeepCopy(), ships.DeepCopy()
				if c.before != nil {
					c.before(old)
					c.before(now)
				}
				if c.old != nil {
					c.old(old)
				}
				c.change(now)
				var before runtime.Object = old
				if c.created {
					before = nil
				}
				check := func(who, want string) {
					t.Helper()
					got := denial(t, validator, "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", who, now, before)
					if want == "" && got != "" || !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
						t.Errorf("%s: %q, want %q", who, got, want)
					}
				}
				want := c.denied
				if want != "" {
					want = guardWords + want
				}
				check(serverAccount, want)
				check("kubernetes-admin", "")
			})
		}
	}
}

// The webhook that changes objects is held to what ships too: it gets new Pods alone.
func TestWebhookGuard_MutatesPodsOnly(t *testing.T) {
	type mutating = admissionregistrationv1.MutatingWebhook
	guard := object[admissionregistrationv1.ValidatingAdmissionPolicy](t, "webhook-guard/configurations.yaml")
	ships := object[admissionregistrationv1.MutatingWebhookConfiguration](t, "webhooks/mutating.yaml")
	for v, compatibility := range versions() {
		validator := newValidator(t, &guard, compatibility)
		write := func(before, now func(*mutating)) string {
			written := ships.DeepCopy()
			now(&written.Webhooks[0])
			var old runtime.Object
			if before != nil {
				o := ships.DeepCopy()
				before(&o.Webhooks[0])
				old = o
			}
			return denial(t, validator, "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", serverAccount, written, old)
		}
		asItShips := func(*mutating) {}
		never := func(w *mutating) { w.ReinvocationPolicy = new(admissionregistrationv1.NeverReinvocationPolicy) }
		for what, c := range map[string]struct{ before, now func(*mutating) }{
			"the caBundle": {asItShips, func(w *mutating) { w.ClientConfig.CABundle = []byte("new") }},
			"what ships":   {nil, asItShips},
			"all that others changed is restored": {func(w *mutating) {
				w.ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: new("https://example.org")}
				w.Rules, w.NamespaceSelector, w.MatchConditions = nil, nil, nil
				w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
				w.FailurePolicy, w.MatchPolicy = new(admissionregistrationv1.Fail), new(admissionregistrationv1.Exact)
				w.TimeoutSeconds = new(int32(30))
				never(w)
			}, asItShips},
			"a rule is restored, and another round that is not wanted stays so": {
				func(w *mutating) { w.Rules = nil; never(w) }, never,
			},
			"a deleted one, without another round": {nil, never},
		} {
			if got := write(c.before, c.now); got != "" {
				t.Errorf("%s: %s: %s", v, what, got)
			}
		}
		for what, c := range map[string]struct {
			change func(*mutating)
			words  string
		}{
			"policies":  {func(w *mutating) { w.Name = "policies.shmkeeper.dev" }, notShipped},
			"workloads": {func(w *mutating) { w.Name = "templates.shmkeeper.dev" }, notShipped},
			"resizes":   {func(w *mutating) { w.Rules[0].Resources = []string{"pods/resize"} }, wider},
			"updates":   {func(w *mutating) { w.Rules[0].Operations = append(w.Rules[0].Operations, "UPDATE") }, wider},
			"one round": {never, otherwise},
			"a path":    {func(w *mutating) { w.ClientConfig.Service.Path = new("/report-pods") }, notShipped},
			"a timeout": {func(w *mutating) { w.TimeoutSeconds = new(int32(6)) }, otherwise},
			"mirrors":   {func(w *mutating) { w.MatchConditions[0].Expression = "true" }, condition},
		} {
			if got := write(asItShips, c.change); !strings.HasPrefix(got, guardWords+c.words) {
				t.Errorf("%s: %s: %q", v, what, got)
			}
		}
	}
}

// A value that is not a mode is refused from everybody.
func TestModeGuard_KnowsTheModes(t *testing.T) {
	guard := object[admissionregistrationv1.ValidatingAdmissionPolicy](t, "mode-guard/mode-label.yaml")
	for _, compatibility := range versions() {
		newValidator(t, &guard, compatibility) // with all that it says
	}
	guard.Spec.Validations = guard.Spec.Validations[1:] // the first one is about who
	for v, compatibility := range versions() {
		validator := newValidator(t, &guard, compatibility)
		for value, allowed := range map[string]bool{"audit": true, "warn": true, "enforce": true, "": false, "enforcing": false, "Enforce": false} {
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"shmkeeper.dev/mode": value}}}
			got := denial(t, validator, "Namespace", "namespaces", "kubernetes-admin", ns, nil)
			if allowed != (got == "") || !allowed && !strings.HasSuffix(got, "Write audit, warn or enforce, or remove the label") {
				t.Errorf("%s: %q: %q", v, value, got)
			}
		}
		plain := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
		labelled := plain.DeepCopy()
		labelled.Labels = map[string]string{"shmkeeper.dev/mode": "enforcing"}
		if got := denial(t, validator, "Namespace", "namespaces", "kubernetes-admin", plain, labelled); got != "" {
			t.Errorf("%s: the label is removed: %s", v, got)
		}
	}
}
