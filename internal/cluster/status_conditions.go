package cluster

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Reasons of the conditions of a policy.
const (
	// ReasonInForce: the policy as it stands is in force, and the Pods that it
	// governs are sent.
	ReasonInForce = "InForce"
	// ReasonInvalid: the policy as it stands does not compile.
	ReasonInvalid = "Invalid"
	// ReasonNotSent: the policy is in force, and the webhook configurations do not
	// have the Pods sent that it governs.
	ReasonNotSent = "NotSent"

	// ReasonSizeSuffices: the size holds the demand.
	ReasonSizeSuffices = "SizeSuffices"
	// ReasonNeverDeleted: files are never deleted, so no size is enough.
	ReasonNeverDeleted = "NeverDeleted"
	// ReasonCutByMax: sizing.max is below the demand.
	ReasonCutByMax = "CutByMax"
	// ReasonSizedByPod: the size depends on the Pod.
	ReasonSizedByPod = "SizedByPod"
)

// maxMessage is what the API server allows a condition's message.
const maxMessage = 32768

// accepted says whether the policy as it stands is in force.
func accepted(v verdict, covered bool) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionAccepted}
	switch {
	case len(v.errs) > 0:
		c.Status, c.Reason = metav1.ConditionFalse, ReasonInvalid
		lead := "no version of the policy is in force: "
		if v.inForce {
			lead = "the last version that was valid stays in force: "
		}
		texts := make([]string, len(v.errs))
		for i, err := range v.errs {
			texts[i] = err.Error()
		}
		c.Message = lead + strings.Join(texts, "; ")
	case !covered:
		c.Status, c.Reason = metav1.ConditionUnknown, ReasonNotSent
		c.Message = "the webhook configurations do not let all Pods through yet that the policy governs: if this lasts, read the log of shmkeeper's leader, and apply the manifests again"
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, ReasonInForce, "the policy is in force"
	}
	if len(c.Message) > maxMessage {
		c.Message = strings.ToValidUTF8(c.Message[:maxMessage-4], "") + " ..."
	}
	return c
}

// bounded says whether the size that a policy gives is one that does not fill.
func bounded(v verdict) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionBounded}
	if !v.inForce {
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, ReasonInvalid, "the policy gives no size: mend what the condition Accepted names"
		return c
	}
	s, ok := v.compiled.Size()
	c.Status = metav1.ConditionFalse
	switch {
	case !ok:
		c.Status, c.Reason = metav1.ConditionUnknown, ReasonSizedByPod
		c.Message = "the size depends on the Pod: kubectl shm review shows it for a manifest"
	case !s.Bounded:
		c.Reason = ReasonNeverDeleted
		c.Message = fmt.Sprintf("files are never deleted, so no size is enough: %s fills after %s; delete files, and tell the policy by retention", s.Limit, policy.Span(s.FullAfter))
	case s.Saturated && s.Fills(s.Limit):
		c.Reason = ReasonCutByMax
		c.Message = fmt.Sprintf("%s fills after %s: %s are needed; raise sizing.max, or shorten the retention", s.Limit, policy.Span(s.FullAfter), s.Demand)
	case s.Saturated:
		c.Reason = ReasonCutByMax
		c.Message = fmt.Sprintf("%s is less than the %s that are needed; raise sizing.max of the policy", s.Limit, s.Demand)
	default:
		c.Status, c.Reason = metav1.ConditionTrue, ReasonSizeSuffices
		c.Message = fmt.Sprintf("%s holds the %s that are needed", s.Limit, s.Demand)
	}
	return c
}
