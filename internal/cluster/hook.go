package cluster

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hook is a webhook of either kind: it points into the configuration.
type hook struct {
	name              string
	config            *admissionregistrationv1.WebhookClientConfig
	rules             *[]admissionregistrationv1.RuleWithOperations
	failurePolicy     **admissionregistrationv1.FailurePolicyType
	matchPolicy       **admissionregistrationv1.MatchPolicyType
	namespaceSelector **metav1.LabelSelector
	objectSelector    **metav1.LabelSelector
	conditions        *[]admissionregistrationv1.MatchCondition
}

// hooksOf are the webhooks of a configuration, in their order.
func hooksOf(configuration client.Object) (out []hook) {
	switch o := configuration.(type) {
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		for i := range o.Webhooks {
			w := &o.Webhooks[i]
			out = append(out, hook{w.Name, &w.ClientConfig, &w.Rules, &w.FailurePolicy, &w.MatchPolicy, &w.NamespaceSelector, &w.ObjectSelector, &w.MatchConditions})
		}
	case *admissionregistrationv1.ValidatingWebhookConfiguration:
		for i := range o.Webhooks {
			w := &o.Webhooks[i]
			out = append(out, hook{w.Name, &w.ClientConfig, &w.Rules, &w.FailurePolicy, &w.MatchPolicy, &w.NamespaceSelector, &w.ObjectSelector, &w.MatchConditions})
		}
	}
	return out
}

func findHook(hooks []hook, name string) (hook, bool) {
	i := slices.IndexFunc(hooks, func(h hook) bool { return h.name == name })
	if i < 0 {
		return hook{}, false
	}
	return hooks[i], true
}

// copyOf is a copy that may be changed.
func copyOf(configuration client.Object) client.Object {
	o, ok := configuration.DeepCopyObject().(client.Object)
	if !ok {
		return configuration // never: the copy of an object is one
	}
	return o
}

// addHook copies a webhook from one configuration to another of the same kind.
func addHook(to, from client.Object, name string) {
	switch from := from.DeepCopyObject().(type) {
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		if to, ok := to.(*admissionregistrationv1.MutatingWebhookConfiguration); ok {
			for _, w := range from.Webhooks {
				if w.Name == name {
					to.Webhooks = append(to.Webhooks, w)
				}
			}
		}
	case *admissionregistrationv1.ValidatingWebhookConfiguration:
		if to, ok := to.(*admissionregistrationv1.ValidatingWebhookConfiguration); ok {
			for _, w := range from.Webhooks {
				if w.Name == name {
					to.Webhooks = append(to.Webhooks, w)
				}
			}
		}
	}
}

// getsPods says whether a webhook is sent Pods and nothing else.
func (h hook) getsPods() bool {
	for _, rule := range *h.rules {
		for _, resource := range rule.Resources {
			if name, _, _ := strings.Cut(resource, "/"); name != "pods" || !slices.Equal(rule.APIGroups, []string{""}) {
				return false
			}
		}
	}
	return len(*h.rules) > 0
}

// condition is the expression of a match condition.
func (h hook) condition(name string) (expression string, found bool) {
	for _, c := range *h.conditions {
		if c.Name == name {
			return c.Expression, true
		}
	}
	return "", false
}

// fill does what the API server does with fields that are absent.
func (h hook) fill() {
	orElse(h.failurePolicy, admissionregistrationv1.Fail)
	orElse(h.matchPolicy, admissionregistrationv1.Equivalent)
	orElse(h.namespaceSelector, metav1.LabelSelector{})
	orElse(h.objectSelector, metav1.LabelSelector{})
	for i := range *h.rules {
		orElse(&(*h.rules)[i].Scope, admissionregistrationv1.AllScopes)
	}
	if h.config.Service != nil {
		orElse(&h.config.Service.Port, 443)
	}
}

func orElse[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// damage is one field of a webhook that is not as it must be.
type damage struct {
	webhook string
	// field is empty for a webhook that is missing as a whole.
	field  string
	repair func()
}

func (d damage) String() string {
	if d.field == "" {
		return fmt.Sprintf("webhook %q was missing", d.webhook)
	}
	return fmt.Sprintf("%s of webhook %q was changed", d.field, d.webhook)
}

// damagesOf are the differences that matter between a configuration and the
// wanted one. Each repair changes the configuration. failurePolicies says whether
// these matter.
func damagesOf(configuration, wanted client.Object, failurePolicies bool) (out []damage) {
	live := hooksOf(configuration)
	for _, want := range hooksOf(wanted) {
		is, found := findHook(live, want.name)
		if !found {
			out = append(out, damage{want.name, "", func() { addHook(configuration, wanted, want.name) }})
			continue
		}
		note := func(field string, repair func()) { out = append(out, damage{want.name, field, repair}) }
		if is.config.URL != nil || !equality.Semantic.DeepEqual(is.config.Service, want.config.Service) {
			note("clientConfig.service", func() { is.config.URL, is.config.Service = nil, want.config.Service.DeepCopy() })
		}
		compare(note, "rules", is.rules, want.rules)
		if failurePolicies {
			compare(note, "failurePolicy", is.failurePolicy, want.failurePolicy)
		}
		compare(note, "matchPolicy", is.matchPolicy, want.matchPolicy)
		compare(note, "namespaceSelector", is.namespaceSelector, want.namespaceSelector)
		compare(note, "objectSelector", is.objectSelector, want.objectSelector)
		for _, c := range *want.conditions {
			if expression, found := is.condition(c.Name); !found || expression != c.Expression {
				note(fmt.Sprintf("match condition %q", c.Name), func() {
					*is.conditions = slices.DeleteFunc(slices.Clone(*is.conditions), func(o admissionregistrationv1.MatchCondition) bool { return o.Name == c.Name })
					*is.conditions = append(*is.conditions, c)
				})
			}
		}
	}
	return out
}

func compare[T any](note func(string, func()), field string, is, want *T) {
	if !equality.Semantic.DeepEqual(*is, *want) {
		note(field, func() { *is = *want })
	}
}

// caBundleOf is one that a webhook of the configuration has; nil for none.
func caBundleOf(configuration client.Object) []byte {
	if configuration == nil || reflect.ValueOf(configuration).IsNil() {
		return nil
	}
	for _, h := range hooksOf(configuration) {
		if len(h.config.CABundle) > 0 {
			return h.config.CABundle
		}
	}
	return nil
}
