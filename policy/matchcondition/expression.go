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

// What an expression may cost, so that the API server evaluates it within the 1,000,000 units that
// it grants. If a Pod is beyond one of these, it is sent. If a term of an expression is, the term is
// left out, or there is no expression. A regular expression costs a tenth of the text times a quarter
// of the pattern, and contains a tenth of the text.
const (
	maxExpressionBytes = 80 << 10                       // an API server parses 100,000 characters
	maxPatternCost     = 12 << 20                       // bytes of all patterns times bytes of all images of a Pod
	maxImageBytes      = 2 << 10                        // of all images of a Pod together
	maxSpelledBytes    = maxPatternCost / maxImageBytes // of all patterns: with more, shorter images are searched
	minImageBytes      = 256                            // more than the images of an ordinary Pod: if only less can be searched, none are
	maxContainers      = 32                             // regular and init containers together
	maxSettings        = 128                            // arguments, or environment variables, of a container
	maxMounts          = 128                            // of a container
	maxMountPathBytes  = 128
	maxMountFragments  = 2
	maxTuples          = 16 // combinations of values that one entry asks of several labels
)

// Expression returns a CEL expression that is true for every Pod that one of the policies
// could match, and raises no error on any Pod that the API server decodes. An image below
// a mirror's From may be matched as one below its To. ok is false if no expression is worth
// having: then there must be no match condition, and every Pod is sent.
func Expression(
	policies []*v1alpha1.SharedMemoryPolicy, mirrors []Mirror,
) (expression string, ok bool) {
	return expressionOf(policies, mirrors, maxSpelledBytes)
}

// expressionOf is Expression with a bound on all patterns, up to which names are written as patterns.
func expressionOf(
	policies []*v1alpha1.SharedMemoryPolicy, mirrors []Mirror, maxSpelled int,
) (expression string, ok bool) {
	c := clauses{mirrors: parseMirrors(mirrors), mountFragments: make(map[string]bool), settingsFragments: make(map[string]bool)}
	for _, p := range policies {
		for i := range p.Spec.Match {
			if !c.add(&p.Spec.Match[i], p.Spec.MountPath) {
				return "", false
			}
		}
	}
	c.spellNames(maxSpelled)
	if !c.leaveOutCostly() {
		return "", false
	}
	expression = c.expression()
	if len(expression) > maxExpressionBytes {
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

	// settingsFragments are what a setting must contain, and mountFragments what the path of a
	// mount must contain, one of them.
	settingsFragments, mountFragments map[string]bool
}

// group holds what entries ask of labels and images. Entries that ask for the same count
// once.
type group struct {
	// always is set if an entry asks for nothing.
	always bool
	// tuples are the values of some labels, by the keys of the labels.
	tuples map[string]map[string]bool
	// labels are conjunctions of other requirements on labels.
	labels map[string]bool
	// names are the images without a wildcard, spelled are patterns of the same, and images are
	// the patterns of others, one of which is needed beside a conjunction of requirements on
	// labels, which is empty for none.
	names           map[string]map[string]bool
	spelled, images map[string]map[pattern]bool
}

// The names that the expression binds.
const (
	labelsVar     = "l"
	imagesVar     = "i" // of all images, one text
	namesVar      = "m" // of images without tags, a list
	containersVar = "c" // regular and init containers
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
	case m.TmpfsPaths != "":
		to = &c.settings
		c.settingsFragments[fragment] = true
	}
	return to.add(m, c.mirrors) && !c.anywhere.always
}

// add reports whether what an entry asks of labels and images could be added. Images that cannot be
// written down are left out.
func (g *group) add(m *v1alpha1.Match, mirrors []mirror) bool {
	var requirements []metav1.LabelSelectorRequirement
	if m.PodSelector != nil {
		var ok bool
		if requirements, ok = requirementsOf(m.PodSelector); !ok {
			return false
		}
	}
	conjunction := conjunctionOf(requirements)
	if len(m.Images) > 0 {
		var terms imageTerms
		for _, image := range m.Images {
			if !terms.add(image, mirrors) {
				g.addLabels(requirements, conjunction)
				return true
			}
		}
		for _, name := range terms.names {
			add(&g.names, conjunction, name)
		}
		for _, p := range terms.spelled {
			add(&g.spelled, conjunction, p)
		}
		for _, p := range terms.patterns {
			add(&g.images, conjunction, p)
		}
		return true
	}
	g.addLabels(requirements, conjunction)
	return true
}

// addLabels adds an entry that asks for labels alone.
func (g *group) addLabels(requirements []metav1.LabelSelectorRequirement, conjunction string) {
	if conjunction == "" {
		g.always = true
		return
	}
	if keys, values, ok := tuplesOf(requirements); ok {
		for _, value := range values {
			add(&g.tuples, keys, value)
		}
		return
	}
	if g.labels == nil {
		g.labels = make(map[string]bool)
	}
	g.labels[conjunction] = true
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
	return !g.always && len(g.tuples) == 0 && len(g.labels) == 0 && len(g.names) == 0 && len(g.images) == 0
}

// alternatives returns the terms of which one has to hold, the cheapest first.
func (g *group) alternatives() (terms []string) {
	for _, keys := range slices.Sorted(maps.Keys(g.tuples)) {
		terms = append(terms, tuplesTerm(keys, slices.Sorted(maps.Keys(g.tuples[keys]))))
	}
	terms = append(terms, slices.Sorted(maps.Keys(g.labels))...)
	beside := func(conjunction, term string) {
		if conjunction != "" {
			term = conjunction + " && " + term
		}
		terms = append(terms, term)
	}
	for _, conjunction := range slices.Sorted(maps.Keys(g.names)) {
		beside(conjunction, namesVar+".exists(x, x in "+list(slices.Sorted(maps.Keys(g.names[conjunction])))+")")
	}
	for _, conjunction := range slices.Sorted(maps.Keys(g.images)) {
		beside(conjunction, imagesVar+".matches("+Literal(oneOf(slices.Collect(maps.Keys(g.images[conjunction]))))+")")
	}
	return terms
}

// expression joins all clauses.
func (c *clauses) expression() string {
	either := c.anywhere.alternatives()
	search := false
	beside := func(g *group, term string) {
		if g.empty() {
			return
		}
		search = search || term != ""
		terms := "(" + strings.Join(g.alternatives(), " || ") + ")"
		switch {
		case term == "":
			term = terms
		// An entry that asks for nothing else makes the others of its group redundant.
		case !g.always:
			term = terms + " && " + term
		}
		either = append(either, term)
	}
	beside(&c.mounts, mountsTerm(slices.Sorted(maps.Keys(c.mountFragments))))
	beside(&c.settings, settingsTerm(slices.Sorted(maps.Keys(c.settingsFragments))))
	if len(either) == 0 {
		return "false"
	}
	// CEL has no variables: a list of one element and exists() bind a name.
	bind := func(name, value, in string) string {
		return "[" + value + "].exists(" + name + ", " + in + ")"
	}
	e := strings.Join(either, " || ")
	names, images := c.looksAtImages()
	if names {
		e = bind(namesVar, namesList, e)
	}
	if names || images {
		// No image has anything but printable ASCII in it, and letters outside ASCII can have
		// lower-case forms inside.
		e = bind(imagesVar, imagesText, fmt.Sprintf("%[1]s.size() > %[2]d || %[1]s.matches('[^ -~\\n]') || %[3]s", imagesVar, c.searchedImageBytes(), e))
	}
	if names || images || search {
		e = bind(containersVar, allContainers, fmt.Sprintf("%s.size() > %d || %s", containersVar, maxContainers, e))
	}
	return "request.kind.kind != 'Pod' || object == null || " +
		bind(labelsVar, "has(object.metadata.labels) ? object.metadata.labels : {}", e)
}
