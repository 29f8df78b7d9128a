package webhook

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/internal/limitrange"
	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/policy"
)

// WarnWorkloads tells the user who applies a workload what its Pods will get, or why they would be
// rejected. It never denies and never changes a workload, so that GitOps tools see no drift.
// FAILS OPEN.
func WarnWorkloads(o Options) admission.Handler {
	return &handler{name: "templates", metrics: o.Metrics, onError: failOpen, handle: o.warnWorkload}
}

func (o *Options) warnWorkload(_ context.Context, req admission.Request) (admission.Response, error) {
	subject, err := o.workloadSubject(&req, req.Object)
	if err != nil {
		return admission.Response{}, err
	}
	if req.Operation == admissionv1.Update {
		old, err := o.workloadSubject(&req, req.OldObject)
		if err != nil {
			return admission.Response{}, err
		}
		// Scaling a workload, or a controller writing to it, is not news to anybody.
		if sameTemplate(&old, &subject) {
			return allow(nil, nil), nil
		}
	}
	// What a template leaves out a LimitRange gives its Pods, before they are evaluated.
	subject, _ = limitrange.Apply(subject)
	q := question{call: applyWorkload, kind: req.Kind.Kind, is: o.Cluster.Policies().Evaluate(subject)}
	namespace, warnings := namespaceMode(subject.NamespaceLabels)
	q.mode = policy.EffectiveMode(o.MaxMode, namespace, q.is.Mode)
	return o.respond("templates", &q, &subject, warnings), nil
}

// sameTemplate reports whether two versions of a workload make the same Pods as far as decisions
// read them.
func sameTemplate(a, b *policy.Subject) bool {
	return equality.Semantic.DeepEqual(a.Pod, b.Pod) && equality.Semantic.DeepEqual(a.Claims, b.Claims)
}

// workloadSubject reads the Pod template of a workload in a request.
func (o *Options) workloadSubject(req *admission.Request, raw runtime.RawExtension) (policy.Subject, error) {
	object := podkind.New(schema.GroupVersion{Group: req.Kind.Group, Version: req.Kind.Version}.String(), req.Kind.Kind)
	if object == nil {
		return policy.Subject{}, fmt.Errorf("%s %s is not a workload with a Pod template: fix the rules of the webhook configuration",
			req.Kind.Group, req.Kind.Kind)
	}
	if err := decode(raw, object); err != nil {
		return policy.Subject{}, err
	}
	subject, ok := policy.NewSubject(object)
	if !ok {
		return policy.Subject{}, fmt.Errorf("the %s has no Pod template: write spec.template", req.Kind.Kind)
	}
	o.addNamespaceContext(&subject, req)
	return subject, nil
}
