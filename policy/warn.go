package policy

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// warnings are what the owner of a Pod should know though nothing is refused.
func (j *judged) warnings() []string {
	var out []string
	volume := j.size.Limit
	if t := j.target(); t >= 0 {
		volume = max(volume, j.volumes[t].size)
	}
	switch {
	case !j.size.Bounded:
		out = append(out, fmt.Sprintf("files are never deleted, so no size is enough: %s fills after %s; delete files, and tell the policy by retention", volume, Span(j.size.FullAfterOf(volume))))
	case j.size.Fills(volume):
		out = append(out, fmt.Sprintf("%s fills after %s: %s are needed; raise sizing.max, or shorten the retention", volume, Span(j.size.FullAfterOf(volume)), j.size.Demand))
	case j.size.Saturated:
		out = append(out, fmt.Sprintf("%s is less than the %s that are needed; raise sizing.max of the policy", volume, j.size.Demand))
	}
	if j.policy.memory != v1alpha1.MemoryIgnore {
		return out
	}
	// The policy looks at no limits; its users still want to know.
	limit := j.podMemoryLimit()
	if limit > 0 && limit < j.size.ChargeOf(j.size.Need) {
		out = append(out, fmt.Sprintf("the Pod's memory limit of %s is less than the %s that a full %s costs: the Pod is then OOM-killed; raise the limit", limit, j.size.ChargeOf(j.size.Need).RoundUp(MiB), j.policy.mountPath))
	}
	return out
}
