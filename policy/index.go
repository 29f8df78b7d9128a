package policy

import (
	"path"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// index finds the few policies that could match a Pod among thousands. Each entry of a
// policy's match is filed under a set of keys of which a Pod that it matches has at least
// one. An entry with podSelector {app: web} and images [nginx, redis] has two such sets,
// {label app=web} and {repository nginx, repository redis}: it is filed under the one that
// has fewer entries.
type index struct {
	buckets map[key][]int32
	// unindexed are the policies with an entry that has no keys, such as one with tmpfsPaths
	// alone: they are tried for each Pod.
	unindexed []int32
	// kinds tells which kinds of keys there are at all, so that no others are
	// looked up.
	kinds [imageLast + 1]bool
	// longestPrefix is the length of the longest imagePrefix.
	longestPrefix int
}

// key is one thing that a Pod has. Ranks under a key ascend.
type key struct {
	kind        keyKind
	name, value string
}

type keyKind uint8

const (
	podLabel       keyKind = iota // a label and its value
	podLabelKey                   // a label, whatever its value
	namespaceLabel                // a label of the namespace and its value
	namespaceKey                  // a label of the namespace, whatever its value
	imageName                     // a repository
	imagePrefix                   // a repository up to one of its slashes
	imageLast                     // the last part of a repository
)

// keySet is a set of keys, one of which every Pod has that an entry matches.
type keySet []key

// keySets returns those of an entry: each label requirement that asks for a key or
// value is one, and the images together are one.
func keySets(m *v1alpha1.Match, images []glob) []keySet {
	out := labelKeys(m.PodSelector, podLabel, podLabelKey)
	out = append(out, labelKeys(m.NamespaceSelector, namespaceLabel, namespaceKey)...)
	if len(images) == 0 {
		return out
	}
	var set keySet
	for _, g := range images {
		k, ok := imageKey(g)
		if !ok {
			return out
		}
		set = append(set, k)
	}
	return append(out, set)
}

func labelKeys(s *metav1.LabelSelector, pair, name keyKind) []keySet {
	if s == nil {
		return nil
	}
	var out []keySet
	for k, v := range s.MatchLabels {
		out = append(out, keySet{{pair, k, v}})
	}
	for _, r := range s.MatchExpressions {
		switch r.Operator {
		case metav1.LabelSelectorOpIn:
			var set keySet
			for _, v := range r.Values {
				set = append(set, key{pair, r.Key, v})
			}
			out = append(out, set)
		case metav1.LabelSelectorOpExists:
			out = append(out, keySet{{name, r.Key, ""}})
		}
	}
	return out
}

// imageKey returns what every repository that a glob matches has.
func imageKey(g glob) (key, bool) {
	if g.literal {
		return key{imageName, g.pattern, ""}, true
	}
	prefix := g.pattern[:strings.IndexAny(g.pattern, `*?[\`)]
	if slash := strings.LastIndexByte(prefix, '/'); slash > 0 {
		return key{imagePrefix, prefix[:slash], ""}, true
	}
	if last := path.Base(g.pattern); !strings.ContainsAny(g.pattern, `[]\`) && !strings.ContainsAny(last, `*?`) {
		return key{imageLast, last, ""}, true
	}
	return key{}, false
}

func newIndex(policies []Policy) index {
	crowd := make(map[key]int)
	for _, p := range policies {
		for i := range p.match {
			for _, set := range p.match[i].keySets {
				for _, k := range set {
					crowd[k]++
				}
			}
		}
	}
	ix := index{buckets: make(map[key][]int32, len(policies))}
	for rank, p := range policies {
		for i := range p.match {
			ix.file(int32(rank), smallest(p.match[i].keySets, crowd))
		}
	}
	return ix
}

// smallest returns the set of keys under which the fewest entries could be filed; nil if
// there is none.
func smallest(sets []keySet, crowd map[key]int) keySet {
	best, least := keySet(nil), 0
	for _, set := range sets {
		n := 0
		for _, k := range set {
			n += crowd[k]
		}
		if best == nil || n < least {
			best, least = set, n
		}
	}
	return best
}

func (ix *index) file(rank int32, set keySet) {
	if set == nil {
		ix.unindexed = appendOnce(ix.unindexed, rank)
	}
	for _, k := range set {
		ix.buckets[k] = appendOnce(ix.buckets[k], rank)
		ix.kinds[k.kind] = true
		if k.kind == imagePrefix {
			ix.longestPrefix = max(ix.longestPrefix, len(k.name))
		}
	}
}

func appendOnce(ranks []int32, rank int32) []int32 {
	if len(ranks) > 0 && ranks[len(ranks)-1] == rank {
		return ranks
	}
	return append(ranks, rank)
}

// candidates calls yield with the ranks under each key that a subject has.
func (ix *index) candidates(s *Subject, repos []string, yield func(ranks []int32)) {
	yield(ix.unindexed)
	ix.byLabels(s.Pod.Metadata.Labels, podLabel, podLabelKey, yield)
	ix.byLabels(s.NamespaceLabels, namespaceLabel, namespaceKey, yield)
	for _, repo := range repos {
		ix.lookup(key{imageName, repo, ""}, yield)
		ix.lookup(key{imageLast, lastPart(repo), ""}, yield)
		for end := 0; end < len(repo) && end <= ix.longestPrefix; end++ {
			if repo[end] == '/' {
				ix.lookup(key{imagePrefix, repo[:end], ""}, yield)
			}
		}
	}
}

func (ix *index) byLabels(labels map[string]string, pair, name keyKind, yield func(ranks []int32)) {
	if !ix.kinds[pair] && !ix.kinds[name] {
		return
	}
	for k, v := range labels {
		ix.lookup(key{pair, k, v}, yield)
		ix.lookup(key{name, k, ""}, yield)
	}
}

func (ix *index) lookup(k key, yield func(ranks []int32)) {
	if ix.kinds[k.kind] {
		if ranks := ix.buckets[k]; ranks != nil {
			yield(ranks)
		}
	}
}
