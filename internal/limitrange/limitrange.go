// Package limitrange gives a Pod what the LimitRanges of its namespace give it in a
// cluster, if there is none.
package limitrange

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// Apply returns a subject as the webhook sees it: with the limits and requests that the LimitRanges
// of its namespace give each container, init containers included, that has none of its own. The
// given subject is not changed; it is returned if nothing is given.
//
// It does what k8s.io/kubernetes does before a mutating webhook is called: SetDefaults_Pod
// (pkg/apis/core/v1/defaults.go) makes a limit the request if there is none, then the LimitRanger
// plugin (plugin/pkg/admission/limitranger) takes each LimitRange in turn, so that the first one to
// give a value has given it. An API server takes them in no order that one could rely on; here it
// is that of their names.
func Apply(s policy.Subject) (policy.Subject, Grants) {
	defaults := make([]containerDefaults, len(s.LimitRanges))
	for i, limitRange := range s.LimitRanges {
		defaults[i] = defaultsOf(limitRange)
	}
	slices.SortStableFunc(defaults, func(a, b containerDefaults) int { return cmp.Compare(a.name, b.name) })

	pod := *s.Pod
	pod.Spec.Containers = slices.Clone(pod.Spec.Containers)
	pod.Spec.InitContainers = slices.Clone(pod.Spec.InitContainers)
	var given Grants
	for _, containers := range [][]policy.ContainerView{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			given.give(&containers[i], defaults)
		}
	}
	if len(given) == 0 {
		return s, nil
	}
	s.Pod = &pod
	return s, given
}

// give fills in the resources of a container.
func (g *Grants) give(c *policy.ContainerView, defaults []containerDefaults) {
	resources := corev1.ResourceRequirements{}
	if c.Resources != nil {
		resources = *c.Resources.DeepCopy()
	}
	c.Resources = &resources
	fill(&resources.Requests, resources.Limits)
	for _, d := range defaults {
		g.add(d.name, c.Name, "limit", fill(&resources.Limits, d.limits))
		g.add(d.name, c.Name, "request", fill(&resources.Requests, d.requests))
	}
}

// containerDefaults is what a LimitRange gives a container.
type containerDefaults struct {
	name             string
	limits, requests corev1.ResourceList
}

// defaultsOf fills in what a LimitRange leaves open, as an API server does when it stores one
// (SetDefaults_LimitRangeItem): the default limit is the maximum, the default request the default
// limit, or else the minimum. Of several items the last one counts.
func defaultsOf(l *corev1.LimitRange) containerDefaults {
	d := containerDefaults{name: l.Name, limits: corev1.ResourceList{}, requests: corev1.ResourceList{}}
	for i := range l.Spec.Limits {
		if l.Spec.Limits[i].Type != corev1.LimitTypeContainer {
			continue
		}
		item := l.Spec.Limits[i].DeepCopy()
		fill(&item.Default, item.Max)
		fill(&item.DefaultRequest, item.Default)
		fill(&item.DefaultRequest, item.Min)
		maps.Copy(d.limits, item.Default)
		maps.Copy(d.requests, item.DefaultRequest)
	}
	return d
}

// fill adds what a list lacks, and returns what it added.
func fill(list *corev1.ResourceList, from corev1.ResourceList) corev1.ResourceList {
	added := corev1.ResourceList{}
	for name, value := range from {
		if _, found := (*list)[name]; !found {
			added[name] = value
		}
	}
	if len(added) > 0 && *list == nil {
		*list = corev1.ResourceList{}
	}
	maps.Copy(*list, added)
	return added
}

// Grants holds what LimitRanges gave, in the order of the containers.
type Grants []grant

// grant is one limit or request that a LimitRange gave a container.
type grant struct {
	limitRange, container string
	// rank orders what a container is given: a memory limit matters most, then a memory request.
	rank int
	what string // "a memory limit of 256Mi"
}

func (g *Grants) add(limitRange, container, kind string, added corev1.ResourceList) {
	for _, name := range slices.Sorted(maps.Keys(added)) {
		value, rank := added[name], 2
		if name == corev1.ResourceMemory {
			rank = map[string]int{"limit": 0, "request": 1}[kind]
		}
		*g = append(*g, grant{limitRange, container, rank, fmt.Sprintf("a %s %s of %s", name, kind, value.String())})
	}
}

// String says what matters most of what each container was given.
func (g Grants) String() string {
	var groups []grant
	containers := map[grant][]string{} // by the grant without its container
	told := map[string]bool{}
	byRank := slices.SortedStableFunc(slices.Values(g), func(a, b grant) int { return cmp.Compare(a.rank, b.rank) })
	for _, one := range byRank {
		if told[one.container] {
			continue
		}
		told[one.container] = true
		group := one
		group.container = ""
		if containers[group] == nil {
			groups = append(groups, group)
		}
		containers[group] = append(containers[group], strconv.Quote(one.container))
	}
	parts := make([]string, len(groups))
	for i, group := range groups {
		whom := "container"
		if len(containers[group]) > 1 {
			whom = "containers"
		}
		parts[i] = fmt.Sprintf("LimitRange %q gives %s %s %s", group.limitRange, whom, strings.Join(containers[group], ", "), group.what)
	}
	return strings.Join(parts, ", and ")
}
