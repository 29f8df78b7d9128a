package simulate

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/internal/picture"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// payers returns who pays for what in the container that writes: its memory limit before and after, as
// sums of what the process, the files and the kernel's memory for them may take. Without a memory limit it is
// the least that is enough.
func payers(m model.Model, size sizing.Size, limit sizing.Bytes) *picture.Bars {
	cost, reserve := size.MemoryCost.RoundUp(sizing.MiB), sizing.BytesOf(*m.Spec.Memory.Reserve)
	inputs := m.Summary()
	if m.Name != "" {
		inputs = "policy " + m.Name + ": " + inputs
	}
	out := &picture.Bars{Inputs: inputs}
	after := cost + max(reserve, limit/sizing.MiB*sizing.MiB)
	name := "after"
	switch {
	case limit == 0:
		name = "the least limit"
		after = cost + reserve
		out.Title = fmt.Sprintf("%s of /dev/shm take a memory limit of at least %s", size.Limit, after)
	case m.Spec.Memory.Handling != v1alpha1.MemoryRaise:
		name = "required"
		after = max(limit, cost+reserve)
		out.Title = fmt.Sprintf("%s of /dev/shm take a memory limit of at least %s", size.Limit, cost+reserve)
	default:
		out.Title = fmt.Sprintf("%s of /dev/shm raise the memory limit from %s to %s", size.Limit, limit, after)
	}
	if limit > 0 {
		out.Bars = append(out.Bars, before(size, limit))
	}
	bar := picture.Bar{Label: picture.Label{Name: name, Detail: "memory limit " + after.String()}}
	if own := after - cost - reserve; own > 0 {
		bar.Parts = append(bar.Parts, part("process", own, picture.Neutral, false))
	}
	if reserve > 0 {
		bar.Parts = append(bar.Parts, part("reserve", reserve, picture.Neutral, true))
	}
	bar.Parts = append(bar.Parts, part("files", size.Limit, picture.Computed, false))
	if kernel := cost - size.Limit; kernel > 0 {
		bar.Parts = append(bar.Parts, part("kernel memory", kernel, picture.Computed, true))
	}
	out.Bars = append(out.Bars, bar)
	return out
}

// before returns a container that mounts nothing: the runtime's /dev/shm is charged to it too.
func before(size sizing.Size, limit sizing.Bytes) picture.Bar {
	files := min(sizing.DefaultShm, limit)
	kernel := min(size.MemoryCostOf(files)-files, limit-files)
	role := picture.Holds
	if size.Required > sizing.DefaultShm {
		role = picture.Fills
	}
	bar := picture.Bar{Label: picture.Label{Name: "before", Detail: "memory limit " + limit.String() + ", the runtime's " + sizing.DefaultShm.String()}}
	if own := limit - files - kernel; own > 0 {
		bar.Parts = append(bar.Parts, part("process", own, picture.Neutral, false))
	}
	bar.Parts = append(bar.Parts, part("files", files, role, false))
	if kernel >= sizing.MiB {
		bar.Parts = append(bar.Parts, part("kernel memory", kernel, role, true))
	}
	return bar
}

func part(name string, size sizing.Bytes, role picture.Role, faint bool) picture.Part {
	return picture.Part{Label: picture.Label{Name: name, Detail: text(size)}, Role: role, Faint: faint, Size: float64(size)}
}

// text returns a size as people read it.
func text(size sizing.Bytes) string { return picture.Size(float64(size)) }
