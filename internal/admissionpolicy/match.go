package admissionpolicy

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// matchOf returns a condition: an entry of match matches, and none of exclude. Entries that only
// guess are left out. Where an expression cannot tell, a wide one holds, and another does not: the
// Pod is then undecided.
func (g *generator) matchOf(wide bool) string {
	var match, exclude []string
	for i := range g.spec.Match {
		if !isGuess(&g.spec.Match[i]) {
			match = append(match, g.entry(&g.spec.Match[i], wide))
		}
	}
	for i := range g.spec.Exclude {
		exclude = append(exclude, g.entry(&g.spec.Exclude[i], !wide))
	}
	if len(exclude) == 0 {
		return anyOf(match...)
	}
	return allOf(anyOf(match...), "!"+anyOf(exclude...))
}

// isGuess reports whether an entry looks at nothing but the texts of the containers.
func isGuess(m *v1alpha1.Match) bool {
	return m.TmpfsPaths != "" && m.PodSelector == nil && m.NamespaceSelector == nil && m.Images == nil && m.Mounted == nil
}

// entry returns a condition: all fields of an entry match.
func (g *generator) entry(m *v1alpha1.Match, wide bool) string {
	terms := g.entryWithoutImages(m, wide)
	if m.Images != nil {
		terms = append(terms, fmt.Sprintf("$all.exists(i, %s)", imageMatches(m)))
	}
	return allOf(terms...)
}

func (g *generator) entryWithoutImages(m *v1alpha1.Match, wide bool) []string {
	var terms []string
	selector := func(labels string, s *metav1.LabelSelector) {
		if s == nil {
			return
		}
		if term, _ := matchcondition.SelectorTerm(s); term != "" {
			terms = append(terms, fmt.Sprintf("[$%s].exists(l, %s)", labels, term))
		}
	}
	selector("labels", m.PodSelector)
	selector("namespaceLabels", m.NamespaceSelector)
	if m.TmpfsPaths != "" {
		path := "x.contains(" + literal(g.lastPart()) + ")"
		if !wide {
			path += " && x.matches(" + literal(g.namesPath()) + ")"
		}
		terms = append(terms, "$texts.exists(t, t.exists(x, "+path+"))")
	}
	if m.Mounted != nil {
		where := g.isAt() + " || " + g.isBelow()
		if wide {
			where += " || " + g.isOdd()
		}
		terms = append(terms, fmt.Sprintf("$containers.exists(c, has(c.volumeMounts) && c.volumeMounts.exists(m, %s))", where))
	}
	return terms
}

// longestRepository is the longest name that the reference grammar of images allows.
const longestRepository = 255

// imageMatches returns a condition: the image of container i matches.
func imageMatches(m *v1alpha1.Match) string {
	globs := make([]string, len(m.Images))
	for i, pattern := range m.Images {
		globs[i] = policy.CanonicalImageGlob(pattern)
	}
	return fmt.Sprintf("$running[i] && $repositories[i].size() <= %d && $repositories[i].matches(%s)", longestRepository, literal(anyGlob(globs)))
}

// setDecides adds whether the policy is the one that decides: it matches, and none that comes first.
func (g *generator) setDecides() {
	terms := []string{g.matchOf(true)}
	for _, first := range g.first {
		if of := first.matchOf(false); of != "false" {
			terms = append(terms, "!"+of)
		}
	}
	g.set("decides", "%s", allOf(terms...))
}

// oddMatch returns a condition: whether a policy matches depends on a spelling that no expression
// reads.
func (g *generator) oddMatch() string {
	var terms []string
	for _, m := range slices.Concat(g.spec.Match, g.spec.Exclude) {
		if m.TmpfsPaths != "" && !isGuess(&m) {
			terms = append(terms, "$unsure")
		}
		if m.Mounted != nil {
			terms = append(terms, fmt.Sprintf("$containers.exists(c, has(c.volumeMounts) && c.volumeMounts.exists(m, %s))", g.isOdd()))
		}
	}
	return anyOf(slices.Compact(terms)...)
}
