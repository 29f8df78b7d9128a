package policy

// Reason is a fixed word that says why: fit for a metric label.
type Reason string

// Why a Pod violates its policy.
const (
	NoMount              Reason = "NoMount"
	NotMemory            Reason = "NotMemory"
	Unbounded            Reason = "Unbounded"
	TooSmall             Reason = "TooSmall"
	ClampedByMemoryLimit Reason = "ClampedByMemoryLimit"
	OOMBeforeFull        Reason = "OOMBeforeFull"
	ReadOnly             Reason = "ReadOnly"
	SubPath              Reason = "SubPath"
	InvalidOverride      Reason = "InvalidOverride"
	NotExempt            Reason = "NotExempt"
	ExceedsQuota         Reason = "ExceedsQuota"
)

// Why a Pod was not changed.
const (
	// NoPolicy: no policy matches.
	NoPolicy Reason = "NoPolicy"
	// HostIPC: the Pod uses the node's /dev/shm.
	HostIPC Reason = "HostIPC"
	// Windows: there is no /dev/shm.
	Windows Reason = "Windows"
	// MirrorPod: the Pod mirrors a static Pod, which nobody can change.
	MirrorPod Reason = "MirrorPod"
	// NoContainer: policies match, but select none of the Pod's containers.
	NoContainer Reason = "NoContainer"
	// AlreadySized: everything is as the policy wants it.
	AlreadySized Reason = "AlreadySized"
	// Exempted: the Pod gave a reason to be left alone, and the policy lets it.
	Exempted Reason = "Exempted"
)

// What a mutation does, the most conspicuous of it.
const (
	AddVolume    Reason = "AddVolume"
	AddMount     Reason = "AddMount"
	ResizeVolume Reason = "ResizeVolume"
	RaiseMemory  Reason = "RaiseMemory"
)

// Outcome is what a Decision comes to.
type Outcome string

const (
	// NotGoverned means that no policy decides over the Pod; Reason says why.
	NotGoverned Outcome = "NotGoverned"
	// Exempt means that the governing policy lets the Pod be left alone.
	Exempt Outcome = "Exempt"
	// Compliant means that nothing has to change.
	Compliant Outcome = "Compliant"
	// Mutated means that Apply or JSONPatch makes the Pod compliant.
	Mutated Outcome = "Mutated"
	// Violating means that the Pod violates its policy and no mutation mends that; it is
	// left as it is.
	Violating Outcome = "Violating"
)

// Violation is one way in which a Pod violates its policy.
type Violation struct {
	Reason Reason
	// Detail is a sentence with the names and figures, and with the remedy at its end.
	Detail string
	// Container is the container it is about; empty where it is about the Pod.
	Container string
}
