package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// workload is a kind that has a Pod template.
type workload struct {
	kind, resource string
	client         func(kubernetes.Interface) rest.Interface
	// template is where the Pod template lies.
	template []string
	// restart is the restartPolicy that the template has to have.
	restart corev1.RestartPolicy
	// spec is what the kind wants beside the template, so that no Pod is made of it.
	spec map[string]any
}

func core(k kubernetes.Interface) rest.Interface  { return k.CoreV1().RESTClient() }
func apps(k kubernetes.Interface) rest.Interface  { return k.AppsV1().RESTClient() }
func batch(k kubernetes.Interface) rest.Interface { return k.BatchV1().RESTClient() }

// workloads returns all kinds that the webhook for templates is called for.
func workloads() []workload {
	selector := map[string]any{"matchLabels": map[string]any{"app": "web"}}
	direct, always := []string{"spec", "template"}, corev1.RestartPolicyAlways
	return []workload{
		{"Deployment", "deployments", apps, direct, always, map[string]any{"selector": selector, "replicas": int64(0)}},
		{"StatefulSet", "statefulsets", apps, direct, always, map[string]any{"selector": selector, "replicas": int64(0), "serviceName": "web"}},
		{"DaemonSet", "daemonsets", apps, direct, always, map[string]any{"selector": selector}},
		{"ReplicaSet", "replicasets", apps, direct, always, map[string]any{"selector": selector, "replicas": int64(0)}},
		{"ReplicationController", "replicationcontrollers", core, direct, always, map[string]any{"selector": map[string]any{"app": "web"}, "replicas": int64(0)}},
		{"Job", "jobs", batch, direct, corev1.RestartPolicyNever, map[string]any{"selector": selector, "manualSelector": true, "suspend": true}},
		{
			"CronJob", "cronjobs", batch,
			[]string{"spec", "jobTemplate", "spec", "template"},
			corev1.RestartPolicyNever,
			map[string]any{"schedule": "0 0 1 1 *", "suspend": true},
		},
	}
}

// of returns a workload of the kind that would make such Pods. No node is labelled so
// that a DaemonSet could.
func (w workload) of(t *testing.T, pod *corev1.Pod) *unstructured.Unstructured {
	t.Helper()
	pod = pod.DeepCopy()
	pod.Spec.RestartPolicy, pod.Spec.NodeSelector = w.restart, map[string]string{"e2e": "none"}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec})
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": runtime.DeepCopyJSON(w.spec)}}
	version := map[string]string{"ReplicationController": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}[w.kind]
	if version == "" {
		version = "apps/v1"
	}
	u.SetAPIVersion(version)
	u.SetKind(w.kind)
	u.SetName(pod.Name)
	if err := unstructured.SetNestedMap(u.Object, content, w.template...); err != nil {
		t.Fatal(err)
	}
	return u
}

// create asks for the workload; nothing of it stays after the test.
func (w workload) create(t *testing.T, a *apiClient, namespace string, object *unstructured.Unstructured, dryRun ...string) response {
	t.Helper()
	body, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	got := a.send(t, func() error {
		return w.client(a.kube).Post().Namespace(namespace).Resource(w.resource).
			VersionedParams(&metav1.CreateOptions{DryRun: dryRun}, scheme.ParameterCodec).
			SetHeader("Content-Type", "application/json").Body(body).Do(t.Context()).Error()
	})
	if len(dryRun) == 0 && got.Error == "" {
		t.Cleanup(func() {
			ctx, cancel := cleanupContext()
			defer cancel()
			background := metav1.DeletePropagationBackground
			err := w.client(a.kube).Delete().Namespace(namespace).Resource(w.resource).Name(object.GetName()).
				Body(&metav1.DeleteOptions{PropagationPolicy: &background}).Do(ctx).Error()
			if err != nil && !apierrors.IsNotFound(err) {
				t.Error(err)
			}
		})
	}
	return got
}

// patch merges into the workload.
func (w workload) patch(t *testing.T, a *apiClient, namespace, name string, change map[string]any) response {
	t.Helper()
	body, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	return a.send(t, func() error {
		return w.client(a.kube).Patch(types.MergePatchType).Namespace(namespace).Resource(w.resource).Name(name).Body(body).Do(t.Context()).Error()
	})
}

// stored returns the workload as the API server has it.
func (w workload) stored(t *testing.T, a *apiClient, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	text, err := w.client(a.kube).Get().Namespace(namespace).Resource(w.resource).Name(name).SetHeader("Accept", "application/json").Do(t.Context()).Raw()
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWarnWorkloads_EachKind(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns, unlabelled := s.namespace(t, "enforce", nil), s.namespace(t, "", nil)
	for _, w := range workloads() {
		for _, c := range []struct {
			name            string
			pod             *corev1.Pod
			words           string
			outcome, reason string
		}{
			{
				"changed", webPod("changed"), `Pods of this ` + w.kind + ` will be changed by SharedMemoryPolicy "web", which ` + changeWords,
				"Mutated", "AddVolume",
			},
			{
				"rejected", webPod("rejected", onDisk), `Pods of this ` + w.kind + ` will be rejected, because they violate SharedMemoryPolicy "web": ` + diskDetail,
				"Violating", "NotMemory",
			},
		} {
			t.Run(w.kind+" whose Pods will be "+c.name, func(t *testing.T) {
				object := w.of(t, c.pod)
				warned := response{Warnings: []string{c.words}, Notes: judged("templates", "web", "enforce", c.outcome, c.reason)}
				if w.spec["suspend"] == true && w.kind == "Job" && c.outcome == "Mutated" {
					warned.Warnings = append(warned.Warnings, "the workload is suspended: whatever starts it counts the memory of the template, "+
						"and the Pods get more: raise the template's memory as well")
				}
				eventually(t, func() error { return w.create(t, a, ns, object, metav1.DryRunAll).differs(warned) })
				if err := w.create(t, a, ns, object).differs(warned); err != nil {
					t.Fatal(err)
				}
				// Where shmkeeper is not asked it is stored as it is written.
				if err := w.create(t, a, unlabelled, object).differs(response{}); err != nil {
					t.Fatal(err)
				}
				w.sameAs(t, w.stored(t, a, unlabelled, c.name), w.stored(t, a, ns, c.name))

				labelled := map[string]any{"metadata": map[string]any{"labels": map[string]any{"touched": "yes"}}}
				if err := w.patch(t, a, ns, c.name, labelled).differs(response{}); err != nil {
					t.Errorf("an update that leaves the template alone: %v", err)
				}
				annotated := map[string]any{}
				if err := unstructured.SetNestedField(annotated, "yes", append(w.template, "metadata", "annotations", "touched")...); err != nil {
					t.Fatal(err)
				}
				if err := w.patch(t, a, ns, c.name, annotated).differs(warned); err != nil {
					t.Errorf("an update of the template: %v", err)
				}
				if got, _, _ := unstructured.NestedStringMap(w.stored(t, a, ns, c.name).Object, append(w.template, "metadata", "annotations")...); cmp.Diff(map[string]string{"touched": "yes"}, got) != "" {
					t.Errorf("after the update the template has the annotations %v", got)
				}
			})
		}
	}
}

// sameAs compares what is stored of a workload, whatever its namespace.
func (w workload) sameAs(t *testing.T, want, got *unstructured.Unstructured) {
	t.Helper()
	if diff := cmp.Diff(want.Object["spec"], got.Object["spec"]); diff != "" {
		t.Errorf("spec (-without label +in mode enforce):\n%s", diff)
	}
	for key := range got.GetAnnotations() {
		if strings.Contains(key, "shmkeeper.dev") {
			t.Errorf("the %s has the annotation %s", w.kind, key)
		}
	}
}
