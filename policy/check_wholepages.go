package policy

import (
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// NotWholePages: the sizeLimit of the Memory emptyDir at the mount path of a writer is not a whole
// number of pages (500M, 1G). The kernel rounds it up, and the kubelet evicts a Pod that uses the
// difference. Under existing: Leave it is a warning.
func checkWholePages(v *view) []Violation {
	if v.policy.existing == v1alpha1.ExistingLeave {
		return nil
	}
	var out findings
	v.eachMount(func(c *container, _ *mount, vol *volume) {
		if v.isBroken(vol) {
			out.add(NotWholePages, c.name, "container %s mounts volume %s of %s at %s, which is not a whole number of pages, so the kubelet evicts the Pod when it is full: set sizeLimit: %s",
				quote(c.name), quote(vol.name), vol.size, v.policy.mountPath, v.limitInPages(vol))
		}
	})
	return out
}

// isBroken reports whether a volume ends within a page.
func (v *view) isBroken(vol *volume) bool {
	return vol.memory && vol.size%v.pageSize() != 0
}

// limitInPages returns the sizeLimit that a remedy asks for.
func (v *view) limitInPages(vol *volume) string {
	if v.isTooSmall(vol) {
		return v.limitToSet()
	}
	return vol.size.RoundUp(sizing.MiB).Quantity().String()
}
