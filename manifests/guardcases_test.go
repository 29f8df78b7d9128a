package manifests_test

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How the guard's denials begin, behind guardWords.
const (
	notShipped = "add or change only the webhooks that ship"
	wider      = "give a webhook no rules but those that ship"
	everywhere = "select only the namespaces that ship"
	closed     = "let only the webhooks fail closed"
	removed    = "not remove a webhook"
	otherwise  = "change matchPolicy, objectSelector, sideEffects, reinvocationPolicy, admissionReviewVersions and timeoutSeconds"
	condition  = "restore a match condition that ships, and not change it otherwise"
	another    = "not add, change or remove a match condition that others added"
	metadata   = "not change labels and annotations or add a finalizer"
)

// The configuration that is changed, and its parts. The first webhook is the one that refuses Pods.
type (
	configuration = admissionregistrationv1.ValidatingWebhookConfiguration
	webhook       = admissionregistrationv1.ValidatingWebhook
	rule          = admissionregistrationv1.RuleWithOperations
	service       = admissionregistrationv1.ServiceReference
)

const enforce = 0

// set, setRule and setService turn a change of the webhook, of its first rule or of its Service into one of
// the configuration.
func set(change func(*webhook)) func(*configuration) {
	return func(c *configuration) { change(&c.Webhooks[enforce]) }
}

func setRule(change func(*rule)) func(*configuration) {
	return set(func(w *webhook) { change(&w.Rules[0]) })
}

func setService(change func(*service)) func(*configuration) {
	return set(func(w *webhook) { change(w.ClientConfig.Service) })
}

func mayMatch() admissionregistrationv1.MatchCondition {
	return admissionregistrationv1.MatchCondition{Name: "may-match-policy", Expression: "true"}
}

func theirs() admissionregistrationv1.MatchCondition {
	return admissionregistrationv1.MatchCondition{Name: "theirs", Expression: "object.kind == 'Pod'"}
}

func newBundle(c *configuration) { c.Webhooks[enforce].ClientConfig.CABundle = []byte("new") }

func secrets(c *configuration) { c.Webhooks[enforce].Rules[0].Resources = []string{"secrets"} }

func url(c *configuration) {
	c.Webhooks[enforce].ClientConfig = admissionregistrationv1.WebhookClientConfig{URL: new("https://example.org")}
}

func foreign(c *configuration) {
	url(c)
	c.Webhooks[enforce].Name = "other.example.org"
}

func finalizer(c *configuration) { c.Finalizers = []string{"example.org/stay"} }

// leftOver makes the webhook one of another version, which calls the same Service.
func leftOver(c *configuration) { c.Webhooks[enforce].Name = "old.shmkeeper.dev" }

// aks changes a selector as AKS does.
func aks(c *configuration) {
	s := c.Webhooks[enforce].NamespaceSelector
	s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: "control-plane", Operator: "DoesNotExist"})
}

// byLabels says the same as a selector that ships in another way.
func byLabels(c *configuration) {
	s := c.Webhooks[enforce].NamespaceSelector
	s.MatchLabels, s.MatchExpressions = map[string]string{"shmkeeper.dev/mode": "enforce"}, s.MatchExpressions[1:]
}

type guardCase struct {
	created bool
	before  func(*configuration) // made of old and new, by somebody else
	old     func(*configuration) // made of old
	change  func(*configuration)
	denied  string
}

// changedByOthers changes all of a configuration that a guard holds the server to.
func changedByOthers(c *configuration) {
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		w.ClientConfig.Service.Name, w.ClientConfig.Service.Path = "other", new("/other")
		w.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
		w.Rules = []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{"*"},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*"}},
		}}
		w.FailurePolicy, w.MatchPolicy = new(admissionregistrationv1.Fail), new(admissionregistrationv1.Exact)
		w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		w.SideEffects, w.TimeoutSeconds = new(admissionregistrationv1.SideEffectClassNoneOnDryRun), new(int32(30))
		w.AdmissionReviewVersions = []string{"v1", "v1beta1"}
		w.MatchConditions = []admissionregistrationv1.MatchCondition{theirs()}
	}
}

// permitted are writes that the server makes.
func permitted(ships configuration) map[string]guardCase {
	return map[string]guardCase{
		"the caBundle": {change: newBundle},
		"may-match-policy": {change: func(c *configuration) {
			c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, mayMatch())
		}},
		"may-match-policy is removed": {
			before: func(c *configuration) {
				c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, mayMatch())
			},
			change: func(c *configuration) { c.Webhooks[enforce].MatchConditions = c.Webhooks[enforce].MatchConditions[:2] },
		},
		"the owner":                  {change: func(c *configuration) { c.OwnerReferences = []metav1.OwnerReference{{Name: "shmkeeper-system"}} }},
		"what ships":                 {created: true, change: func(*configuration) {}},
		"nothing at all":             {created: true, change: func(c *configuration) { c.Webhooks = nil }},
		"a webhook that is restored": {change: func(c *configuration) { c.Webhooks[enforce].FailurePolicy = new(admissionregistrationv1.Ignore) }},
		"an excluded namespace": {change: func(c *configuration) {
			excluded := &c.Webhooks[enforce].NamespaceSelector.MatchExpressions[1]
			excluded.Values = append(excluded.Values, "shop")
		}},
		"all that others changed is restored, and what they added stays": {old: changedByOthers, change: func(c *configuration) {
			for i := range c.Webhooks {
				c.Webhooks[i].MatchConditions = append(c.Webhooks[i].MatchConditions, theirs())
			}
		}},
		"what others changed stays beside what is restored": {
			before: changedByOthers, change: func(c *configuration) {
				for i := range c.Webhooks {
					c.Webhooks[i].ClientConfig, c.Webhooks[i].Rules = ships.DeepCopy().Webhooks[i].ClientConfig, ships.DeepCopy().Webhooks[i].Rules
				}
			},
		},
		"a webhook that was taken out is restored": {old: func(c *configuration) { c.Webhooks = c.Webhooks[:enforce] }, change: func(*configuration) {}},
		"a deleted configuration, with what an administrator had changed": {created: true, change: func(c *configuration) {
			c.Webhooks[enforce].TimeoutSeconds = new(int32(10))
			c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, theirs())
		}},
		"the caBundle of a webhook that somebody else has widened": {
			before: secrets, change: newBundle,
		},
		"the caBundle of another's webhook that calls our Service": {before: leftOver, change: newBundle},
		"a webhook of another, which stays": {before: foreign, change: func(c *configuration) {
			c.Webhooks[enforce+1].ClientConfig.CABundle = []byte("new")
		}},
		"a rule is restored beside a selector of AKS":             {before: aks, old: secrets, change: func(*configuration) {}},
		"a deleted configuration, with a selector of AKS":         {created: true, change: aks},
		"a rule is restored beside a selector by matchLabels":     {before: byLabels, old: secrets, change: func(*configuration) {}},
		"a deleted configuration, with a selector by matchLabels": {created: true, change: byLabels},
		"a URL is restored":                  {old: url, change: func(*configuration) {}},
		"what an API server fills in":        {created: true, change: set(func(w *webhook) { w.ObjectSelector = &metav1.LabelSelector{} })},
		"a finalizer of somebody else stays": {before: finalizer, change: newBundle},
		"a finalizer of somebody else goes":  {old: finalizer, change: newBundle},
		"a deleted configuration, with what the server never sets": {created: true, change: func(c *configuration) {
			c.Annotations = map[string]string{"note": "a"}
			c.Webhooks[enforce].AdmissionReviewVersions = []string{"v1", "v1beta1"}
			c.Webhooks[enforce].SideEffects = new(admissionregistrationv1.SideEffectClassNoneOnDryRun)
		}},
	}
}

// denied are writes that it never makes.
func denied() map[string]guardCase {
	return map[string]guardCase{
		"a creation with another resource": {created: true, change: secrets, denied: wider},
		"a creation with a URL":            {created: true, change: url, denied: notShipped},

		"another resource":        {change: secrets, denied: wider},
		"another group":           {change: setRule(func(r *rule) { r.APIGroups = []string{"", "*"} }), denied: wider},
		"every version":           {change: setRule(func(r *rule) { r.APIVersions = []string{"*"} }), denied: wider},
		"every scope":             {change: setRule(func(r *rule) { r.Scope = new(admissionregistrationv1.AllScopes) }), denied: wider},
		"every subresource":       {change: setRule(func(r *rule) { r.Resources = []string{"pods/*"} }), denied: wider},
		"another operation":       {change: setRule(func(r *rule) { r.Operations = append(r.Operations, "CONNECT") }), denied: wider},
		"an operation less":       {change: setRule(func(r *rule) { r.Operations = r.Operations[:1] }), denied: wider},
		"rules that are narrower": {change: set(func(w *webhook) { w.Rules = w.Rules[:1] }), denied: wider},
		"no rules":                {change: set(func(w *webhook) { w.Rules = nil }), denied: wider},
		"a URL":                   {change: url, denied: notShipped},
		"another Service":         {change: setService(func(s *service) { s.Name = "other" }), denied: notShipped},
		"another namespace":       {change: setService(func(s *service) { s.Namespace = "default" }), denied: notShipped},
		"another path":            {change: setService(func(s *service) { s.Path = new("/report-pods") }), denied: notShipped},
		"another port":            {change: setService(func(s *service) { s.Port = new(int32(8443)) }), denied: notShipped},
		"a webhook less":          {change: func(c *configuration) { c.Webhooks = c.Webhooks[1:] }, denied: removed},
		"no webhooks":             {change: func(c *configuration) { c.Webhooks = nil }, denied: removed},
		"a new webhook": {change: func(c *configuration) {
			added := *c.Webhooks[enforce].DeepCopy()
			added.Name, added.FailurePolicy = "new.shmkeeper.dev", new(admissionregistrationv1.Ignore)
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
		"a report that fails closed": {change: func(c *configuration) { c.Webhooks[enforce+1].FailurePolicy = new(admissionregistrationv1.Fail) }, denied: closed},

		"matchPolicy":             {change: set(func(w *webhook) { w.MatchPolicy = new(admissionregistrationv1.Exact) }), denied: otherwise},
		"admissionReviewVersions": {change: set(func(w *webhook) { w.AdmissionReviewVersions = []string{"v1beta1"} }), denied: otherwise},
		"timeoutSeconds":          {change: set(func(w *webhook) { w.TimeoutSeconds = new(int32(30)) }), denied: otherwise},
		"sideEffects": {change: set(func(w *webhook) {
			w.SideEffects = new(admissionregistrationv1.SideEffectClassNoneOnDryRun)
		}), denied: otherwise},
		"objectSelector": {change: set(func(w *webhook) {
			w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		}), denied: otherwise},

		"no match conditions":     {change: set(func(w *webhook) { w.MatchConditions = nil }), denied: condition},
		"another match condition": {change: set(func(w *webhook) { w.MatchConditions[0].Expression = "true" }), denied: condition},
		"an added match condition": {change: set(func(w *webhook) {
			w.MatchConditions = append(w.MatchConditions, theirs())
		}), denied: another},
		"a creation that leaves out": {created: true, change: set(func(w *webhook) { w.MatchConditions = nil }), denied: condition},
		"a match condition of somebody else": {
			before: func(c *configuration) {
				c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, theirs())
			},
			change: set(func(w *webhook) { w.MatchConditions = w.MatchConditions[:2] }), denied: another,
		},
		"a match condition of somebody else, changed": {
			before: func(c *configuration) {
				c.Webhooks[enforce].MatchConditions = append(c.Webhooks[enforce].MatchConditions, theirs())
			},
			change: set(func(w *webhook) { w.MatchConditions[2].Expression = "true" }), denied: another,
		},
		"a selector that selects fewer": {change: set(func(w *webhook) {
			w.NamespaceSelector.MatchExpressions = append(w.NamespaceSelector.MatchExpressions, metav1.LabelSelectorRequirement{Key: "nobody", Operator: "Exists"})
		}), denied: everywhere},
		"a selector by other labels too": {change: set(func(w *webhook) { w.NamespaceSelector.MatchLabels = map[string]string{"nobody": ""} }), denied: everywhere},
		"a report of what is enforced": {change: func(c *configuration) {
			s := c.Webhooks[enforce+1].NamespaceSelector
			s.MatchExpressions = append(s.MatchExpressions[:1:1], s.MatchExpressions[2:]...)
		}, denied: everywhere},
		"a creation for every namespace": {created: true, change: set(func(w *webhook) { w.NamespaceSelector.MatchExpressions = w.NamespaceSelector.MatchExpressions[1:] }), denied: everywhere},
		"may-match-policy of what gets no Pods": {change: func(c *configuration) {
			c.Webhooks[len(c.Webhooks)-1].MatchConditions = []admissionregistrationv1.MatchCondition{mayMatch()}
		}, denied: another},
		"a finalizer":               {change: finalizer, denied: metadata},
		"a creation with finalizer": {created: true, change: finalizer, denied: metadata},
		"an annotation":             {change: func(c *configuration) { c.Annotations["cert-manager.io/inject-ca-from"] = "a/b" }, denied: metadata},
		"a label":                   {change: func(c *configuration) { c.Labels = nil }, denied: metadata},
		"the match conditions of another's webhook that calls our Service": {before: leftOver, change: set(func(w *webhook) { w.MatchConditions = nil }), denied: notShipped},
		"the caBundle of another's webhook": {before: foreign, change: func(c *configuration) {
			c.Webhooks[enforce].ClientConfig.CABundle = []byte("new")
		}, denied: notShipped},
		"the match conditions of another's webhook": {before: foreign, change: set(func(w *webhook) { w.MatchConditions = nil }), denied: notShipped},
		"another's webhook is taken out":            {before: foreign, change: func(c *configuration) { c.Webhooks = c.Webhooks[1:] }, denied: removed},
	}
}
