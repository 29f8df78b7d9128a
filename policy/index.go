package policy

import (
	"path"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// index finds the few policies that could match a Pod among thousands. Each
// policy stands under one anchor: a set of keys of which a Pod that it matches
// has at least one. Of the anchors that a policy has, the least crowded is taken.
type index struct {
	byKey map[key][]int32
	// rest are the policies that have no anchor, and are tried for each Pod.
	rest []int32
	// kinds says which kinds of keys there are at all, so that no others are
	// looked up.
	kinds [imageLast + 1]bool
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

// anchor is a set of keys, one of which every Pod has that the policy matches.
type anchor []key

// anchors are those of a match: each label requirement that asks for a key or
// value is one, and the images together are one.
func anchors(m *v1alpha1.Match, images []glob) []anchor {
	out := labelAnchors(m.PodSelector, podLabel, podLabelKey)
	out = append(out, labelAnchors(m.NamespaceSelector, namespaceLabel, namespaceKey)...)
	if len(images) == 0 {
		return out
	}
	var a anchor
	for _, g := range images {
		k, ok := imageKey(g)
		if !ok {
			return out
		}
		a = append(a, k)
	}
	return append(out, a)
}

func labelAnchors(s *metav1.LabelSelector, pair, name keyKind) []anchor {
	if s == nil {
		return nil
	}
	var out []anchor
	for k, v := range s.MatchLabels {
		out = append(out, anchor{{pair, k, v}})
	}
	for _, r := range s.MatchExpressions {
		switch r.Operator {
		case metav1.LabelSelectorOpIn:
			var a anchor
			for _, v := range r.Values {
				a = append(a, key{pair, r.Key, v})
			}
			out = append(out, a)
		case metav1.LabelSelectorOpExists:
			out = append(out, anchor{{name, r.Key, ""}})
		}
	}
	return out
}

// imageKey is what every repository that a glob matches has.
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
		for _, a := range p.anchors {
			for _, k := range a {
				crowd[k]++
			}
		}
	}
	ix := index{byKey: make(map[key][]int32, len(policies))}
	for rank, p := range policies {
		best, least := anchor(nil), 0
		for _, a := range p.anchors {
			n := 0
			for _, k := range a {
				n += crowd[k]
			}
			if best == nil || n < least {
				best, least = a, n
			}
		}
		if best == nil {
			ix.rest = append(ix.rest, int32(rank))
		}
		for _, k := range best {
			ix.add(k, int32(rank))
		}
	}
	return ix
}

func (ix *index) add(k key, rank int32) {
	ranks := ix.byKey[k]
	if len(ranks) > 0 && ranks[len(ranks)-1] == rank {
		return
	}
	ix.byKey[k] = append(ranks, rank)
	ix.kinds[k.kind] = true
}

// candidates calls yield with the ranks under each key that a subject has.
func (ix *index) candidates(s *Subject, repos []string, yield func(ranks []int32)) {
	yield(ix.rest)
	ix.byLabels(s.Meta.Labels, podLabel, podLabelKey, yield)
	ix.byLabels(s.NamespaceLabels, namespaceLabel, namespaceKey, yield)
	for _, repo := range repos {
		ix.lookup(key{imageName, repo, ""}, yield)
		ix.lookup(key{imageLast, lastPart(repo), ""}, yield)
		if !ix.kinds[imagePrefix] {
			continue
		}
		for end, c := range repo {
			if c == '/' {
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
		if ranks := ix.byKey[k]; ranks != nil {
			yield(ranks)
		}
	}
}
