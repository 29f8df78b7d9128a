package policy

import (
	"fmt"
	"sort"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// blockers says which LimitRanges and quotas do not admit a plan, each with the largest size
// that would fit and what its reader can do. v is the Pod as it would be, before as it is.
func (v *view) blockers(before *view, p *Plan) []Violation {
	if clamped := v.clampedBelowRuntime(p); clamped != nil {
		return clamped
	}
	blocked := v.blockedBy(before, p, mostBlockers)
	if len(blocked) == 0 {
		return nil
	}
	remedy := v.remedyForNoRoom(before.largestFit())
	for i := range blocked {
		blocked[i].Detail += ": " + remedy
	}
	return blocked
}

// clampedBelowRuntime says why a volume must not be added that the kubelet would make smaller than
// what the runtime gives without it. With the memory raised, it never does.
func (v *view) clampedBelowRuntime(p *Plan) []Violation {
	if p.volume == nil || v.looksAtMemory() {
		return nil // the checks look
	}
	mounted, had := v.mounted(p.volume.size), v.runtimeSize()
	if mounted >= had {
		return nil
	}
	var out findings
	out.add(ClampedByMemoryLimit, "", "the kubelet would mount %s at %s, less than the %s that the Pod has without a volume, because of its memory limit: raise the memory limit to at least %s",
		mounted, v.policy.mountPath, had, v.size.cost(had).Plus(v.policy.reserve).RoundUp(sizing.MiB))
	return out
}

// mostBlockers bounds how many of the figures that are not admitted are reported.
const mostBlockers = 8

func (v *view) blockedBy(before *view, p *Plan, most int) []Violation {
	out := v.limitRangeViolations(before, p, most)
	if len(out) < most {
		out = append(out, v.quotaViolations(before, p, most-len(out))...)
	}
	return out
}

// largestFit returns the largest size in whole MiB, in bytes, with which the Pod would be
// compliant and its memory admitted; 0 if there is none.
func (v *view) largestFit() sizing.Bytes {
	// A volume that is there is not made smaller: less than it does not cost less.
	var own sizing.Bytes
	for i := range v.volumes {
		if vol := &v.volumes[i]; vol.memory && vol.at {
			own = max(own, vol.size.RoundUp(sizing.MiB))
		}
	}
	least := int(max(min(own, v.size.Limit), sizing.MiB) / sizing.MiB)
	more := sort.Search(int(v.size.Limit/sizing.MiB)-least+1, func(n int) bool {
		return !v.fits(sizing.Bytes(least+n) * sizing.MiB)
	})
	if more == 0 {
		return 0
	}
	return sizing.Bytes(least+more-1) * sizing.MiB
}

func (v *view) fits(limit sizing.Bytes) bool {
	smaller := v.copy()
	smaller.size.Size = new(v.size.WithLimit(limit))
	var p Plan
	after := smaller.planned(&p)
	return len(after.blockedBy(smaller, &p, 1)) == 0 && len(after.violations()) == 0
}

// remedyForNoRoom says what the owner of the Pod can do if there is no room for its memory. The
// policy has a model, or it would not mutate.
func (v *view) remedyForNoRoom(fit sizing.Bytes) string {
	ask := "ask the namespace's administrator for more memory"
	if fit == 0 {
		return "no size would fit: " + ask
	}
	fits := fmt.Sprintf("the largest size that would fit is %s: ", fit)
	if v.policy.overridesAllowed() && fit >= v.policy.model.bounds.Min {
		return fits + fmt.Sprintf("set annotation %s: %s if that is enough, or %s", sizeLimitAnnotation, fit.Quantity(), ask)
	}
	return fits + ask
}
