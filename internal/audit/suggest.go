package audit

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Library finds policies for Pods that no policy of the cluster matches. The zero Library finds
// none.
type Library struct {
	policies policy.Set
	// paths matches every Pod that names or mounts /dev/shm.
	paths policy.Set
}

// NewLibrary returns a Library of policies that a cluster could have. mirrors are those that the
// cluster pulls its images from.
func NewLibrary(mirrors policy.Mirrors, policies ...policy.Policy) (Library, error) {
	mounted := true
	paths, errs := policy.Compile(&v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "uses-dev-shm"},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match: []v1alpha1.Match{{Mounted: &mounted}, {TmpfsPaths: v1alpha1.TmpfsPathsDetect}},
		},
	})
	return Library{
		policies: policy.NewSet(policies...).WithImageMirrors(mirrors),
		paths:    policy.NewSet(paths),
	}, errs.ToAggregate()
}

// Suggest reports whether a Pod, which no policy of the cluster matches, looks like one that writes
// to /dev/shm: a policy of the library matches it, or its settings name the path, or it mounts
// something there. name is the policy of the library that would fit; empty if none does.
func (l Library) Suggest(view View, pod *Pod) (name string, writes bool) {
	subject, _ := subjectOf(view, pod)
	switch e := l.policies.Evaluate(subject); e.Outcome {
	case policy.NotMatched:
	case policy.Skipped, policy.Exempt:
		return "", false
	default:
		return e.Policy, true
	}
	e := l.paths.Evaluate(subject)
	return "", e.Outcome != policy.NotMatched && e.Reason != policy.MirrorPod && e.Reason != policy.Windows
}
