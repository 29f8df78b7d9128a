package policy

import (
	"fmt"
	"sort"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// blockers says which LimitRanges and quotas do not admit a plan, each with the largest size
// that would fit and what its reader can do. v is the Pod as it would be, before as it is.
func (v *view) blockers(before *view, p *Plan) []Violation {
	blocked := v.blockedBy(before, p)
	if len(blocked) == 0 {
		return nil
	}
	remedy := v.remedyForNoRoom(before.largestFit())
	for i := range blocked {
		blocked[i].Detail += ": " + remedy
	}
	return blocked
}

func (v *view) blockedBy(before *view, p *Plan) []Violation {
	return append(v.limitRangeViolations(before, p), v.quotaViolations(before)...)
}

// largestFit returns the largest size in whole MiB, in bytes, with which the memory would be
// admitted; 0 if none would.
func (v *view) largestFit() sizing.Bytes {
	most := int(v.size.Limit / sizing.MiB)
	return sizing.Bytes(sort.Search(most, func(mib int) bool {
		return !v.fits(sizing.Bytes(mib+1) * sizing.MiB)
	})) * sizing.MiB
}

func (v *view) fits(limit sizing.Bytes) bool {
	smaller := v.copy()
	smaller.size.Size = v.size.WithLimit(limit)
	var p Plan
	after := smaller.planned(&p)
	return len(after.blockedBy(smaller, &p)) == 0
}

// remedyForNoRoom says what the owner of the Pod can do if there is no room for its memory.
func (v *view) remedyForNoRoom(fit sizing.Bytes) string {
	ask := "ask whoever administers the namespace for more memory"
	if fit == 0 {
		return "no size would fit: " + ask
	}
	fits := fmt.Sprintf("the largest size that would fit is %s: ", fit)
	if v.policy.overridesAllowed() && v.policy.model != nil && fit >= v.policy.model.bounds.Min {
		return fits + fmt.Sprintf("set annotation %s: %s if that is enough, or %s", sizeLimitAnnotation, fit.Quantity(), ask)
	}
	return fits + ask
}
