package size

import (
	"fmt"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// retentions are those that people set, the longest first.
var retentions = []time.Duration{720 * time.Hour, 168 * time.Hour, 24 * time.Hour, 8 * time.Hour, time.Hour, 10 * time.Minute, time.Minute}

// savings returns what /dev/shm would need with shorter retentions: half of it, and the next ones
// that people set. For files that are never deleted it is what some retentions would need.
func (c computed) savings() []row {
	f := c.Files()
	if f == nil {
		return nil
	}
	candidates := retentions[1:4]
	if f.Retention != nil {
		given, err := time.ParseDuration(string(*f.Retention))
		if err != nil {
			return nil
		}
		candidates = shorterThan(given)
	}
	var rows []row
	last := c.Limit
	for _, retention := range candidates {
		size, ok := c.withRetention(retention)
		// At the smallest size that is given nothing is left to save.
		if !ok || c.Bounded && size.Limit == last {
			break
		}
		last = size.Limit
		how := fmt.Sprintf("costs %s when full", wholeMiB(size.MemoryCost))
		if c.Bounded {
			how += fmt.Sprintf(", %s less", wholeMiB(c.MemoryCost.Minus(size.MemoryCost)))
		}
		if size.Saturated {
			how += "; still not enough"
		}
		rows = append(rows, row{"retention " + written(retention), size.Limit.Quantity().String(), "", how})
	}
	return rows
}

func shorterThan(given time.Duration) []time.Duration {
	half := (given / 2).Truncate(time.Minute)
	if half < time.Minute {
		return nil
	}
	out := []time.Duration{half}
	for _, r := range retentions {
		if r < half && len(out) < 3 {
			out = append(out, r)
		}
	}
	return out
}

// withRetention returns the result for another retention.
func (c computed) withRetention(retention time.Duration) (computed, bool) {
	p := v1alpha1.SharedMemoryPolicy{Spec: *c.Spec.DeepCopy()}
	p.Name = "shorter"
	p.Spec.Sizing.Files.Retention = new(v1alpha1.Duration(written(retention)))
	m, found := model.New(&p)
	if len(found) > 0 {
		return computed{}, false
	}
	out, err := compute(m, c.memoryLimit)
	return out, err == nil
}

// written returns a duration of whole minutes as a policy has it: 84h, 1h30m, 10m.
func written(d time.Duration) string {
	hours, minutes := d/time.Hour, d%time.Hour/time.Minute
	switch {
	case hours == 0:
		return fmt.Sprintf("%dm", minutes)
	case minutes == 0:
		return fmt.Sprintf("%dh", hours)
	default:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	}
}
