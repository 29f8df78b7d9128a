package webhook

import (
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// mutatePods changes Pods at CREATE in namespaces that enforce. FAILS OPEN: a Pod that it cannot
// change is admitted, and enforcePods then judges it as it is.
func mutatePods(o Options) *handler {
	return newHandler(&o, "mutate", failOpen, readPod, decodePod, o.mutatePod)
}

// enforcePods rejects Pods that violate their policy, in namespaces that enforce: at CREATE and
// UPDATE, and when containers are added for debugging or resources changed in place. It judges
// the final state, no matter who wrote it. FAILS CLOSED: a Pod must not slip through because shmkeeper
// is down.
func enforcePods(o Options) *handler {
	return newHandler(&o, "enforce", failClosed, readPod, decodePod, o.enforcePod)
}

// reportPods says what enforcing would do, in namespaces that warn or audit. FAILS OPEN: it
// never rejects anything.
func reportPods(o Options) *handler {
	return newHandler(&o, "report", failOpen, readPod, decodePod, o.reportPod)
}

func (o *Options) mutatePod(req *reviewRequest) (admission.Response, error) {
	subject, err := o.subject(req, req.object)
	if err != nil {
		return admission.Response{}, err
	}
	a := attributes{call: mutatePod, dryRun: req.dryRun, evaluation: o.Cluster.Policies().Evaluate(subject)}
	a.mode = policy.EffectiveMode(o.MaxMode, a.evaluation.Mode)
	return o.respond("mutate", &a, &subject, nil), nil
}

func (o *Options) enforcePod(req *reviewRequest) (admission.Response, error) {
	// The API server called us because the namespace enforces; it knows the label better than
	// our cache.
	return o.validatePod("enforce", req, v1alpha1.Enforce, nil)
}

func (o *Options) reportPod(req *reviewRequest) (admission.Response, error) {
	labels, _ := o.Cluster.NamespaceLabels(req.namespace)
	mode, warnings := namespaceMode(labels)
	return o.validatePod("report", req, policy.EffectiveMode(mode, v1alpha1.Warn), warnings)
}

// namespaceMode returns the mode of a namespace that has a label. An unknown value is audit, with
// a warning; so is a namespace that the cache does not have yet.
func namespaceMode(labels map[string]string) (v1alpha1.Mode, []string) {
	text, found := labels[v1alpha1.LabelMode]
	if !found {
		return v1alpha1.Audit, nil
	}
	mode, err := policy.ParseMode(text)
	if err != nil {
		return mode, []string{fmt.Sprintf("label %s of the namespace: %v", v1alpha1.LabelMode, err)}
	}
	return mode, nil
}

// validatePod answers for a Pod as it is, in a namespace of the given mode. What an API server
// has filled in since the mutating webhooks were asked is left out: otherwise a Pod would be
// judged by figures that nobody wrote.
func (o *Options) validatePod(
	webhook string, req *reviewRequest, namespace v1alpha1.Mode, warnings []string,
) (admission.Response, error) {
	subject, err := o.subject(req, req.object)
	if err != nil {
		return admission.Response{}, err
	}
	subject = subject.WithoutDefaults()
	policies := o.Cluster.Policies()
	a := attributes{call: createPod, dryRun: req.dryRun, evaluation: policies.Evaluate(subject)}
	a.mode = policy.EffectiveMode(o.MaxMode, namespace, a.evaluation.Mode)
	if req.operation == admissionv1.Update {
		a.call = updatePod
		a.previous.deleted = subject.Pod.Metadata.DeletionTimestamp != nil
	}
	if a.needsViolations() {
		a.violations = a.evaluation.Before()
	}
	if a.call == updatePod && len(a.violations) > 0 {
		if err := o.findPrevious(req, policies, &subject, &a.previous); err != nil {
			return admission.Response{}, err
		}
	}
	return o.respond(webhook, &a, &subject, warnings), nil
}

// needsViolations reports whether the verdict depends on what is wrong with the object as it is:
// of a new one that no plan fixes, the evaluation says what remains.
func (a *attributes) needsViolations() bool {
	switch a.evaluation.Outcome {
	case policy.Mutated:
		return !a.previous.deleted
	case policy.Violating:
		return a.call == updatePod && !a.previous.deleted
	default:
		return false
	}
}

// findPrevious evaluates the Pod that an update replaces.
func (o *Options) findPrevious(
	req *reviewRequest, policies policy.Set, subject *policy.Subject, was *previous,
) error {
	old, err := o.subject(req, req.old)
	if err != nil {
		return err
	}
	if was.deleted = old.Pod.Metadata.DeletionTimestamp != nil; was.deleted {
		return nil
	}
	old = old.WithoutDefaults()
	e := policies.Evaluate(old)
	was.policy, was.violations, was.change = e.Policy, e.Before(), changeOf(old.Pod, subject.Pod)
	return nil
}

// subject returns an object of a request with what is known of its namespace.
func (o *Options) subject(req *reviewRequest, read func() (policy.Subject, error)) (policy.Subject, error) {
	subject, err := read()
	if err != nil {
		return policy.Subject{}, err
	}
	o.addNamespaceContext(&subject, req)
	return subject, nil
}
