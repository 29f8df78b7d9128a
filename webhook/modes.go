package webhook

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// RunningPods is what the last scan of the running Pods has found. It answers from memory, at once,
// and may be called concurrently.
type RunningPods interface {
	// CouldNotBeCreated returns how many running Pods of a namespace could not be created again in
	// mode enforce, the names of the first few, and when the scan began that found them. It is 0
	// if none is known.
	CouldNotBeCreated(namespace string) (pods int32, names []string, at time.Time)
	// LeavesOutUnlabelled reports whether the scan skipped namespaces without the label of a
	// mode; false if no scan is known.
	LeavesOutUnlabelled() bool
}

// warnModes warns the user who sets the label of a namespace to enforce that running Pods there could not be
// created again. It rejects nothing. FAILS OPEN.
func warnModes(o Options) *handler {
	return &handler{name: "modes", options: &o, onError: failOpen, handle: o.warnMode}
}

func (o *Options) warnMode(req *admission.Request) (admission.Response, error) {
	if o.Running == nil || o.MaxMode != v1alpha1.Enforce {
		return allow(nil, nil), nil
	}
	if _, known := o.Cluster.NamespaceLabels(req.Name); !known {
		// Anyone who reaches the port can name any namespace. One that is younger than our cache has
		// no Pods that a scan has seen.
		return allow(nil, nil), nil
	}
	pods, names, at := o.Running.CouldNotBeCreated(req.Name)
	if pods == 0 {
		return o.warnUnscanned(req)
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", bounded(name))
	}
	which := ""
	if len(quoted) > 0 {
		which = ", among them " + strings.Join(quoted, ", ")
	}
	subject := fmt.Sprintf("%d running Pods", pods)
	if pods == 1 {
		subject = "1 running Pod"
	}
	return allow(nil, []string{fmt.Sprintf(
		"in mode enforce %s of namespace %q could not be created again%s: kubectl shm audit -n %s says why, and what to change (by the scan of %s)",
		subject, bounded(req.Name), which, bounded(req.Name), at.UTC().Format(time.RFC3339))}), nil
}

// warnUnscanned warns that nobody has looked at the Pods of a namespace that had no mode before.
func (o *Options) warnUnscanned(req *admission.Request) (admission.Response, error) {
	if !o.Running.LeavesOutUnlabelled() {
		return allow(nil, nil), nil
	}
	var old metav1.PartialObjectMetadata
	if err := decode(req.OldObject, &old); err != nil {
		return admission.Response{}, err
	}
	if _, labelled := old.Labels[v1alpha1.LabelMode]; labelled {
		return allow(nil, nil), nil
	}
	return allow(nil, []string{fmt.Sprintf(
		"no scan has looked at the running Pods of namespace %q, which had no mode: kubectl shm audit -n %s says which could not be created again in mode enforce",
		bounded(req.Name), bounded(req.Name))}), nil
}
