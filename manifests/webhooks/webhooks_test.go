package webhooks

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func configurations(t *testing.T) (m admissionregistrationv1.MutatingWebhookConfiguration, v admissionregistrationv1.ValidatingWebhookConfiguration) {
	t.Helper()
	if err := yaml.UnmarshalStrict(Mutating(), &m); err != nil {
		t.Fatalf("mutating.yaml: %v", err)
	}
	if err := yaml.UnmarshalStrict(Validating(), &v); err != nil {
		t.Fatalf("validating.yaml: %v", err)
	}
	return m, v
}

// webhooks returns those of both configurations, in the form of a validating one.
func webhooks(t *testing.T) []admissionregistrationv1.ValidatingWebhook {
	t.Helper()
	m, v := configurations(t)
	out := v.Webhooks
	for _, w := range m.Webhooks {
		out = append(out, admissionregistrationv1.ValidatingWebhook{
			Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy, MatchPolicy: w.MatchPolicy,
			NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, SideEffects: w.SideEffects, TimeoutSeconds: w.TimeoutSeconds,
			AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions,
		})
	}
	return out
}

func TestConfigurations_Names(t *testing.T) {
	m, v := configurations(t)
	got := []string{m.APIVersion, m.Kind, m.Name, v.APIVersion, v.Kind, v.Name}
	want := []string{
		"admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "shmkeeper",
		"admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "shmkeeper",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := m.Webhooks[0].ReinvocationPolicy; p == nil || *p != admissionregistrationv1.IfNeededReinvocationPolicy {
		t.Errorf("reinvocationPolicy is %v, want IfNeeded", p)
	}
}

func TestWebhooks_AreAsTheirCommentsSay(t *testing.T) {
	pods := "/v1 pods CREATE,UPDATE; /v1 pods/ephemeralcontainers,pods/resize UPDATE"
	want := map[string]string{
		"mutate.pods.shmkeeper.dev":  "/mutate-pods, Ignore, 5 s: /v1 pods CREATE",
		"enforce.pods.shmkeeper.dev": "/validate-pods, Fail, 5 s: " + pods,
		"report.pods.shmkeeper.dev":  "/report-pods, Ignore, 2 s: " + pods,
		"templates.shmkeeper.dev": "/validate-templates, Ignore, 2 s: apps/v1 deployments,statefulsets,daemonsets,replicasets CREATE,UPDATE; " +
			"/v1 replicationcontrollers CREATE,UPDATE; batch/v1 jobs,cronjobs CREATE,UPDATE",
		"modes.shmkeeper.dev":    "/validate-modes, Ignore, 2 s: /v1 namespaces UPDATE",
		"policies.shmkeeper.dev": "/validate-policies, Fail, 5 s: shmkeeper.dev/v1alpha1 sharedmemorypolicies CREATE,UPDATE",
	}
	got := map[string]string{}
	for _, w := range webhooks(t) {
		var rules []string
		for _, r := range w.Rules {
			operations := make([]string, len(r.Operations))
			for i, o := range r.Operations {
				operations[i] = string(o)
			}
			rules = append(rules, fmt.Sprintf("%s/%s %s %s", strings.Join(r.APIGroups, ","), strings.Join(r.APIVersions, ","),
				strings.Join(r.Resources, ","), strings.Join(operations, ",")))
		}
		got[w.Name] = fmt.Sprintf("%s, %s, %d s: %s", *w.ClientConfig.Service.Path, *w.FailurePolicy, *w.TimeoutSeconds, strings.Join(rules, "; "))

		if w.ClientConfig.Service.Namespace != "shmkeeper-system" || w.ClientConfig.Service.Name != "shmkeeper-webhook" || *w.ClientConfig.Service.Port != 443 {
			t.Errorf("%s is sent to %v", w.Name, w.ClientConfig.Service)
		}
		if len(w.ClientConfig.CABundle) > 0 {
			t.Errorf("%s ships a caBundle, which the server writes", w.Name)
		}
		if *w.SideEffects != admissionregistrationv1.SideEffectClassNone || *w.MatchPolicy != admissionregistrationv1.Equivalent || !slices.Equal(w.AdmissionReviewVersions, []string{"v1"}) {
			t.Errorf("%s: sideEffects %s, matchPolicy %s, admissionReviewVersions %v", w.Name, *w.SideEffects, *w.MatchPolicy, w.AdmissionReviewVersions)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNamespaceSelectors_ByMode(t *testing.T) {
	values := map[string]map[string]string{
		"no label":      {},
		"audit":         {v1alpha1.LabelMode: "audit"},
		"warn":          {v1alpha1.LabelMode: "warn"},
		"enforce":       {v1alpha1.LabelMode: "enforce"},
		"empty value":   {v1alpha1.LabelMode: ""},
		"unknown value": {v1alpha1.LabelMode: "Enforce"},
	}
	every := []string{"audit", "empty value", "enforce", "unknown value", "warn"}
	want := map[string][]string{
		"mutate.pods.shmkeeper.dev":  {"enforce"},
		"enforce.pods.shmkeeper.dev": {"enforce"},
		"report.pods.shmkeeper.dev":  {"audit", "empty value", "unknown value", "warn"},
		"templates.shmkeeper.dev":    every,
		"modes.shmkeeper.dev":        {"enforce"},
	}
	for _, w := range webhooks(t) {
		if w.Name == "policies.shmkeeper.dev" { // of a kind without a namespace
			if w.NamespaceSelector != nil {
				t.Errorf("%s selects namespaces", w.Name)
			}
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
		if err != nil {
			t.Fatal(err)
		}
		for _, namespace := range []string{"shop", "kube-system", "shmkeeper-system"} {
			var got []string
			for name, set := range values {
				all := labels.Set{corev1.LabelMetadataName: namespace}
				for k, v := range set {
					all[k] = v
				}
				if selector.Matches(all) {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			expected := want[w.Name]
			if namespace != "shop" {
				expected = nil
			}
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("%s in namespace %s: %s", w.Name, namespace, diff)
			}
		}
	}
}

// The conditions are evaluated by the API server's own code.
func TestMatchConditions_KeepOutOnlyWhatNeedsNoAnswer(t *testing.T) {
	pod := func(options ...policytest.PodOption) runtime.Object {
		return policytest.With(policytest.NewPod("p", policytest.Namespace("shop")), options...)
	}
	phase := func(phase corev1.PodPhase) runtime.Object {
		return pod(func(p *corev1.Pod) { p.Status.Phase = phase })
	}
	mirror := func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }
	now := metav1.Now()
	going := func(p *corev1.Pod) { p.DeletionTimestamp = &now }
	owned := func(apiVersion, kind string, controller *bool) runtime.Object {
		return pod(func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: "o", UID: "u", Controller: controller}}
		})
	}
	yes, no := true, false

	all := []string{"enforce.pods", "mutate.pods", "report.pods"}
	for name, c := range map[string]struct {
		object, old runtime.Object
		sent        []string // of those that are asked about; names without .shmkeeper.dev
		asked       []string
	}{
		"a new Pod":                  {object: pod(), asked: all, sent: all},
		"a new Pod with annotations": {object: pod(func(p *corev1.Pod) { p.Annotations = map[string]string{"a": "b"} }), asked: all, sent: all},
		"a mirror Pod":               {object: pod(mirror), asked: all},
		"a new Pod that says it is being deleted":         {object: pod(going), asked: all, sent: all},
		"a new Pod that says it is finished":              {object: phase(corev1.PodSucceeded), asked: all, sent: all},
		"a change of a running Pod":                       {object: phase(corev1.PodRunning), old: phase(corev1.PodRunning), asked: all[:1], sent: all[:1]},
		"a change of a Pod without a phase":               {object: pod(), old: pod(), asked: all[2:], sent: all[2:]},
		"a change of a Pod that is being deleted":         {object: pod(going), old: pod(going), asked: []string{"enforce.pods", "report.pods"}},
		"a change that says the Pod is being deleted":     {object: pod(going), old: pod(), asked: all[:1], sent: all[:1]},
		"a change of a Pod that has succeeded":            {object: phase(corev1.PodSucceeded), old: phase(corev1.PodSucceeded), asked: []string{"enforce.pods", "report.pods"}},
		"a change of a Pod that has failed":               {object: phase(corev1.PodFailed), old: phase(corev1.PodFailed), asked: []string{"enforce.pods", "report.pods"}},
		"a workload of its own":                           {object: pod(), asked: []string{"templates"}, sent: []string{"templates"}},
		"a ReplicaSet of a Deployment":                    {object: owned("apps/v1", "Deployment", &yes), asked: []string{"templates"}},
		"a Job of a CronJob":                              {object: owned("batch/v1", "CronJob", &yes), asked: []string{"templates"}},
		"a ReplicaSet of some other kind of Deployment":   {object: owned("example.org/v1", "Deployment", &yes), asked: []string{"templates"}, sent: []string{"templates"}},
		"a ReplicaSet that a Deployment does not control": {object: owned("apps/v1", "Deployment", &no), asked: []string{"templates"}, sent: []string{"templates"}},
		"a ReplicaSet with an owner and no controller":    {object: owned("apps/v1", "Deployment", nil), asked: []string{"templates"}, sent: []string{"templates"}},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []string
			for _, w := range webhooks(t) {
				short := strings.TrimSuffix(w.Name, ".shmkeeper.dev")
				if slices.Contains(c.asked, short) && matches(t, w, c.object, c.old) {
					sent = append(sent, short)
				}
			}
			slices.Sort(sent)
			if diff := cmp.Diff(c.sent, sent); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// matches reports whether the webhook's conditions hold, by the code of the API server, as the oldest
// supported release compiles them and as the newest does.
func matches(t *testing.T, w admissionregistrationv1.ValidatingWebhook, object, old runtime.Object) bool {
	t.Helper()
	newest := matchesIn(t, environment.DefaultCompatibilityVersion(), w, object, old)
	if matchesIn(t, version.MajorMinor(1, 30), w, object, old) != newest {
		t.Errorf("%s: Kubernetes 1.30 decides otherwise", w.Name)
	}
	return newest
}

func matchesIn(t *testing.T, v *version.Version, w admissionregistrationv1.ValidatingWebhook, object, old runtime.Object) bool {
	t.Helper()
	conditions := make([]cel.ExpressionAccessor, len(w.MatchConditions))
	for i := range w.MatchConditions {
		conditions[i] = (*matchconditions.MatchCondition)(&w.MatchConditions[i])
	}
	compiler := cel.NewConditionCompiler(environment.MustBaseEnvSet(v))
	// An error in a condition that fails open would look like a condition that is false.
	fail := admissionregistrationv1.Fail
	matcher := matchconditions.NewMatcher(compiler.CompileCondition(conditions, cel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions),
		&fail, "webhook", "validating", w.Name)

	operation, options := admission.Create, runtime.Object(&metav1.CreateOptions{})
	if old != nil {
		operation, options = admission.Update, &metav1.UpdateOptions{}
	}
	gvk := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	gvr := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	result := matcher.Match(t.Context(), &admission.VersionedAttributes{
		Attributes:      admission.NewAttributesRecord(object, old, gvk, "shop", "p", gvr, "", operation, options, false, nil),
		VersionedKind:   gvk,
		VersionedObject: admission.NewLazyObject(object), VersionedOldObject: admission.NewLazyObject(old),
	}, nil, nil)
	if result.Error != nil {
		t.Fatalf("%s: %v", w.Name, result.Error)
	}
	return result.Matches
}

// The server writes this condition; shipped, it would be two owners' one field.
func TestMatchConditions_WithoutTheServersOwn(t *testing.T) {
	for _, w := range webhooks(t) {
		for _, c := range w.MatchConditions {
			if c.Name == "may-match-policy" {
				t.Errorf("%s ships the condition %s: remove it", w.Name, c.Name)
			}
		}
	}
}

func TestWebhooks_EachIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/how-to/install.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range webhooks(t) {
		stance := map[admissionregistrationv1.FailurePolicyType]string{admissionregistrationv1.Fail: "closed", admissionregistrationv1.Ignore: "open"}[*w.FailurePolicy]
		row := "\n| `" + w.Name + "` | `" + *w.ClientConfig.Service.Path + "` | " + stance + " |"
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/how-to/install.md has no row %q", row)
		}
	}
}

func TestConfigurations_ReturnCopies(t *testing.T) {
	Mutating()[0]++
	Validating()[0]++
	configurations(t)
}

// Without it AKS adds a requirement to each namespaceSelector.
func TestConfigurations_LeftAloneByAKS(t *testing.T) {
	m, v := configurations(t)
	for kind, annotations := range map[string]map[string]string{m.Kind: m.Annotations, v.Kind: v.Annotations} {
		if annotations["admissions.enforcer/disabled"] != "true" {
			t.Errorf("%s has the annotations %v", kind, annotations)
		}
	}
}
