package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podsCreated is what all webhooks and policies are about.
var podsCreated = admissionv1.RuleWithOperations{
	Operations: []admissionv1.OperationType{admissionv1.Create},
	Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
}

// in returns a selector of one namespace.
func in(namespace string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
}

// floorAt returns how the API server reaches a path of the floor.
func (c *cluster) floorAt(path string) admissionv1.WebhookClientConfig {
	return admissionv1.WebhookClientConfig{
		Service:  &admissionv1.ServiceReference{Namespace: floorNamespace, Name: floorService, Path: &path},
		CABundle: []byte(c.floor.Certificate),
	}
}

// mutateBy has the floor answer for the Pods that are created in a namespace, if conditions hold. The
// webhook's name is to sort before shmkeeper, for a recorded review to be the one that shmkeeper gets.
func (c *cluster) mutateBy(ctx context.Context, namespace, path string, conditions ...admissionv1.MatchCondition) error {
	_, err := c.kube.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(ctx, &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-" + namespace},
		Webhooks: []admissionv1.MutatingWebhook{{
			Name: namespace + ".mutate.bench.example.org", ClientConfig: c.floorAt(path),
			Rules: []admissionv1.RuleWithOperations{podsCreated}, NamespaceSelector: in(namespace),
			SideEffects: new(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			TimeoutSeconds: new(int32(10)), MatchConditions: conditions,
		}},
	}, metav1.CreateOptions{})
	return err
}

// validateBy has the floor answer after all mutations too.
func (c *cluster) validateBy(ctx context.Context, namespace, path string, conditions ...admissionv1.MatchCondition) error {
	_, err := c.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(ctx, &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-" + namespace},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: namespace + ".validate.bench.example.org", ClientConfig: c.floorAt(path),
			Rules: []admissionv1.RuleWithOperations{podsCreated}, NamespaceSelector: in(namespace),
			SideEffects: new(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			TimeoutSeconds: new(int32(10)), MatchConditions: conditions,
		}},
	}, metav1.CreateOptions{})
	return err
}

// mutateInServer has the API server itself make the change in a namespace.
func (c *cluster) mutateInServer(ctx context.Context, namespace string, mutation admissionv1.Mutation) error {
	_, err := c.kube.AdmissionregistrationV1().MutatingAdmissionPolicies().Create(ctx, &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-" + namespace},
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: in(namespace),
				ResourceRules:     []admissionv1.NamedRuleWithOperations{{RuleWithOperations: podsCreated}},
			},
			Mutations:          []admissionv1.Mutation{mutation},
			ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = c.kube.AdmissionregistrationV1().MutatingAdmissionPolicyBindings().Create(ctx, &admissionv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-" + namespace},
		Spec:       admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: "bench-" + namespace},
	}, metav1.CreateOptions{})
	return err
}

// jsonPatch returns a patch as a mutation of a MutatingAdmissionPolicy. The values' maps are of
// mixed types, which CEL admits where they are dynamic.
func jsonPatch(patch []byte) (admissionv1.Mutation, error) {
	var ops []struct {
		Op, Path string
		Value    any
	}
	if err := json.Unmarshal(patch, &ops); err != nil {
		return admissionv1.Mutation{}, fmt.Errorf("the patch of shmkeeper: %w", err)
	}
	var terms []string
	for _, op := range ops {
		terms = append(terms, fmt.Sprintf("JSONPatch{op: %q, path: %q, value: %s}", op.Op, op.Path, celDynamic(op.Value)))
	}
	return admissionv1.Mutation{
		PatchType: admissionv1.PatchTypeJSONPatch,
		JSONPatch: &admissionv1.JSONPatch{Expression: "[" + strings.Join(terms, ", ") + "]"},
	}, nil
}

// applyConfiguration returns the difference that a change makes to a Pod as a mutation of a
// MutatingAdmissionPolicy: new volumes and mounts, other resources and annotations.
func applyConfiguration(before, after *corev1.Pod) (admissionv1.Mutation, error) {
	change := map[string]any{"volumes": after.Spec.Volumes[len(before.Spec.Volumes):]}
	var containers []map[string]any
	for i := range after.Spec.Containers {
		was, is := &before.Spec.Containers[i], &after.Spec.Containers[i]
		c := map[string]any{"name": is.Name, "volumeMounts": is.VolumeMounts[len(was.VolumeMounts):]}
		if !is.Resources.Limits.Memory().Equal(*was.Resources.Limits.Memory()) {
			c["resources"] = is.Resources
		}
		containers = append(containers, c)
	}
	change["containers"] = containers
	spec, err := generic(change)
	if err != nil {
		return admissionv1.Mutation{}, err
	}
	annotations := map[string]any{}
	for key, value := range after.Annotations {
		if before.Annotations[key] != value {
			annotations[key] = value
		}
	}
	return admissionv1.Mutation{
		PatchType: admissionv1.PatchTypeApplyConfiguration,
		ApplyConfiguration: &admissionv1.ApplyConfiguration{Expression: "Object{metadata: Object.metadata{annotations: " +
			celDynamic(annotations) + "}, spec: " + celTyped("Object.spec", spec) + "}"},
	}, nil
}

// generic returns a value as its JSON decodes.
func generic(value any) (out any, err error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(data, &out)
	return out, err
}
