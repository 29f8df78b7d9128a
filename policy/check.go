package policy

import (
	"fmt"
	"strings"
)

// A check looks at a Pod as it stands, whoever wrote it, and adds what is wrong
// to a report. Each has a file of its own, which opens with what its users need
// to know about it.
type check func(*judged, *report)

// checks are all of them, in the order in which violations are told.
var checks = [...]check{
	checkExemption,
	checkOverrides,
	checkNoMount,
	checkNotMemory,
	checkSubPath,
	checkReadOnly,
	checkUnbounded,
	checkTooSmall,
	checkClamped,
	checkOOM,
	checkQuota,
}

// report collects violations.
type report struct{ violations []Violation }

func (r *report) add(reason Reason, container string, format string, args ...any) {
	r.violations = append(r.violations, Violation{Reason: reason, Container: container, Detail: fmt.Sprintf(format, args...)})
}

func (j *judged) check() []Violation {
	var r report
	for _, check := range checks {
		check(j, &r)
	}
	return r.violations
}

// wanted is the volume that a remedy asks for.
func (j *judged) wanted() string {
	return fmt.Sprintf("a Memory emptyDir with sizeLimit: %s", j.size.Limit.Quantity().String())
}

// eachMount calls f for each mount of a selected container, with its container
// and volume. Mounts below the mount path are left out.
func (j *judged) eachMount(f func(*containerState, *mountState, *volumeState)) {
	for i := range j.mounts {
		m := &j.mounts[i]
		if c := &j.containers[m.container]; c.selected && !m.below {
			f(c, m, &j.volumes[m.volume])
		}
	}
}

func joinDetails(violations []Violation) string {
	details := make([]string, len(violations))
	for i, v := range violations {
		details[i] = v.Detail
	}
	return strings.Join(details, "; ")
}
