package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// ConditionName is the match condition on the webhooks for Pods that is kept in
// step with the policies.
const ConditionName = "some-policy-could-govern"

// What an expression may cost, so that the API server evaluates it within a
// fraction of the 1,000,000 units that it grants: beyond these a Pod is sent, or
// there is no condition. A matches costs a tenth of the text times a quarter of
// the pattern.
const (
	maxExpressionBytes = 8 << 10
	maxPatternBytes    = 6 << 10
	maxImageBytes      = 2 << 10 // of all images of a Pod together
	maxContainers      = 32
	maxSettings        = 128 // arguments, or environment variables, of a container
)

// Condition is a match condition for the webhooks that get Pods: a CEL expression
// that is true for every Pod that one of the policies could govern. It may be
// true for others, never false for one of these, and raises no error on any Pod
// that the API server decodes. narrow is false where no expression is worth
// having: then there is to be no condition, and every Pod is sent.
//
// It sees labels, images and settings of containers. It does not see the
// namespace, which the API server withholds from the conditions of webhooks, and
// leaves out what a policy excludes and what a container's setting says in full:
// in all of these it is wider than the policy.
func Condition(policies []*v1alpha1.SharedMemoryPolicy) (expression string, narrow bool) {
	if len(policies) == 0 {
		return "false", true
	}
	var t terms
	for _, p := range policies {
		if !t.add(p) {
			return "", false
		}
	}
	expression = t.expression()
	if len(expression) > maxExpressionBytes || t.patternBytes > maxPatternBytes {
		return "", false
	}
	return expression, true
}

// terms are what the policies ask for, those that ask for the same counted once.
type terms struct {
	// values are the values of a label that suffice by themselves.
	values map[string]map[string]bool
	// bare are conjunctions without images.
	bare map[string]bool
	// images are the patterns under the conjunction that goes with them, which is
	// empty for none.
	images map[string]map[string]bool

	// mark is the text that a setting must contain; "" where no policy looks at
	// settings. There is one only: each would be looked for in all settings.
	mark         string
	patternBytes int
}

// The names that the expression binds.
const (
	labelsVar     = "l"
	imagesVar     = "i"
	containersVar = "c"
)

// add is false for a policy that could govern any Pod, as far as can be told.
func (t *terms) add(p *v1alpha1.SharedMemoryPolicy) bool {
	m := &p.Spec.Match
	var all []string
	key, values, single := "", []string(nil), false
	if m.PodSelector != nil {
		requirements, ok := requirementsOf(m.PodSelector)
		if !ok {
			return false
		}
		key, values, single = soleIn(requirements)
		for _, r := range requirements {
			all = append(all, labelTerm(r))
		}
	}
	if m.TmpfsPaths != "" {
		mark := markOf(p.Spec.MountPath)
		if mark == "" || t.mark != "" && t.mark != mark {
			return false
		}
		t.mark = mark
		all, single = append(all, settingsTerm(mark)), false
	}
	if len(all) == 0 && len(m.Images) == 0 {
		return false
	}
	conjunction := strings.Join(all, " && ")
	switch {
	case len(m.Images) > 0:
		for _, image := range m.Images {
			patterns, ok := imagePatterns(image)
			if !ok {
				return false
			}
			for _, pattern := range patterns {
				add(&t.images, conjunction, pattern)
			}
		}
	case single:
		for _, value := range values {
			add(&t.values, key, value)
		}
	default:
		if t.bare == nil {
			t.bare = make(map[string]bool)
		}
		t.bare[conjunction] = true
	}
	return true
}

func add(to *map[string]map[string]bool, key, value string) {
	if *to == nil {
		*to = make(map[string]map[string]bool)
	}
	if (*to)[key] == nil {
		(*to)[key] = make(map[string]bool)
	}
	(*to)[key][value] = true
}

// expression joins the terms, the cheapest first. Its text depends on the
// policies alone, not on their order.
func (t *terms) expression() string {
	var either []string
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		either = append(either, labelTerm(metav1.LabelSelectorRequirement{
			Key: key, Operator: metav1.LabelSelectorOpIn, Values: slices.Sorted(maps.Keys(t.values[key])),
		}))
	}
	either = append(either, slices.Sorted(maps.Keys(t.bare))...)
	for _, conjunction := range slices.Sorted(maps.Keys(t.images)) {
		pattern := oneOf(slices.Sorted(maps.Keys(t.images[conjunction])))
		t.patternBytes += len(pattern)
		term := imagesVar + ".matches(" + literal(pattern) + ")"
		if conjunction != "" {
			term = conjunction + " && " + term
		}
		either = append(either, term)
	}
	e := strings.Join(either, " || ")
	// CEL has no variables: a list of one element and exists() bind a name.
	if len(t.images) > 0 {
		e = fmt.Sprintf(`[%[1]s.map(x, has(x.image) ? x.image : '').join('\n')].exists(%[2]s, %[2]s.size() > %[3]d || %[4]s)`, containersVar, imagesVar, maxImageBytes, e)
	}
	if len(t.images) > 0 || t.mark != "" {
		e = fmt.Sprintf(`[%[1]s].exists(%[2]s, %[2]s.size() > %[3]d || %[4]s)`, containers, containersVar, maxContainers, e)
	}
	e = fmt.Sprintf(`[has(object.metadata.labels) ? object.metadata.labels : {}].exists(%s, %s)`, labelsVar, e)
	return "request.kind.kind != 'Pod' || object == null || " + e
}

// containers are those whose images and settings count. A Pod without containers
// is not valid but is seen by webhooks, with null.
const containers = `(has(object.spec.initContainers) ? object.spec.initContainers : []) + (object.spec.containers != null ? object.spec.containers : [])`
