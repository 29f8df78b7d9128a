package matchcondition

import (
	"context"
	"errors"
	"fmt"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	celplugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// condition is an expression, compiled as an API server does when a webhook configuration
// is written, and evaluated as it does before each call.
type condition struct {
	evaluator celplugin.ConditionEvaluator
	matcher   matchconditions.Matcher
}

// compilers are those of the first Kubernetes release with match conditions that no feature
// gate guards, and of the newest.
var compilers = map[string]celplugin.ConditionCompiler{
	"oldest": celplugin.NewConditionCompiler(environment.MustBaseEnvSet(version.MajorMinor(1, 30))),
	"newest": celplugin.NewConditionCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())),
}

func compile(expression, age string) (condition, error) {
	c := compilers[age].CompileCondition(
		[]celplugin.ExpressionAccessor{&matchconditions.MatchCondition{Name: Name, Expression: expression}},
		celplugin.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions)
	for _, err := range c.CompilationErrors() {
		return condition{}, fmt.Errorf("%w\n%s", err, expression)
	}
	fail := admissionregistrationv1.Fail
	return condition{c, matchconditions.NewMatcher(c, &fail, "validating", "webhook", "test")}, nil
}

// sends reports whether the API server would send a Pod to the webhook. Releases differ in
// how they show the Pod to an expression, as it is or as JSON, so both are asked.
func (c condition) sends(pod *corev1.Pod) (bool, error) {
	typed := c.matcher.Match(context.Background(), attributes(pod, pod), nil, nil)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return false, err
	}
	untyped := c.matcher.Match(context.Background(), attributes(pod, &unstructured.Unstructured{Object: content}), nil, nil)
	if typed.Matches != untyped.Matches {
		return false, fmt.Errorf("typed: %v, %w; untyped: %v, %w", typed.Matches, typed.Error, untyped.Matches, untyped.Error)
	}
	return typed.Matches, errors.Join(typed.Error, untyped.Error)
}

var (
	corev1Pods = metav1.GroupVersionResource{Version: "v1", Resource: "pods"}
	corev1Pod  = metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}
)

// cost returns what the evaluation takes of the budget for all match conditions.
func (c condition) cost(pod *corev1.Pod) (int64, error) {
	a := attributes(pod, pod)
	results, left, err := c.evaluator.ForInput(context.Background(), a, celplugin.CreateAdmissionRequest(a.Attributes,
		corev1Pods, corev1Pod), celplugin.OptionalVariableBindings{}, nil, celconfig.RuntimeCELCostBudgetMatchConditions)
	if err != nil {
		return 0, err
	}
	return celconfig.RuntimeCELCostBudgetMatchConditions - left, results[0].Error
}

func attributes(pod *corev1.Pod, shown runtime.Object) *admission.VersionedAttributes {
	kind := corev1.SchemeGroupVersion.WithKind("Pod")
	return &admission.VersionedAttributes{
		Attributes: admission.NewAttributesRecord(pod, nil, kind, "default", pod.Name,
			corev1.SchemeGroupVersion.WithResource("pods"), "", admission.Create, nil, false, nil),
		VersionedKind: kind, VersionedObject: admission.NewLazyObject(shown),
	}
}

func mustCompile(t testing.TB, expression, age string) condition {
	t.Helper()
	c, err := compile(expression, age)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
