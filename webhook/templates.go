package webhook

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// WarnTemplates tells whoever applies a workload what its Pods will get, or why
// they would be refused. It never denies and never changes a workload, so that
// GitOps tools see no drift. FAILS OPEN.
func WarnTemplates(o Options) admission.Handler {
	return &guarded{name: "templates", metrics: o.Metrics, stance: failOpen, handle: o.warnTemplate}
}

func (o *Options) warnTemplate(_ context.Context, req admission.Request) (admission.Response, error) {
	subject, err := o.template(&req, req.Object)
	if err != nil {
		return admission.Response{}, err
	}
	if req.Operation == admissionv1.Update {
		before, err := o.template(&req, req.OldObject)
		if err != nil {
			return admission.Response{}, err
		}
		// Scaling a workload, or a controller writing to it, is not news to anybody.
		if equality.Semantic.DeepEqual(before.Meta, subject.Meta) && equality.Semantic.DeepEqual(before.Spec, subject.Spec) {
			return allow(nil, nil), nil
		}
	}
	d := o.Cluster.Policies().Decide(subject)
	namespace, warnings := namespaceMode(subject.NamespaceLabels)
	mode := policy.EffectiveMode(o.MaxMode, namespace, d.Mode)
	o.Metrics.decided("templates", d, mode)
	if d.Outcome == policy.NotGoverned {
		return allow(nil, warnings), nil
	}
	if mode != v1alpha1.Audit {
		warnings = append(warnings, forPods(req.Kind.Kind, d, mode)...)
	}
	return allow(annotations(d, mode), warnings), nil
}

// forPods are the warnings about the Pods that a workload will make.
func forPods(kind string, d policy.Decision, mode v1alpha1.Mode) []string {
	whose := "Pods of this " + kind
	switch d.Outcome {
	case policy.Violating:
		out := make([]string, 0, len(d.Violations)+len(d.Warnings))
		for _, v := range d.Violations {
			if mode == v1alpha1.Enforce {
				out = append(out, fmt.Sprintf("%s will be refused, as they violate SharedMemoryPolicy %q: %s", whose, d.Policy, v.Detail))
			} else {
				out = append(out, fmt.Sprintf("%s would violate SharedMemoryPolicy %q: %s", whose, d.Policy, v.Detail))
			}
		}
		return append(out, d.Warnings...)
	case policy.Mutated:
		changes := "will be changed by SharedMemoryPolicy %q, which %s"
		if mode != v1alpha1.Enforce {
			changes = "would be changed in mode enforce by SharedMemoryPolicy %q, which %s"
		}
		return append([]string{whose + " " + fmt.Sprintf(changes, d.Policy, d.Detail)}, d.Warnings...)
	default:
		return d.Warnings
	}
}

// template is the Pod template of a workload in a request.
func (o *Options) template(req *admission.Request, raw runtime.RawExtension) (policy.Subject, error) {
	object := newWorkload(req.Kind.Group, req.Kind.Kind)
	if object == nil {
		return policy.Subject{}, fmt.Errorf("%s %s is no workload that has a Pod template: mend the rules of the webhook configuration", req.Kind.Group, req.Kind.Kind)
	}
	if err := decode(raw, object); err != nil {
		return policy.Subject{}, err
	}
	subject, ok := policy.NewSubject(object)
	if !ok {
		return policy.Subject{}, fmt.Errorf("the %s has no Pod template: write spec.template", req.Kind.Kind)
	}
	o.place(&subject, req)
	return subject, nil
}

func newWorkload(group, kind string) any {
	switch group + "/" + kind {
	case "apps/Deployment":
		return &appsv1.Deployment{}
	case "apps/StatefulSet":
		return &appsv1.StatefulSet{}
	case "apps/DaemonSet":
		return &appsv1.DaemonSet{}
	case "apps/ReplicaSet":
		return &appsv1.ReplicaSet{}
	case "/ReplicationController":
		return &corev1.ReplicationController{}
	case "batch/Job":
		return &batchv1.Job{}
	case "batch/CronJob":
		return &batchv1.CronJob{}
	default:
		return nil
	}
}
