package policystatus

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func breakIt(p *v1alpha1.SharedMemoryPolicy) { p.Spec.MountPath = "relative" }

// stateOf returns the state of the first version of a policy.
func stateOf(p *v1alpha1.SharedMemoryPolicy) cluster.PolicyState {
	compiled, errs := policy.Compile(p)
	_, narrow := matchcondition.Expression([]*v1alpha1.SharedMemoryPolicy{p}, nil)
	return cluster.PolicyState{
		Errors: errs, Compiled: compiled, InForce: len(errs) == 0, Sized: len(errs) == 0 && p.Spec.Sizing != nil, Narrow: narrow, Revision: 1,
	}
}

func TestConditions(t *testing.T) {
	about := func(change func(*v1alpha1.SharedMemoryPolicy)) cluster.PolicyState {
		p := policytest.AppPolicy("a", "a")
		change(p)
		return stateOf(p)
	}
	unchanged := func(*v1alpha1.SharedMemoryPolicy) {}
	sized := func(s *v1alpha1.Sizing) cluster.PolicyState {
		return about(func(p *v1alpha1.SharedMemoryPolicy) { p.Spec.Sizing = s })
	}
	small := (256 * sizing.MiB).Quantity()
	week := v1alpha1.Duration("168h")
	files := &v1alpha1.Files{CreatedPerMinute: "18", Retention: &week, FileSize: *sizing.Bytes(1500).Quantity()}
	type condition struct {
		Status          metav1.ConditionStatus
		Reason, Message string
	}
	for name, tc := range map[string]struct {
		got  metav1.Condition
		want condition
	}{
		"accepted": {accepted(about(unchanged)), condition{metav1.ConditionTrue, ReasonInForce, "the policy is in force"}},
		"accepted, invalid from the first": {accepted(about(breakIt)), condition{
			metav1.ConditionFalse, ReasonInvalid,
			`no version of the policy is in force: spec.mountPath: Invalid value: "relative": must be an absolute path without empty, . or .. parts, such as /dev/shm`,
		}},
		"the webhooks are sent its Pods": {matchConditionCurrent(about(unchanged), coverage{covered: true}), condition{
			metav1.ConditionTrue, ReasonSent, "the webhooks are sent the Pods that the policy could match",
		}},
		"the webhooks are sent every Pod": {
			matchConditionCurrent(about(func(p *v1alpha1.SharedMemoryPolicy) {
				p.Spec.Match = append(p.Spec.Match, v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{}})
			}), coverage{covered: true}),
			condition{
				metav1.ConditionTrue, ReasonEveryPodSent,
				"the webhooks are sent every Pod, since a match condition cannot tell which ones the policy matches: " +
					"give each entry of match a podSelector that asks for a label, images, tmpfsPaths or mounted",
			},
		},
		"the webhooks are sent every Pod, because of other policies": {
			matchConditionCurrent(func() cluster.PolicyState { s := about(unchanged); s.EveryPodSent = true; return s }(), coverage{covered: true}),
			condition{
				metav1.ConditionTrue, ReasonEveryPodSent,
				"the webhooks are sent every Pod: either another policy could match any Pod, and its condition MatchConditionCurrent says so, " +
					"or a match condition for all policies and image mirrors would be too costly: use fewer of them",
			},
		},
		"the webhooks are not sent its Pods": {matchConditionCurrent(about(unchanged), coverage{}), condition{
			metav1.ConditionFalse, ReasonNotSent,
			"the webhook configurations may hold back Pods that the policy matches: if this lasts, read the log of shmkeeper's leader, and apply the manifests again",
		}},
		"the webhooks are not sent its Pods, as somebody else writes": {matchConditionCurrent(about(unchanged), coverage{contested: true}), condition{
			metav1.ConditionFalse, ReasonContested,
			"the webhook configurations may hold back Pods that the policy matches, since somebody else keeps changing them: " +
				"kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations shmkeeper -o yaml --show-managed-fields " +
				"shows who; configure that tool not to manage what shmkeeper restores",
		}},
		"the webhooks are sent its Pods, though somebody else writes": {matchConditionCurrent(about(unchanged), coverage{covered: true, contested: true}), condition{
			metav1.ConditionTrue, ReasonSent, "the webhooks are sent the Pods that the policy could match",
		}},
		"a size, invalid from the first": {sizeSufficient(about(breakIt)), condition{
			metav1.ConditionUnknown, ReasonInvalid, "the policy gives no size: fix what the condition Accepted names",
		}},
		"no sizing": {sizeSufficient(sized(nil)), condition{
			metav1.ConditionUnknown, ReasonNotSized, "the policy has no sizing, and only checks what Pods mount: add sizing if it should give a size",
		}},
		"sized by the Pod": {
			sizeSufficient(sized(&v1alpha1.Sizing{MemoryPercent: &v1alpha1.MemoryPercent{Percent: 30}})),
			condition{metav1.ConditionUnknown, ReasonSizedByPod, "the size depends on the Pod: kubectl shm review shows it for a manifest"},
		},
		"large enough": {sizeSufficient(about(unchanged)), condition{metav1.ConditionTrue, ReasonSizeSuffices, "256Mi holds the required 256Mi"}},
		"files that are never deleted": {
			sizeSufficient(sized(&v1alpha1.Sizing{Files: &v1alpha1.Files{CreatedPerMinute: "18", FileSize: *sizing.Bytes(1500).Quantity()}})),
			condition{
				metav1.ConditionFalse, ReasonNeverDeleted, "files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: " +
					"delete old files, and set sizing.files.retention to how old they get",
			},
		},
		"cut, and it fills": {
			sizeSufficient(sized(&v1alpha1.Sizing{Files: files, Max: small})),
			condition{metav1.ConditionFalse, ReasonCutByMax, "256Mi fills after 2 d 12 h, as 717.0Mi are required: raise sizing.max, or shorten sizing.files.retention"},
		},
		"cut, of a model without files": {
			sizeSufficient(sized(&v1alpha1.Sizing{Units: &v1alpha1.Units{Each: *sizing.GiB.Quantity(), Count: v1alpha1.Count{Literal: &one}}, Max: small})),
			condition{metav1.ConditionFalse, ReasonCutByMax, "256Mi is less than the 1Gi that are required: raise sizing.max"},
		},
	} {
		if diff := cmp.Diff(tc.want, condition{tc.got.Status, tc.got.Reason, tc.got.Message}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

var one int32 = 1
