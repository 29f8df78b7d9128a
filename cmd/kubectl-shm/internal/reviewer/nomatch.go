package reviewer

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// nearby explains a Pod that no policy matches.
type nearby struct {
	// builtIn checks what needs no policy to be seen.
	builtIn  policy.Set
	policies []policyfile.Policy
	sets     []policy.Set // of each policy alone
	mirrors  policy.Mirrors
}

func newNearby(s Settings) (*nearby, error) {
	yes := true
	check, errs := policy.Compile(&v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "built-in-check"},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Mode:       v1alpha1.Warn,
			Match:      []v1alpha1.Match{{Mounted: &yes}, {TmpfsPaths: v1alpha1.TmpfsPathsDetect}},
			Exemptions: v1alpha1.Allowed,
		},
	})
	near := &nearby{builtIn: policy.NewSet(check), mirrors: s.Mirrors, policies: slices.Clone(s.Policies)}
	slices.SortStableFunc(near.policies, func(a, b policyfile.Policy) int {
		return int(b.Source.Spec.Priority) - int(a.Source.Spec.Priority)
	})
	for _, p := range near.policies {
		near.sets = append(near.sets, policy.NewSet(p.Compiled).WithImageMirrors(s.Mirrors))
	}
	return near, errs.ToAggregate()
}

// notes returns what is wrong with a Pod whatever the policies are, and which policy comes nearest
// to matching it.
func (n *nearby) notes(s policy.Subject) []string {
	var notes []string
	e := n.builtIn.Evaluate(s)
	if e.Reason == policy.UsesHostShm {
		notes = append(notes, e.Detail)
	}
	for _, v := range e.After {
		notes = append(notes, v.Detail)
	}
	notes = append(notes, e.Warnings...)
	switch miss := n.nearest(s); {
	case miss != "":
		notes = append(notes, miss)
	case e.Outcome != policy.NotMatched:
		notes = append(notes, "no policy comes near: to have "+cli.DevShm+" sized, match the Pod by its labels or image in a policy of your own")
	}
	return notes
}

// miss is how a policy fails to match, the nearest first.
type miss int

const (
	missNamespace miss = iota
	missExcluded
	missRegistry
	missLabelValue
	missLabel
	missName
	misses // their number
)

// nearest says which policy that does not match a subject comes nearest to it, and what to do; empty
// if none comes near.
func (n *nearby) nearest(s policy.Subject) string {
	found := misses
	text := ""
	for k, p := range n.policies {
		if n.sets[k].Evaluate(s).Outcome != policy.NotMatched {
			continue // it would, if another did not come first
		}
		for i := range p.Source.Spec.Match {
			m := missing{nearby: n, policy: p, entry: &p.Source.Spec.Match[i], subject: s}
			if how, sentence := m.find(); how < found {
				found, text = how, sentence
			}
		}
	}
	return text
}

// missing compares one entry of a policy's match with a subject that it does not match.
type missing struct {
	*nearby
	policy  policyfile.Policy
	entry   *v1alpha1.Match
	subject policy.Subject
}

// find returns how the entry fails to match, and a sentence about it; misses if it does in more
// than one way.
func (m *missing) find() (miss, string) {
	if len(m.policy.Source.Spec.Exclude) > 0 && m.matchesWith(func(s *v1alpha1.SharedMemoryPolicySpec) { s.Exclude = nil }) {
		return missExcluded, fmt.Sprintf("policy %q matches but for its exclude: change exclude if that is not meant", m.name())
	}
	for _, look := range []func() (miss, string){m.namespace, m.image, m.labels} {
		if how, text := look(); text != "" {
			return how, text
		}
	}
	return misses, ""
}

func (m *missing) name() string { return m.policy.Compiled.Name() }

// matchesWith reports whether the policy would match if it had this entry only, and a change.
func (m *missing) matchesWith(change func(*v1alpha1.SharedMemoryPolicySpec)) bool {
	p := m.policy.Source.DeepCopy()
	p.Spec.Match = []v1alpha1.Match{*m.entry.DeepCopy()}
	change(&p.Spec)
	if reflect.ValueOf(p.Spec.Match[0]).IsZero() {
		p.Spec.Match[0].PodSelector = &metav1.LabelSelector{}
	}
	compiled, errs := policy.Compile(p)
	return len(errs) == 0 && m.matches(compiled, m.subject)
}

// matches reports whether a policy matches a subject.
func (n *nearby) matches(p policy.Policy, s policy.Subject) bool {
	return policy.NewSet(p).WithImageMirrors(n.mirrors).Evaluate(s).Outcome != policy.NotMatched
}

func (m *missing) namespace() (miss, string) {
	if m.entry.NamespaceSelector == nil || !m.matchesWith(func(s *v1alpha1.SharedMemoryPolicySpec) { s.Match[0].NamespaceSelector = nil }) {
		return misses, ""
	}
	return missNamespace, fmt.Sprintf("policy %q matches but for the namespace, which must have the labels %s: give them by --namespace-labels, or add the Namespace to the input",
		m.name(), metav1.FormatLabelSelector(m.entry.NamespaceSelector))
}

// labels looks for one label that has another value, or that is missing.
func (m *missing) labels() (miss, string) {
	if m.entry.PodSelector == nil {
		return misses, ""
	}
	wanted := requirements(m.entry.PodSelector)
	for i, r := range wanted {
		value, found := m.subject.Pod.Metadata.Labels[r.Key]
		if !found || r.Operator != metav1.LabelSelectorOpIn || slices.Contains(r.Values, value) || m.isCommon(r.Key) {
			continue
		}
		if m.matchesWith(func(s *v1alpha1.SharedMemoryPolicySpec) {
			other := slices.Clone(wanted)
			other[i].Values = []string{value}
			s.Match[0].PodSelector = &metav1.LabelSelector{MatchExpressions: other}
		}) {
			return missLabelValue, fmt.Sprintf("policy %q matches but for label %s, which is %q and not %s: correct the label, or add the value to the policy's podSelector",
				m.name(), r.Key, value, `"`+strings.Join(r.Values, `" or "`)+`"`)
		}
	}
	if len(m.entry.Images) == 0 || !m.matchesWith(func(s *v1alpha1.SharedMemoryPolicySpec) { s.Match[0].PodSelector = nil }) {
		return misses, ""
	}
	return missLabel, fmt.Sprintf("policy %q matches the image but not the labels, which must be %s: add them if it is the same program",
		m.name(), metav1.FormatLabelSelector(m.entry.PodSelector))
}

// requirements returns what a selector asks for, its matchLabels as expressions.
func requirements(s *metav1.LabelSelector) []metav1.LabelSelectorRequirement {
	var out []metav1.LabelSelectorRequirement
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		out = append(out, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{s.MatchLabels[key]}})
	}
	return append(out, s.MatchExpressions...)
}

// isCommon reports whether a label of a policy of the library is one that Pods of all kinds have,
// such as app or component: another value of it says nothing.
func (m *missing) isCommon(key string) bool {
	return m.policy.IsBuiltIn() && (!strings.Contains(key, "/") || strings.HasPrefix(key, "app.kubernetes.io/"))
}

// image looks for a container whose image is that of the policy in another registry, or has nearly
// the same name.
func (m *missing) image() (miss, string) {
	how, text := misses, ""
	init := m.subject.Pod.Spec.InitContainers
	for i, c := range slices.Concat(init, m.subject.Pod.Spec.Containers) {
		for _, pattern := range m.entry.Images {
			h, t := m.compareImage(&c, pattern, i < len(init) && !isSidecar(&c))
			if h < how {
				how, text = h, t
			}
		}
	}
	if how == misses || !m.matchesWith(func(s *v1alpha1.SharedMemoryPolicySpec) { s.Match[0].Images = nil }) {
		return misses, ""
	}
	return how, text
}

func isSidecar(c *policy.ContainerView) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func (m *missing) compareImage(c *policy.ContainerView, pattern string, prepares bool) (miss, string) {
	image := RepositoryOf(c.Image)
	if prepares {
		if image != pattern {
			return misses, ""
		}
		return missName, fmt.Sprintf("policy %q matches the image of init container %q, which only prepares the Pod and so matches nothing: match the Pod by its labels", m.name(), c.Name)
	}
	host, name := cutHost(pattern)
	prefix, ok := cutSuffix(image, name)
	switch {
	case ok && prefix != "" && (isRegistry(prefix) || strings.Contains(name, "/")):
		text := fmt.Sprintf("image %q of container %q is not in the registry of %q, which policy %q matches: ", image, c.Name, pattern, m.name())
		if isRegistry(prefix) && !policyfile.IsGlob(host) {
			text += fmt.Sprintf("if it is a copy, give --image-mirrors %s=%s, or ", prefix, host)
		}
		return missRegistry, text + "add the image to match in a copy of the policy"
	case isNearName(image, pattern):
		return missName, fmt.Sprintf("image %q of container %q is nearly %q, which policy %q matches: add the image to match in a copy of the policy if it is the same program",
			image, c.Name, pattern, m.name())
	}
	return misses, ""
}

// RepositoryOf returns an image without its tag and digest.
func RepositoryOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	return name
}

// cutHost splits an image pattern into its registry and the rest; the registry of Docker Hub's short
// names is docker.io.
func cutHost(pattern string) (host, name string) {
	host, name, found := strings.Cut(pattern, "/")
	if found && (isRegistry(host) || policyfile.IsGlob(host)) {
		return host, strings.TrimPrefix(name, "library/")
	}
	return "docker.io", strings.TrimPrefix(pattern, "library/")
}

// isRegistry reports whether a path begins with the host of a registry.
func isRegistry(p string) bool {
	host, _, _ := strings.Cut(p, "/")
	return strings.ContainsAny(host, ".:") || host == "localhost"
}

// cutSuffix returns what is before the last parts of an image, if these match a pattern.
func cutSuffix(image, pattern string) (prefix string, ok bool) {
	parts, n := strings.Split(image, "/"), strings.Count(pattern, "/")+1
	if len(parts) <= n {
		return "", false
	}
	matches, err := path.Match(pattern, strings.Join(parts[len(parts)-n:], "/"))
	return strings.Join(parts[:len(parts)-n], "/"), err == nil && matches
}

// isNearName reports whether an image has the folder of a pattern, and a name that continues its
// name or the other way around: proxy-dev and proxy.
func isNearName(image, pattern string) bool {
	folder, name := path.Split(image)
	wantFolder, want := path.Split(pattern)
	return folder == wantFolder && folder != "" && name != want && !policyfile.IsGlob(pattern) &&
		(strings.HasPrefix(name, want+"-") || strings.HasPrefix(want, name+"-"))
}
