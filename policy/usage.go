package policy

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Usage is the memory of one Pod that ResourceQuotas count, in bytes: its requests, and the limits that
// it has.
type Usage struct{ Requests, Limits sizing.Bytes }

// Usage returns the memory of the subject as it is, and as its plan makes it; without a plan both are
// the same. ok is false for a subject that was not looked at: one that no policy matches, or that is
// skipped or exempt.
func (e *Evaluation) Usage() (before, after Usage, ok bool) {
	if e.before == nil {
		return Usage{}, Usage{}, false
	}
	before = e.before.quotaUsage().exported()
	if e.after == nil {
		return before, before, true
	}
	return before, e.after.quotaUsage().exported(), true
}

func (u quotaUsage) exported() Usage { return Usage{Requests: u.requests, Limits: u.limits} }

// CountedBy reports whether the scopes of a quota hold for the subject with its plan. It is false
// if that cannot be known, and for a subject that was not looked at.
func (e *Evaluation) CountedBy(quota *corev1.ResourceQuota) bool {
	v := e.before
	if e.after != nil {
		v = e.after
	}
	return v != nil && v.inScopes(quota)
}
