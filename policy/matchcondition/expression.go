package matchcondition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Name is the name of the match condition on the webhooks that get Pods.
const Name = "may-match-policy"

// What an expression may cost, so that the API server evaluates it within a fraction of
// the 1,000,000 units that it grants. If a Pod is beyond one of these, it is sent; if an
// expression is, there is none. A regular expression costs a tenth of the text times a
// quarter of the pattern, and contains a tenth of the text.
const (
	maxExpressionBytes = 8 << 10
	maxPatternBytes    = 6 << 10
	maxImageBytes      = 2 << 10 // of all images of a Pod together
	maxContainers      = 32      // regular and init containers together
	maxSettings        = 128     // arguments, or environment variables, of a container
	maxMounts          = 128     // of a container
	maxMountPathBytes  = 128
	maxMountFragments  = 2
)

// Expression returns a CEL expression that is true for every Pod that one of the policies
// could match, and raises no error on any Pod that the API server decodes. An image below
// a mirror's From may be matched as one below its To. ok is false if no expression is worth
// having: then there must be no match condition, and every Pod is sent.
func Expression(
	policies []*v1alpha1.SharedMemoryPolicy, mirrors []Mirror,
) (expression string, ok bool) {
	c := clauses{mirrors: parseMirrors(mirrors), mountFragments: make(map[string]bool)}
	for _, p := range policies {
		for i := range p.Spec.Match {
			if !c.add(&p.Spec.Match[i], p.Spec.MountPath) {
				return "", false
			}
		}
	}
	expression = c.expression()
	if len(expression) > maxExpressionBytes || c.patternBytes > maxPatternBytes {
		return "", false
	}
	return expression, true
}

// clauses are the entries of all policies, grouped by what has to be looked for in the
// containers, so that each search is written, and run, once.
type clauses struct {
	mirrors []mirror

	anywhere group // entries without tmpfsPaths and mounted
	settings group // entries with tmpfsPaths
	mounts   group // entries with mounted

	// settingsFragment is what a setting must contain. There is only one, since each would
	// be looked for in all settings of a Pod.
	settingsFragment string
	// mountFragments are what the path of a mount must contain, one of them.
	mountFragments map[string]bool

	patternBytes int
}

// group holds what entries ask of labels and images. Entries that ask for the same count
// once.
type group struct {
	// always is set if an entry asks for nothing.
	always bool
	// values are the values of a label, each of which suffices alone.
	values map[string]map[string]bool
	// labels are conjunctions of other requirements on labels.
	labels map[string]bool
	// images are the patterns, one of which is needed beside a conjunction of requirements
	// on labels, which is empty for none.
	images map[string]map[pattern]bool
}

// The names that the expression binds.
const (
	labelsVar  = "l"
	imagesVar  = "i"
	initVar    = "n"
	regularVar = "r"
)

// add reports whether an entry could be added: not one that could match any Pod, as far as can be
// seen, or that cannot be written down.
func (c *clauses) add(m *v1alpha1.Match, mountPath string) bool {
	to := &c.anywhere
	fragment := pathFragment(mountPath)
	switch {
	case m.Mounted != nil && *m.Mounted:
		// An entry with tmpfsPaths as well is as wide as one without.
		to = &c.mounts
		c.mountFragments[fragment] = true
		if fragment == "" || len(c.mountFragments) > maxMountFragments {
			return false
		}
	case m.TmpfsPaths != "":
		to = &c.settings
		if fragment == "" || c.settingsFragment != "" && c.settingsFragment != fragment {
			return false
		}
		c.settingsFragment = fragment
	}
	if !to.add(m, c.mirrors) {
		return false
	}
	return !c.anywhere.always
}

// add reports whether what an entry asks of labels and images could be added, that is, written
// down.
func (g *group) add(m *v1alpha1.Match, mirrors []mirror) bool {
	var requirements []metav1.LabelSelectorRequirement
	if m.PodSelector != nil {
		var ok bool
		if requirements, ok = requirementsOf(m.PodSelector); !ok {
			return false
		}
	}
	var all []string
	for _, r := range requirements {
		all = append(all, labelTerm(r))
	}
	conjunction := strings.Join(all, " && ")
	if len(m.Images) > 0 {
		for _, image := range m.Images {
			patterns, ok := imagePatterns(image, mirrors)
			if !ok {
				return false
			}
			for _, p := range patterns {
				add(&g.images, conjunction, p)
			}
		}
		return true
	}
	if key, values, ok := singleLabelIn(requirements); ok {
		for _, value := range values {
			add(&g.values, key, value)
		}
		return true
	}
	if conjunction == "" {
		g.always = true
		return true
	}
	if g.labels == nil {
		g.labels = make(map[string]bool)
	}
	g.labels[conjunction] = true
	return true
}

func add[V comparable](to *map[string]map[V]bool, key string, value V) {
	if *to == nil {
		*to = make(map[string]map[V]bool)
	}
	if (*to)[key] == nil {
		(*to)[key] = make(map[V]bool)
	}
	(*to)[key][value] = true
}

// empty reports whether the group has no entry.
func (g *group) empty() bool {
	return !g.always && len(g.values) == 0 && len(g.labels) == 0 && len(g.images) == 0
}

// alternatives returns the terms of which one has to hold, the cheapest first, and the
// length of all patterns in them.
func (g *group) alternatives() (terms []string, patternBytes int) {
	for _, key := range slices.Sorted(maps.Keys(g.values)) {
		terms = append(terms, labelTerm(metav1.LabelSelectorRequirement{
			Key: key, Operator: metav1.LabelSelectorOpIn, Values: slices.Sorted(maps.Keys(g.values[key])),
		}))
	}
	terms = append(terms, slices.Sorted(maps.Keys(g.labels))...)
	for _, conjunction := range slices.Sorted(maps.Keys(g.images)) {
		pattern := oneOf(slices.Collect(maps.Keys(g.images[conjunction])))
		patternBytes += len(pattern)
		term := imagesVar + ".matches(" + literal(pattern) + ")"
		if conjunction != "" {
			term = conjunction + " && " + term
		}
		terms = append(terms, term)
	}
	return terms, patternBytes
}

// expression joins all clauses.
func (c *clauses) expression() string {
	either, n := c.anywhere.alternatives()
	c.patternBytes += n
	images := len(c.anywhere.images) > 0
	search := false
	beside := func(g *group, term string) {
		if g.empty() {
			return
		}
		search = true
		// An entry that asks for nothing else makes the others of its group redundant.
		if !g.always {
			terms, n := g.alternatives()
			c.patternBytes += n
			images = images || len(g.images) > 0
			term = "(" + strings.Join(terms, " || ") + ") && " + term
		}
		either = append(either, term)
	}
	beside(&c.mounts, mountsTerm(slices.Sorted(maps.Keys(c.mountFragments))))
	beside(&c.settings, settingsTerm(c.settingsFragment))
	if len(either) == 0 {
		return "false"
	}
	// CEL has no variables: a list of one element and exists() bind a name.
	bind := func(name, value, in string) string {
		return "[" + value + "].exists(" + name + ", " + in + ")"
	}
	e := strings.Join(either, " || ")
	if images {
		e = bind(imagesVar, imagesText, fmt.Sprintf("%s.size() > %d || %s", imagesVar, maxImageBytes, e))
	}
	if images || search {
		e = fmt.Sprintf("%s.size() + %s.size() > %d || %s", initVar, regularVar, maxContainers, e)
		e = bind(initVar, initContainers, bind(regularVar, regularContainers, e))
	}
	return "request.kind.kind != 'Pod' || object == null || " +
		bind(labelsVar, "has(object.metadata.labels) ? object.metadata.labels : {}", e)
}
