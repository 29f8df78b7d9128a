package manifests_test

import (
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
	const enforce = 0
	for v, compatibility := range versions() {
		validator := newValidator(t, &guard, compatibility)
		for name, c := range guardCases(ships, enforce) {
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

type guardCase struct {
	created bool
	before  func(*admissionregistrationv1.ValidatingWebhookConfiguration) // made of old and new, by somebody else
	old     func(*admissionregistrationv1.ValidatingWebhookConfiguration) // made of old
	change  func(*admissionregistrationv1.ValidatingWebhookConfiguration)
	denied  string
}

// changedByOthers changes all of a configuration that a guard holds the server to.
func changedByOthers(c *admissionregistrationv1.ValidatingWebhookConfiguration) {
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		w.Rules = []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{"*"},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*"}},
		}}
		w.FailurePolicy, w.MatchPolicy = new(admissionregistrationv1.Fail), new(admissionregistrationv1.Exact)
		w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		w.SideEffects, w.TimeoutSeconds = new(admissionregistrationv1.SideEffectClassNoneOnDryRun), new(int32(30))
		w.AdmissionReviewVersions = []string{"v1", "v1beta1"}
		w.MatchConditions = []admissionregistrationv1.MatchCondition{{Name: "theirs", Expression: "object.kind == 'Pod'"}}
	}
}

func guardCases(ships admissionregistrationv1.ValidatingWebhookConfiguration, enforce int) map[string]guardCase {
	type configuration = admissionregistrationv1.ValidatingWebhookConfiguration
	ignore, fail := admissionregistrationv1.Ignore, admissionregistrationv1.Fail
	secrets := func(c *configuration) { c.Webhooks[enforce].Rules[0].Resources = []string{"secrets"} }
	mayMatch := admissionregistrationv1.MatchCondition{Name: "may-match-policy", Expression: "true"}
	theirs := admissionregistrationv1.MatchCondition{Name: "theirs", Expression: "object.kind == 'Pod'"}
	service := func(change func(*admissionregistrationv1.ServiceReference)) func(*configuration) {
		return func(c *configuration) { change(c.Webhooks[enforce].ClientConfig.Service) }
	}
	rule := func(change func(*admissionregistrationv1.RuleWithOperations)) func(*configuration) {
		return func(c *configuration) { change(&c.Webhooks[enforce].Rules[0]) }
	}
	set := func(change func(*admissionregistrationv1.ValidatingWebhook)) func(*configuration) {
		return func(c *configuration) { change(&c.Webhooks[enforce]) }
	}
	url := func(c *configuration) {
		elsewhere := "https://example.org"
		c.Webhooks[enforce].ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: &elsewhere}
	}
	const (
		notShipped = "add or change only the webhooks that ship"
		wider      = "give a webhook no rules but those that ship"
		everywhere = "not have webhooks called for namespaces"
		closed     = "let only the webhooks fail closed"
		removed    = "take no webhook out"
		otherwise  = "change matchPolicy, objectSelector, sideEffects, reinvocationPolicy, admissionReviewVersions and timeoutSeconds"
		condition  = "change a match condition that ships"
		another    = "add, change and remove no match condition of somebody else's"
	)
	return map[string]guardCase{
		"the caBundle": {change: func(c *configuration) { c.Webhooks[enforce].ClientConfig.CABundle = []byte("new") }},
		"may-match-policy": {change: func(c *configuration) {
			c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, mayMatch)
		}},
		"may-match-policy is removed": {
			before: func(c *configuration) {
				c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, mayMatch)
			},
			change: func(c *configuration) { c.Webhooks[enforce].MatchConditions = c.Webhooks[enforce].MatchConditions[:2] },
		},
		"the owner":                  {change: func(c *configuration) { c.OwnerReferences = []metav1.OwnerReference{{Name: "shmkeeper-system"}} }},
		"what ships":                 {created: true, change: func(*configuration) {}},
		"nothing at all":             {created: true, change: func(c *configuration) { c.Webhooks = nil }},
		"a webhook that is restored": {change: func(c *configuration) { c.Webhooks[enforce].FailurePolicy = &ignore }},
		"an excluded namespace": {change: func(c *configuration) {
			excluded := &c.Webhooks[enforce].NamespaceSelector.MatchExpressions[1]
			excluded.Values = append(excluded.Values, "shop")
		}},
		"all that others changed is restored, and what they added stays": {old: changedByOthers, change: func(c *configuration) {
			for i := range c.Webhooks {
				c.Webhooks[i].MatchConditions = append(c.Webhooks[i].MatchConditions, theirs)
			}
		}},
		"what others changed stays beside what is restored": {
			before: changedByOthers, change: func(c *configuration) {
				for i := range c.Webhooks {
					c.Webhooks[i].Rules = ships.DeepCopy().Webhooks[i].Rules
				}
			},
		},
		"a webhook that was taken out is restored": {old: func(c *configuration) { c.Webhooks = c.Webhooks[:enforce] }, change: func(*configuration) {}},
		"a deleted configuration, with what an administrator had changed": {created: true, change: func(c *configuration) {
			c.Webhooks[enforce].TimeoutSeconds = new(int32(10))
			c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, theirs)
		}},
		"the caBundle of a webhook that somebody else has widened": {
			before: secrets, change: func(c *configuration) { c.Webhooks[enforce].ClientConfig.CABundle = []byte("new") },
		},
		"a webhook of another, which stays": {
			before: func(c *configuration) { url(c); c.Webhooks[enforce].Name = "other.example.org" }, change: func(*configuration) {},
		},
		"a selector of AKS": {change: func(c *configuration) {
			s := c.Webhooks[enforce].NamespaceSelector
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: "control-plane", Operator: "DoesNotExist"})
		}},

		"a creation with another resource": {created: true, change: secrets, denied: wider},
		"a creation with a URL":            {created: true, change: url, denied: notShipped},

		"another resource":        {change: secrets, denied: wider},
		"another group":           {change: rule(func(r *admissionregistrationv1.RuleWithOperations) { r.APIGroups = []string{"", "*"} }), denied: wider},
		"every version":           {change: rule(func(r *admissionregistrationv1.RuleWithOperations) { r.APIVersions = []string{"*"} }), denied: wider},
		"every scope":             {change: rule(func(r *admissionregistrationv1.RuleWithOperations) { r.Scope = new(admissionregistrationv1.AllScopes) }), denied: wider},
		"every subresource":       {change: rule(func(r *admissionregistrationv1.RuleWithOperations) { r.Resources = []string{"pods/*"} }), denied: wider},
		"another operation":       {change: rule(func(r *admissionregistrationv1.RuleWithOperations) { r.Operations = append(r.Operations, "CONNECT") }), denied: wider},
		"an operation less":       {change: rule(func(r *admissionregistrationv1.RuleWithOperations) { r.Operations = r.Operations[:1] }), denied: wider},
		"rules that are narrower": {change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.Rules = w.Rules[:1] }), denied: wider},
		"no rules":                {change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.Rules = nil }), denied: wider},
		"a URL":                   {change: url, denied: notShipped},
		"another Service":         {change: service(func(s *admissionregistrationv1.ServiceReference) { s.Name = "other" }), denied: notShipped},
		"another namespace":       {change: service(func(s *admissionregistrationv1.ServiceReference) { s.Namespace = "default" }), denied: notShipped},
		"another path":            {change: service(func(s *admissionregistrationv1.ServiceReference) { s.Path = new("/report-pods") }), denied: notShipped},
		"another port":            {change: service(func(s *admissionregistrationv1.ServiceReference) { s.Port = new(int32(8443)) }), denied: notShipped},
		"a webhook less":          {change: func(c *configuration) { c.Webhooks = c.Webhooks[1:] }, denied: removed},
		"no webhooks":             {change: func(c *configuration) { c.Webhooks = nil }, denied: removed},
		"a new webhook": {change: func(c *configuration) {
			added := *c.Webhooks[enforce].DeepCopy()
			added.Name, added.FailurePolicy = "new.shmkeeper.dev", &ignore
			c.Webhooks = append(c.Webhooks, added)
		}, denied: notShipped},
		"no selector": {change: func(c *configuration) { c.Webhooks[enforce].NamespaceSelector = nil }, denied: everywhere},
		"kube-system": {change: func(c *configuration) {
			c.Webhooks[enforce].NamespaceSelector.MatchExpressions[1].Values = []string{"shmkeeper-system"}
		}, denied: everywhere},
		"namespaces without the label": {change: func(c *configuration) {
			c.Webhooks[enforce].NamespaceSelector.MatchExpressions[0].Operator = "NotIn"
		}, denied: everywhere},
		"namespaces in another mode": {change: func(c *configuration) {
			c.Webhooks[enforce].NamespaceSelector.MatchExpressions[0].Values = []string{"enforce", "audit"}
		}, denied: everywhere},
		"namespaces in any mode": {change: func(c *configuration) {
			c.Webhooks[enforce].NamespaceSelector.MatchExpressions[0] = metav1.LabelSelectorRequirement{Key: "shmkeeper.dev/mode", Operator: "Exists"}
		}, denied: everywhere},
		"a report that fails closed": {change: func(c *configuration) { c.Webhooks[enforce+1].FailurePolicy = &fail }, denied: closed},

		"matchPolicy":             {change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.MatchPolicy = new(admissionregistrationv1.Exact) }), denied: otherwise},
		"admissionReviewVersions": {change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.AdmissionReviewVersions = []string{"v1beta1"} }), denied: otherwise},
		"timeoutSeconds":          {change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.TimeoutSeconds = new(int32(30)) }), denied: otherwise},
		"sideEffects": {change: set(func(w *admissionregistrationv1.ValidatingWebhook) {
			w.SideEffects = new(admissionregistrationv1.SideEffectClassNoneOnDryRun)
		}), denied: otherwise},
		"objectSelector": {change: set(func(w *admissionregistrationv1.ValidatingWebhook) {
			w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		}), denied: otherwise},

		"no match conditions":     {change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.MatchConditions = nil }), denied: condition},
		"another match condition": {change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.MatchConditions[0].Expression = "true" }), denied: condition},
		"an added match condition": {change: set(func(w *admissionregistrationv1.ValidatingWebhook) {
			w.MatchConditions = append(w.MatchConditions, theirs)
		}), denied: another},
		"a creation that leaves out": {created: true, change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.MatchConditions = nil }), denied: condition},
		"a match condition of somebody else": {
			before: func(c *configuration) {
				c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, theirs)
			},
			change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.MatchConditions = w.MatchConditions[:2] }), denied: another,
		},
		"a match condition of somebody else, changed": {
			before: func(c *configuration) {
				c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, theirs)
			},
			change: set(func(w *admissionregistrationv1.ValidatingWebhook) { w.MatchConditions[2].Expression = "true" }), denied: another,
		},
	}
}

// The webhook that changes objects gets new Pods alone.
func TestWebhookGuard_MutatesPodsOnly(t *testing.T) {
	guard := object[admissionregistrationv1.ValidatingAdmissionPolicy](t, "webhook-guard/configurations.yaml")
	ships := object[admissionregistrationv1.MutatingWebhookConfiguration](t, "webhooks/mutating.yaml")
	for v, compatibility := range versions() {
		validator := newValidator(t, &guard, compatibility)
		write := func(change func(*admissionregistrationv1.MutatingWebhook)) string {
			now := ships.DeepCopy()
			change(&now.Webhooks[0])
			return denial(t, validator, "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", serverAccount, now, &ships)
		}
		if got := write(func(w *admissionregistrationv1.MutatingWebhook) { w.ClientConfig.CABundle = []byte("new") }); got != "" {
			t.Errorf("%s: the caBundle: %s", v, got)
		}
		for what, change := range map[string]func(*admissionregistrationv1.MutatingWebhook){
			"policies":  func(w *admissionregistrationv1.MutatingWebhook) { w.Name = "policies.shmkeeper.dev" },
			"workloads": func(w *admissionregistrationv1.MutatingWebhook) { w.Name = "templates.shmkeeper.dev" },
			"resizes":   func(w *admissionregistrationv1.MutatingWebhook) { w.Rules[0].Resources = []string{"pods/resize"} },
			"updates": func(w *admissionregistrationv1.MutatingWebhook) {
				w.Rules[0].Operations = append(w.Rules[0].Operations, "UPDATE")
			},
			"one round": func(w *admissionregistrationv1.MutatingWebhook) {
				w.ReinvocationPolicy = new(admissionregistrationv1.NeverReinvocationPolicy)
			},
		} {
			if got := write(change); !strings.HasPrefix(got, guardWords) {
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
