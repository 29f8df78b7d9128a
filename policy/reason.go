package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Reason is a fixed word that says why: fit for a metric label.
type Reason string

// Why a Pod violates its policy, in the order in which violations are reported.
const (
	TooComplex           Reason = "TooComplex"
	NotExempt            Reason = "NotExempt"
	InvalidOverride      Reason = "InvalidOverride"
	HostShm              Reason = "HostShm"
	ExceedsLimitRange    Reason = "ExceedsLimitRange"
	ExceedsQuota         Reason = "ExceedsQuota"
	NoMount              Reason = "NoMount"
	NotMemory            Reason = "NotMemory"
	SubPath              Reason = "SubPath"
	ReadOnly             Reason = "ReadOnly"
	Unbounded            Reason = "Unbounded"
	TooSmall             Reason = "TooSmall"
	NotWholePages        Reason = "NotWholePages"
	ClampedByMemoryLimit Reason = "ClampedByMemoryLimit"
	OOMBeforeFull        Reason = "OOMBeforeFull"
)

// reasons are all reasons of a violation, in the order of their IDs, which never change: a new
// one goes to the end.
var reasons = [...]Reason{
	NoMount, NotMemory, Unbounded, TooSmall, NotWholePages, ClampedByMemoryLimit, OOMBeforeFull, ReadOnly,
	SubPath, InvalidOverride, NotExempt, ExceedsQuota, ExceedsLimitRange, HostShm, TooComplex,
}

// ID returns the stable identifier of a violation's reason, such as SHM001, under which
// the documentation has a section; empty for every other reason.
func (r Reason) ID() string {
	if i := slices.Index(reasons[:], r); i >= 0 {
		return fmt.Sprintf("SHM%03d", i+1)
	}
	return ""
}

// ViolationReasons returns all reasons of a violation, in the order of their IDs.
func ViolationReasons() []Reason { return slices.Clone(reasons[:]) }

// Why a Pod was not changed.
const (
	// NoPolicy: no policy matches.
	NoPolicy Reason = "NoPolicy"
	// UsesHostShm: the writers use the node's own /dev/shm, and the policy allows it.
	UsesHostShm Reason = "UsesHostShm"
	// Windows: there is no /dev/shm.
	Windows Reason = "Windows"
	// MirrorPod: the Pod mirrors a static Pod, which nobody can change.
	MirrorPod Reason = "MirrorPod"
	// Guessed: the Pod was matched by a guess, which neither changes nor rejects what is there.
	Guessed Reason = "Guessed"
	// AlreadySized: everything is as the policy wants it.
	AlreadySized Reason = "AlreadySized"
	// Exempted: the Pod gave a reason to be left alone, and the policy lets it.
	Exempted Reason = "Exempted"
)

// What a mutation does, the most conspicuous of it.
const (
	AddVolume    Reason = "AddVolume"
	ResizeVolume Reason = "ResizeVolume"
	RaiseMemory  Reason = "RaiseMemory"
)

// Outcome is what an Evaluation comes to.
type Outcome string

const (
	// NotMatched means that no policy matches the Pod.
	NotMatched Outcome = "NotMatched"
	// Skipped means that a policy matches and leaves the Pod alone; Reason says why.
	Skipped Outcome = "Skipped"
	// Exempt means that the policy lets the Pod be left alone, and it gave a reason.
	Exempt Outcome = "Exempt"
	// Compliant means that nothing has to change.
	Compliant Outcome = "Compliant"
	// Mutated means that the plan makes the Pod compliant.
	Mutated Outcome = "Mutated"
	// Violating means that the Pod violates its policy and no mutation fixes that; it is
	// left as it is.
	Violating Outcome = "Violating"
)

// Violation is one way in which a Pod violates its policy.
type Violation struct {
	Reason Reason
	// Detail is a sentence with the names and figures, and with the remedy at its end. It has
	// a bounded length.
	Detail string
	// Container is the container it is about; empty if it is about the Pod.
	Container string
}

// ID returns the identifier of the violation's reason.
func (v Violation) ID() string { return v.Reason.ID() }

// longestDetail bounds the length of a sentence that lists violations, in bytes.
const longestDetail = 3 << 10

// Details lists violations in a sentence, the first few of many.
func Details(violations []Violation) string {
	var b strings.Builder
	for i, x := range violations {
		if i > 0 && b.Len()+len(x.Detail) > longestDetail {
			fmt.Fprintf(&b, "; and %d more", len(violations)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(x.Detail)
	}
	return b.String()
}

// Sentence says that a Pod violates the deciding policy, or if it is not enforced that it would, and
// lists the violations.
func (e *Evaluation) Sentence(enforced bool, violations ...Violation) string {
	verb := "would violate"
	if enforced {
		verb = "violates"
	}
	return fmt.Sprintf("%s SharedMemoryPolicy %q: %s", verb, e.Policy, Details(violations))
}
