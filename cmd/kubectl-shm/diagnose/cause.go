package diagnose

import (
	"fmt"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// page is the smallest there is: less free space than that holds no further file.
const page = 4 * sizing.KiB

func (v *volume) isFull() bool { return v.Size > 0 && v.Size.Minus(v.Used) < page }

// isOOMFirst reports whether the memory limit ends before the volume is full.
func (v *volume) isOOMFirst() bool {
	return v.MemoryLimit > 0 && v.MemoryUsed > 0 && v.ToFill > v.MemoryLimit.Minus(v.MemoryUsed)
}

// isClamped reports whether the kubelet mounted less than the sizeLimit says, but for the last page.
func (v *volume) isClamped() bool {
	return v.Volume != "" && v.Size > 0 && v.SizeLimit.Minus(v.Size) >= sizing.MiB
}

// name names the volume in a sentence.
func (v *volume) name() string { return v.mount.String() }

// diagnosis returns what is worst about the Pod, which volume it is about, and a sentence.
func (r *report) diagnosis() (reason, *volume, string) {
	if v, text := r.findOOMLoop(); text != "" {
		return oomLoop, v, text
	}
	for i := range r.Volumes {
		if v := &r.Volumes[i]; v.isFull() {
			text := v.fullSentence()
			return full, v, text
		}
	}
	for i := range r.Volumes {
		if v := &r.Volumes[i]; v.isOOMFirst() && (v.FullIn != nil || 2*v.Used >= v.Size) {
			return oomFirst, v, fmt.Sprintf("%s has %s of %s in use, and its container will be OOM-killed before it is full: filling the rest takes %s of memory, and the container has %s left of its limit of %s. Files outlive the container, so the next one would be killed too.",
				v.name(), v.Used, v.Size, v.ToFill, v.MemoryLimit.Minus(v.MemoryUsed), v.MemoryLimit)
		}
	}
	for i := range r.Volumes {
		if v := &r.Volumes[i]; v.FullIn != nil {
			return fills, v, fmt.Sprintf("%s is at %s, and full in about %s if files go on coming as they do.", v.name(), human.Percent(int64(v.Used), int64(v.Size)), human.Duration(time.Duration(*v.FullIn)*time.Second))
		}
	}
	for i := range r.Volumes {
		if v := &r.Volumes[i]; v.isClamped() {
			return clamped, v, fmt.Sprintf("%s has a sizeLimit of %s and is mounted with %s: the kubelet takes the Pod's memory limit if that is less.", v.name(), v.SizeLimit, v.Size)
		}
	}
	for i := range r.Volumes {
		if v := &r.Volumes[i]; v.Error != "" {
			return unreadable, v, fmt.Sprintf("%s could not be looked into: %s", v.name(), v.Error)
		}
	}
	if len(r.Volumes) == 0 {
		return healthy, nil, "The Pod has no /dev/shm of its own, nor another Memory volume."
	}
	v := &r.Volumes[0]
	return healthy, v, fmt.Sprintf("Nothing is wrong with its memory volumes: %s has %s of %s in use, and nothing says that it fills.", v.name(), v.Used, v.Size)
}

// findOOMLoop returns the volume whose files OOM-kill each new container, with a sentence. It goes by
// the status, since nobody can look into a container that does not run.
func (r *report) findOOMLoop() (*volume, string) {
	for i := range r.Containers {
		c := &r.Containers[i]
		if c.Restarts < 2 || c.killed == notKilled || c.memoryLimit == 0 {
			continue
		}
		for j := range r.Volumes {
			v := &r.Volumes[j]
			if v.Volume == "" || !v.seenBy(c.Name) {
				continue
			}
			// What is known: what is in it, or else that its sizeLimit is more than the memory limit holds.
			cost := sizing.Cost(v.SizeLimit, page)
			if v.Used > 0 {
				cost = v.Used.Times(2)
			}
			if v.SizeLimit > 0 && cost < c.memoryLimit {
				continue
			}
			text := fmt.Sprintf("Container %q was %s and restarted %s: what is in %s counts against its memory limit of %s, and outlives it, so each new container is killed too. Only a higher limit or a new Pod ends that.",
				c.Name, c.killed, human.Plural(int(c.Restarts), "time"), v.name(), c.memoryLimit)
			return v, text
		}
	}
	return nil, ""
}

func (v *volume) seenBy(container string) bool {
	for _, name := range v.mount.Containers {
		if name == container {
			return true
		}
	}
	return false
}

// fullSentence says since when nothing more fits.
func (v *volume) fullSentence() string {
	since := ""
	if v.FullSince != nil {
		since = " since about " + human.Duration(time.Duration(*v.FullSince)*time.Second)
	}
	text := fmt.Sprintf("%s is full: %s in use%s. Each write there fails with \"no space left on device\", and a program that keeps a file for each session answers with an error, such as HTTP 400.", v.name(), v.Size, since)
	if v.isOOMFirst() {
		text += " The empty files that failed writes leave behind still cost kernel memory."
	}
	return text
}
