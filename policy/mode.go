package policy

import (
	"fmt"
	"slices"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// EffectiveMode returns the least of the modes that are given: the server's, the
// namespace's and the policy's.
func EffectiveMode(modes ...v1alpha1.Mode) v1alpha1.Mode {
	least := v1alpha1.Enforce
	for _, m := range modes {
		if rank(m) < rank(least) {
			least = m
		}
	}
	return least
}

// rank returns how much a mode does; one that is unknown does as little as Audit.
func rank(m v1alpha1.Mode) int {
	return max(0, slices.Index([]v1alpha1.Mode{v1alpha1.Audit, v1alpha1.Warn, v1alpha1.Enforce}, m))
}

// ParseMode reads a mode as the label shmkeeper.dev/mode and the command line
// have it: audit, warn or enforce. Every other text is Audit, with an error that
// says so.
func ParseMode(text string) (v1alpha1.Mode, error) {
	switch text {
	case "enforce":
		return v1alpha1.Enforce, nil
	case "warn":
		return v1alpha1.Warn, nil
	case "audit":
		return v1alpha1.Audit, nil
	default:
		return v1alpha1.Audit, fmt.Errorf("mode %s is unknown and counts as audit: write audit, warn or enforce", quote(text))
	}
}
