package webhook

import (
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

// warnWorkloads tells the user who applies a workload what its Pods will get, or why they would be
// rejected. It never denies and never changes a workload, so that GitOps tools see no drift.
// FAILS OPEN.
func warnWorkloads(o Options) *handler {
	return newHandler(&o, "templates", failOpen, readWorkload, decodeWorkload, o.warnWorkload)
}

func (o *Options) warnWorkload(req *reviewRequest) (admission.Response, error) {
	subject, err := o.subject(req, req.object)
	if err != nil {
		return admission.Response{}, err
	}
	if req.operation == admissionv1.Update {
		old, err := o.subject(req, req.old)
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
	a := attributes{call: applyWorkload, kind: req.kind.Kind, evaluation: o.Cluster.Policies().Evaluate(subject)}
	namespace, warnings := namespaceMode(subject.NamespaceLabels)
	a.mode = policy.EffectiveMode(o.MaxMode, namespace, a.evaluation.Mode)
	return o.respond("templates", &a, &subject, warnings), nil
}

// sameTemplate reports whether two versions of a workload make the same Pods as far as decisions
// read them.
func sameTemplate(a, b *policy.Subject) bool {
	return equality.Semantic.DeepEqual(a.Pod, b.Pod) && equality.Semantic.DeepEqual(a.Claims, b.Claims)
}

// decodeWorkload reads the Pod template of a workload by the full decoder.
func decodeWorkload(raw runtime.RawExtension, kind kindOfObject) (policy.Subject, error) {
	object := podkind.New(versionOf(kind), kind.Kind)
	if object == nil {
		return policy.Subject{}, errNotAWorkload(kind)
	}
	if err := decode(raw, object); err != nil {
		return policy.Subject{}, err
	}
	subject, ok := policy.NewSubject(object)
	if !ok {
		return policy.Subject{}, errNoTemplate(kind)
	}
	return subject, nil
}

func versionOf(kind kindOfObject) string {
	return schema.GroupVersion{Group: kind.Group, Version: kind.Version}.String()
}

func errNotAWorkload(kind kindOfObject) error {
	return fmt.Errorf("%s %s is not a workload with a Pod template: fix the rules of the webhook configuration", kind.Group, kind.Kind)
}

func errNoTemplate(kind kindOfObject) error {
	return fmt.Errorf("the %s has no Pod template: write spec.template", kind.Kind)
}
