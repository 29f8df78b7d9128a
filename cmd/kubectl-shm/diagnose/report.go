package diagnose

import (
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// report is what the verb says, in JSON and YAML too.
type report struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Node      string `json:"node"`
	Workload  string `json:"workload"`
	// Running is how long the Pod has been there, in seconds.
	Running int64 `json:"runningSeconds"`
	// Cause is a sentence about what is worst, and Reason the same in a word.
	Reason     reason      `json:"reason"`
	Cause      string      `json:"cause"`
	Volumes    []volume    `json:"volumes"`
	Containers []container `json:"containers"`
	Policy     *fit        `json:"policy"`
	Events     []event     `json:"events"`
	Now        []remedy    `json:"now"`
	ForGood    []remedy    `json:"forGood"`
	Notes      []string    `json:"notes"`

	running time.Duration
}

// reason says in a word what is wrong with a Pod's /dev/shm.
type reason string

// From bad to good.
const (
	oomLoop    reason = "OOMLoop"       // its files outlive each container that they kill
	full       reason = "Full"          // nothing more fits
	oomFirst   reason = "OOMBeforeFull" // the memory limit ends before the volume does
	fills      reason = "Filling"       // it will be full
	clamped    reason = "Clamped"       // it is smaller than its sizeLimit
	unreadable reason = "Unreadable"    // nobody could look
	healthy    reason = "Healthy"
)

// volume is a tmpfs of the Pod.
type volume struct {
	// Volume is empty for the container runtime's own /dev/shm.
	Volume    string       `json:"volume"`
	MountPath string       `json:"mountPath"`
	Container string       `json:"container"`
	SizeLimit sizing.Bytes `json:"sizeLimitBytes"`
	Size      sizing.Bytes `json:"sizeBytes"`
	Used      sizing.Bytes `json:"usedBytes"`
	Inodes    int64        `json:"inodes"`
	// MemoryUsed and MemoryLimit are those of the container that was looked into; 0 if not known, or
	// none.
	MemoryUsed  sizing.Bytes `json:"memoryUsedBytes"`
	MemoryLimit sizing.Bytes `json:"memoryLimitBytes"`
	// ToFill is the memory that filling the rest would cost.
	ToFill sizing.Bytes `json:"memoryToFillBytes"`
	// Learned is null if what is in the volume could not be listed.
	Learned *inspect.Learned `json:"learned"`
	// OldestSeconds, FullSince and FullIn are times in seconds; null if not known or not so.
	OldestSeconds *int64    `json:"fillsSinceSeconds"`
	FullSince     *int64    `json:"fullSinceSeconds"`
	FullIn        *int64    `json:"fullInSeconds"`
	Patterns      []pattern `json:"patterns"`
	Error         string    `json:"error,omitempty"`

	mount inspect.Mount
	err   error
}

// pattern is a line of what is in a volume.
type pattern struct {
	Name          string       `json:"name"`
	Files         int64        `json:"files"`
	Empty         int64        `json:"emptyFiles"`
	Pages         sizing.Bytes `json:"usedBytes"`
	MeanSize      sizing.Bytes `json:"meanSizeBytes"`
	OldestSeconds int64        `json:"oldestSeconds"`
	NewestSeconds int64        `json:"newestSeconds"`
}

// container represents what happened to one.
type container struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Restarts int32  `json:"restarts"`
	// LastEnd is why it ended last; empty if it never has.
	LastEnd     string `json:"lastEnd"`
	killed      killed
	memoryLimit sizing.Bytes
	sinceLast   time.Duration
}

// killed says whether a container was killed for its memory.
type killed string

const (
	notKilled killed = ""
	oomKilled killed = "OOM-killed"
	// sigkilled is what containerd reports of an OOM kill whose notice came after the end (seen by
	// test/node/incident), and of any other SIGKILL.
	sigkilled killed = "killed (exit code 137: an OOM kill that the runtime missed, or another SIGKILL)"
)

// fit is the policy that matches, or the one of the library that would.
type fit struct {
	Name string `json:"name"`
	// Installed reports whether it is one of the policies that count, and not only of the library.
	Installed bool           `json:"installed"`
	Outcome   policy.Outcome `json:"outcome"`
	Detail    string         `json:"detail"`
	SizeLimit sizing.Bytes   `json:"sizeLimitBytes"`
	// Mode is the policy's, and NamespaceMode the namespace's; empty if it has not opted in.
	Mode          v1alpha1.Mode `json:"mode"`
	NamespaceMode v1alpha1.Mode `json:"namespaceMode"`

	size sizing.Size
}

// event is one about the Pod.
type event struct {
	AgeSeconds int64  `json:"ageSeconds"`
	Type       string `json:"type"`
	Reason     string `json:"reason"`
	Message    string `json:"message"`
	Count      int32  `json:"count"`
}

// remedy is one thing to do.
type remedy struct {
	// Command is what to type; empty if it is not a command.
	Command string `json:"command,omitempty"`
	// Why says what it brings, and what is lost by it.
	Why string `json:"why"`
}
