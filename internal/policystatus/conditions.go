package policystatus

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Reasons of the conditions of a policy.
const (
	// ReasonInForce means that the current version of the policy is in force.
	ReasonInForce = "InForce"
	// ReasonInvalid means that the current version of the policy does not compile.
	ReasonInvalid = "Invalid"

	// ReasonSent means that the webhooks are sent the Pods that the policy could match.
	ReasonSent = "Sent"
	// ReasonEveryPodSent means that the webhooks are sent all Pods: the policy could match any Pod,
	// as far as a match condition can see, or another policy could, or there are too many.
	ReasonEveryPodSent = "EveryPodSent"
	// ReasonNotSent means that the webhooks' match condition may hold back Pods that the
	// policy matches.
	ReasonNotSent = "NotSent"
	// ReasonContested means the same, because somebody else keeps changing the webhook
	// configurations.
	ReasonContested = "Contested"

	// ReasonSizeSuffices means that the size holds what is required.
	ReasonSizeSuffices = "SizeSuffices"
	// ReasonNeverDeleted means that files are never deleted, so that no size is enough.
	ReasonNeverDeleted = "NeverDeleted"
	// ReasonCutByMax means that sizing.max is below what is required.
	ReasonCutByMax = "CutByMax"
	// ReasonSizedByPod means that the size depends on the Pod.
	ReasonSizedByPod = "SizedByPod"
	// ReasonNotSized means that the policy has no sizing.
	ReasonNotSized = "NotSized"
)

// maxMessage is what the API server allows a condition's message.
const maxMessage = 32768

// accepted returns the condition that says whether the current version is in force.
func accepted(s cluster.PolicyState) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionAccepted}
	if len(s.Errors) == 0 {
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, ReasonInForce, "the policy is in force"
		return c
	}
	c.Status, c.Reason = metav1.ConditionFalse, ReasonInvalid
	lead := "no version of the policy is in force: "
	if s.InForce {
		lead = "the last version that was valid stays in force: "
	}
	texts := make([]string, len(s.Errors))
	for i, err := range s.Errors {
		texts[i] = err.Error()
	}
	c.Message = lead + strings.Join(texts, "; ")
	if len(c.Message) > maxMessage {
		c.Message = strings.ToValidUTF8(c.Message[:maxMessage-4], "") + " ..."
	}
	return c
}

// coverage says whether the webhooks' match condition covers a version of a policy and, if
// not, whether somebody else is the reason.
type coverage struct{ covered, contested bool }

// matchConditionCurrent returns the condition that says whether the webhooks are sent every
// Pod that the current version could match, or the last valid one.
func matchConditionCurrent(s cluster.PolicyState, covered coverage) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionMatchConditionCurrent}
	switch {
	case !covered.covered && covered.contested:
		c.Status, c.Reason = metav1.ConditionFalse, ReasonContested
		c.Message = "the webhook configurations may hold back Pods that the policy matches, since somebody else keeps changing them: " +
			"kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations shmkeeper -o yaml --show-managed-fields " +
			"shows who; configure that tool not to manage what shmkeeper restores"
	case !covered.covered:
		c.Status, c.Reason = metav1.ConditionFalse, ReasonNotSent
		c.Message = "the webhook configurations may hold back Pods that the policy matches: " +
			"if this lasts, read the log of shmkeeper's leader, and apply the manifests again"
	case !s.Narrow:
		c.Status, c.Reason = metav1.ConditionTrue, ReasonEveryPodSent
		c.Message = "the webhooks are sent every Pod, since a match condition cannot tell " +
			"which ones the policy matches: give each entry of match a podSelector that asks for " +
			"a label, images, tmpfsPaths or mounted"
	case s.EveryPodSent:
		c.Status, c.Reason = metav1.ConditionTrue, ReasonEveryPodSent
		c.Message = "the webhooks are sent every Pod: either another policy could match any Pod, and its condition " +
			"MatchConditionCurrent says so, or a match condition for all policies and image mirrors would be too costly: use fewer of them"
	default:
		c.Status, c.Reason = metav1.ConditionTrue, ReasonSent
		c.Message = "the webhooks are sent the Pods that the policy could match"
	}
	return c
}

// sizeSufficient returns the condition that says whether the size that the policy gives
// holds what is required.
func sizeSufficient(state cluster.PolicyState) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionSizeSufficient, Status: metav1.ConditionUnknown}
	switch {
	case !state.InForce:
		c.Reason = ReasonInvalid
		c.Message = "the policy gives no size: fix what the condition Accepted names"
		return c
	case !state.Sized:
		c.Reason = ReasonNotSized
		c.Message = "the policy has no sizing, and only checks what Pods mount: " +
			"add sizing if it should give a size"
		return c
	}
	s, ok := state.Compiled.Size()
	_, warning := state.Compiled.SizeWarning()
	switch {
	case !ok:
		c.Reason = ReasonSizedByPod
		c.Message = "the size depends on the Pod: kubectl shm review shows it for a manifest"
	case warning != "" && !s.Bounded:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, ReasonNeverDeleted, warning
	case warning != "":
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, ReasonCutByMax, warning
	default:
		c.Status, c.Reason = metav1.ConditionTrue, ReasonSizeSuffices
		c.Message = fmt.Sprintf("%s holds the required %s", s.Limit, s.Required)
	}
	return c
}
