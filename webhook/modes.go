package webhook

import (
	"fmt"
	"strings"
	"time"

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
}

// warnModes warns who sets the label of a namespace to enforce that running Pods there could not be
// created again. It rejects nothing. FAILS OPEN.
func warnModes(o Options) *handler {
	return &handler{name: "modes", options: &o, onError: failOpen, handle: o.warnMode}
}

func (o *Options) warnMode(req *admission.Request) (admission.Response, error) {
	if o.Running == nil || o.MaxMode != v1alpha1.Enforce {
		return allow(nil, nil), nil
	}
	pods, names, at := o.Running.CouldNotBeCreated(req.Name)
	if pods == 0 {
		return allow(nil, nil), nil
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
