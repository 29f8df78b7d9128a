package manifests_test

import (
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The condition is evaluated by the API server's own code.
func TestModeGuard_SeesOnlyTheLabel(t *testing.T) {
	guard := object[admissionregistrationv1.ValidatingAdmissionPolicy](t, "mode-guard/mode-label.yaml")
	binding := object[admissionregistrationv1.ValidatingAdmissionPolicyBinding](t, "mode-guard/mode-label.yaml")
	if binding.Spec.PolicyName != guard.Name {
		t.Errorf("the binding is of %q, not of %q", binding.Spec.PolicyName, guard.Name)
	}
	setter := object[rbacv1.ClusterRole](t, "mode-guard/mode-setter.yaml")
	if want := `"` + setter.Name + `"`; !strings.Contains(guard.Spec.Validations[0].Message, want) {
		t.Errorf("the message does not name the ClusterRole %s", want)
	}

	compiler := cel.NewConditionCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	matcher := matchconditions.NewMatcher(compiler.CompileCondition(
		[]cel.ExpressionAccessor{(*matchconditions.MatchCondition)(&guard.Spec.MatchConditions[0])},
		cel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions),
		guard.Spec.FailurePolicy, "policy", "validate", guard.Name)

	none := map[string]string(nil)
	mode := func(value string) map[string]string { return map[string]string{"a": "b", v1alpha1.LabelMode: value} }
	for name, c := range map[string]struct {
		created  bool
		old, now map[string]string
		looks    bool
	}{
		"created without labels":              {created: true, now: none},
		"created with other labels":           {created: true, now: map[string]string{"a": "b"}},
		"created with the label":              {created: true, now: mode("audit"), looks: true},
		"created with the label, empty":       {created: true, now: mode(""), looks: true},
		"the label is set":                    {old: none, now: mode("enforce"), looks: true},
		"the label is set to an empty value":  {old: map[string]string{"a": "b"}, now: mode(""), looks: true},
		"the label is changed":                {old: mode("enforce"), now: mode("audit"), looks: true},
		"the label is removed":                {old: mode("enforce"), now: map[string]string{"a": "b"}, looks: true},
		"all labels are removed":              {old: mode("enforce"), now: none, looks: true},
		"the label stays, another one is set": {old: map[string]string{v1alpha1.LabelMode: "warn"}, now: mode("warn")},
		"another label is set":                {old: none, now: map[string]string{"a": "b"}},
		"nothing changes":                     {old: none, now: none},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := func(labels map[string]string) runtime.Object {
				return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: labels}}
			}
			now, old := namespace(c.now), namespace(c.old)
			operation, options := admission.Update, runtime.Object(&metav1.UpdateOptions{})
			if c.created {
				old, operation, options = nil, admission.Create, &metav1.CreateOptions{}
			}
			gvk := schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
			gvr := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
			result := matcher.Match(t.Context(), &admission.VersionedAttributes{
				Attributes:      admission.NewAttributesRecord(now, old, gvk, "", "shop", gvr, "", operation, options, false, nil),
				VersionedKind:   gvk,
				VersionedObject: admission.NewLazyObject(now), VersionedOldObject: admission.NewLazyObject(old),
			}, nil, nil)
			if result.Error != nil {
				t.Fatal(result.Error)
			}
			if result.Matches != c.looks {
				t.Errorf("the guard looks: %t, want %t", result.Matches, c.looks)
			}
		})
	}
}
