package main

import (
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// model represents a policy with sizing to compute with.
type model struct {
	// name is the policy's name; empty for a model that flags describe.
	name string
	// spec is the policy as it was given, with the defaults filled in.
	spec v1alpha1.SharedMemoryPolicySpec
	// policy computes as the given one does, but matches every Pod, all of its containers,
	// changes nothing, and checks the memory even if the given one ignores it.
	policy policy.Policy
}

// newModel compiles a policy that has sizing. The errors are those of the policy as it was given.
func newModel(p *v1alpha1.SharedMemoryPolicy) (model, field.ErrorList) {
	if _, found := policy.Compile(p); len(found) > 0 {
		return model{}, found
	}
	m := model{name: p.Name}
	open := p.DeepCopy()
	v1alpha1.SetDefaults(open)
	m.spec = *open.Spec.DeepCopy()
	open.Spec.Match, open.Spec.Exclude = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}, nil
	open.Spec.Writers = &v1alpha1.Writers{Names: []string{"*"}}
	open.Spec.Mutation = v1alpha1.MutationDisabled
	if open.Spec.Memory.Handling == v1alpha1.MemoryIgnore {
		open.Spec.Memory.Handling = v1alpha1.MemoryRequire
	}
	var found field.ErrorList
	m.policy, found = policy.Compile(open)
	return m, found
}

// modelFromPolicy reads the one policy with sizing that --policy names: a built-in one, or that of
// a file.
func modelFromPolicy(name string, stdin io.Reader) (model, error) {
	loaded, err := loadPolicies([]string{name}, stdin)
	if err != nil {
		return model{}, err
	}
	if len(loaded) > 1 {
		names := make([]string, len(loaded))
		for i, l := range loaded {
			names[i] = shown(l.policy.Name())
		}
		return model{}, fmt.Errorf("--policy: %s holds %d policies, %s: name a file that holds one", shown(sourceOf(name)), len(loaded), strings.Join(names, ", "))
	}
	if loaded[0].source.Spec.Sizing == nil {
		return model{}, fmt.Errorf("--policy: %s has no sizing and only checks what is mounted: name a policy with sizing", shown(loaded[0].policy.Name()))
	}
	m, found := newModel(loaded[0].source)
	return m, found.ToAggregate()
}
