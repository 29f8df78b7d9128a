package policy

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// A check is a function of a Pod as it is, or as it would be: it cannot know whether a plan was
// applied. Each has a file of its own, which opens with what its users need to know about it.
type check func(*view) []Violation

// checks are all of them, in the order in which violations are reported.
var checks = [...]check{
	checkExemption,
	checkOverrides,
	checkHostShm,
	checkNoMount,
	checkNotMemory,
	checkSubPath,
	checkReadOnly,
	checkUnbounded,
	checkTooSmall,
	checkWholePages,
	checkClamped,
	checkOOM,
}

// violations returns all that is wrong with the Pod.
func (v *view) violations() []Violation {
	var out []Violation
	for _, check := range checks {
		if found := check(v); out == nil {
			out = found
		} else {
			out = append(out, found...)
		}
	}
	return out
}

// findings collects violations.
type findings []Violation

func (f *findings) add(reason Reason, container string, format string, args ...any) {
	*f = append(*f, Violation{Reason: reason, Container: container, Detail: fmt.Sprintf(format, args...)})
}

// eachMount calls f for each mount at the mount path of a container that must have the
// volume.
func (v *view) eachMount(f func(*container, *mount, *volume)) {
	for i := range v.mounts {
		v.step()
		if m := &v.mounts[i]; !m.below && v.mustHave(m) {
			f(&v.containers[m.container], m, &v.volumes[m.volume])
		}
	}
}

// requiredVolume returns what a remedy asks for.
func (v *view) requiredVolume() string {
	if v.policy.model == nil {
		return "a Memory emptyDir with a sizeLimit"
	}
	return "a Memory emptyDir with sizeLimit: " + v.newSize().Quantity().String()
}

// newSize returns how large a volume must be that replaces what the runtime mounts.
func (v *view) newSize() sizing.Bytes {
	return max(v.size.Limit, v.runtimeSize().RoundUp(sizing.MiB))
}

// limitToSet returns the sizeLimit that a remedy asks for.
func (v *view) limitToSet() string { return v.size.Limit.Quantity().String() }

// looksAtMemory reports whether a memory limit that is too low is a violation.
func (v *view) looksAtMemory() bool { return v.policy.handling() != v1alpha1.MemoryIgnore }
