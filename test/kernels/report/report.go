// Package report is the protocol of the kernel tests: the host
// puts a Plan into the guest's initramfs, and the guest prints one Line of JSON for each result.
package report

// Where the host puts files into the guest's initramfs.
const (
	PlanFile   = "plan.json"
	PolicyFile = "selinux.policy"
)

// Plan represents what a guest measures, in this order. Sizes and limits are in bytes.
type Plan struct {
	Costs    []CostCase
	Fits     []FitCase
	Fills    []FillCase
	Restarts []RestartCase
	Stalls   []StallCase
}

// Files represents a number of files of one size, with names of one length.
type Files struct {
	Count      int
	Size       int64
	NameLength int
}

// CostCase asks what files cost a memory cgroup.
type CostCase struct{ Files Files }

// FitCase asks how many files fit in a volume. Files.Count is the most that is tried; the capacity
// of a volume that is not filled is asked for by a count of 0.
type FitCase struct {
	Volume int64
	Files  Files
	// Empty is how many empty files are created in the full volume afterwards.
	Empty int
}

// FillCase asks what happens to a container that fills its volume.
type FillCase struct {
	Volume, Limit int64 // of the volume, and memory.max of the container
	Group         bool  // memory.oom.group, as a kubelet sets it
	Files         Files // Count is the most that is tried
}

// RestartCase asks what happens to containers that fill one volume, each after the one before was
// killed.
type RestartCase struct {
	Volume, Limit int64 // of the volume, and memory.max of each container
	PodLimit      int64 // memory.max of the Pod's cgroup; 0: none
	Containers    int
	Files         Files // of at most a page; Count is the most that each container tries
}

// StallCase asks what memory.high does to a container that fills its volume.
type StallCase struct {
	Volume, High, Limit int64
	Files               Files // of at most a page; Count is the most that is tried
	Seconds             int   // how long the writer is watched
}

// Line represents one line that the guest prints: one of its fields is set.
type Line struct {
	Kernel  *Kernel  `json:",omitempty"`
	Cost    *Cost    `json:",omitempty"`
	Fit     *Fit     `json:",omitempty"`
	Fill    *Fill    `json:",omitempty"`
	Restart *Restart `json:",omitempty"`
	Stall   *Stall   `json:",omitempty"`
	// Error says why the guest gave up.
	Error string `json:",omitempty"`
	// Done is printed last, if nothing has failed.
	Done bool `json:",omitempty"`
}

// Kernel describes the guest's kernel.
type Kernel struct {
	Release string
	// Label is the SELinux label of a file on tmpfs; empty without SELinux.
	Label string
	// Objects has the sizes of slab objects in bytes, by the names of their caches.
	Objects map[string]int64
}

// Cost represents what files cost, in bytes for all of them.
type Cost struct {
	Files Files
	// Pages and Kernel are what they added to the cgroup's memory.
	Pages, Kernel int64
	// Slack is how far Kernel can be off.
	Slack int64
}

// Fit represents what a volume holds.
type Fit struct {
	Case     FitCase
	Capacity int64 // of the volume, in bytes
	Files    int   // how many were written
	Empty    int   // how many empty files followed
	Errno    int   // what ended it; 0: nothing
}

// Fill represents how a container ended that filled its volume.
type Fill struct {
	Case FillCase
	// Killed reports whether the OOM killer ended the writer.
	Killed bool
	// OtherKilled reports whether it ended the container's other process as well.
	OtherKilled bool
	Errno       int   // what ended a writer that was not killed
	Used        int64 // of the volume, in bytes
	Charged     int64 // the cgroup's memory at the end, processes included, in bytes
	// Pages and Kernel are the part of the files, and Slack is how far Kernel can be off; 0 if the
	// writer was killed.
	Pages, Kernel, Slack int64
}

// Restart represents what happened to containers that filled one volume one after the other.
type Restart struct {
	Case RestartCase
	Runs []Run
}

// Run represents one container of a Restart.
type Run struct {
	Killed bool
	Errno  int   // what ended a writer that was not killed
	Files  int   // how many this container added to the volume
	Pod    int64 // the memory of the Pod's cgroup once the container was gone, in bytes
}

// Stall represents what memory.high did.
type Stall struct {
	Case StallCase
	// Before and After are files a second, below memory.high and once it was exceeded.
	Before, After float64
	Files         int // how many were written in all
	// Ended reports whether the writer had ended on its own: killed, or with an error.
	Ended bool
	// Throttled is how often memory.events counted a charge above memory.high.
	Throttled int64
}
