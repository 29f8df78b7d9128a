package policy_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// Of a hundred policies only those are tried that have something in common with the Pod: what the
// fewest policies ask for.
func TestSet_TriesFewPolicies(t *testing.T) {
	pod := policytest.ParsePod("{metadata: {labels: {app: app-7, tier: web, only-7: x}}, spec: {containers: [{name: web, image: 'ghcr.io/team-7/app-7:1'}]}}")
	for name, c := range map[string]struct {
		match string // %d is the number of the policy
		want  int
	}{
		"a label":                                 {"{podSelector: {matchLabels: {app: app-%d}}}", 1},
		"a label in a list":                       {"{podSelector: {matchExpressions: [{key: app, operator: In, values: [app-%d, other-%[1]d]}]}}", 1},
		"a label that exists":                     {"{podSelector: {matchExpressions: [{key: only-%d, operator: Exists}]}}", 1},
		"a label of the namespace":                {"{namespaceSelector: {matchLabels: {team: team-%d}}}", 1},
		"a label of the namespace that exists":    {"{namespaceSelector: {matchExpressions: [{key: only-%d, operator: Exists}]}}", 1},
		"an image":                                {"{images: [ghcr.io/team-7/app-%d]}", 1},
		"several images":                          {"{images: [ghcr.io/team-7/app-%d, ghcr.io/team-8/app-%[1]d]}", 1},
		"images of a team":                        {"{images: ['ghcr.io/team-%d/*']}", 1},
		"images of any registry":                  {"{images: ['*/team-7/app-%d']}", 1},
		"a label that many ask for, and an image": {"{podSelector: {matchLabels: {tier: web}}, images: [ghcr.io/team-7/app-%d]}", 1},
		"a label in a list with one that many ask for, and images": {"{podSelector: {matchExpressions: [{key: tier, operator: In, values: [web, own-%d]}]}, images: [ghcr.io/team-7/app-%[1]d, ghcr.io/team-8/app-%[1]d]}", 1},
		"an image that many ask for, and a label":                  {"{podSelector: {matchLabels: {app: app-%d}}, images: [ghcr.io/team-7/app-7]}", 1},
		"a label that many ask for, and one alone":                 {"{podSelector: {matchLabels: {tier: web, app: app-%d}}}", 1},
		"a label that many ask for":                                {"{podSelector: {matchLabels: {tier: web}}, images: ['*%d*']}", 100},
		"images of which nothing is known":                         {"{images: ['*/a[b]%d']}", 100},
		"a path":                                                   {"{tmpfsPaths: Detect, podSelector: {matchExpressions: [{key: app, operator: NotIn, values: ['%d']}]}}", 100},
	} {
		t.Run(name, func(t *testing.T) {
			var policies []policy.Policy
			for i := range 100 {
				source := readPolicy(t, fmt.Sprintf("{match: ["+c.match+"], sizing: {fixed: {size: 1Gi}}}", i))
				source.Name = fmt.Sprintf("p%d", i)
				policies = append(policies, mustCompile(t, source))
			}
			subject := subjectOf(pod)
			subject.NamespaceLabels = map[string]string{"team": "team-7", "only-7": "x"}
			if got := policy.Candidates(policy.NewSet(policies...), subject); got != c.want {
				t.Errorf("%d policies are tried, want %d", got, c.want)
			}
		})
	}
}

// An image matches whether its Pod has few containers or many, a name of up to 255 bytes, and an init
// container's does not, unless it is a sidecar.
func TestEvaluate_MatchesImages(t *testing.T) {
	name := func(length int) string { return "r.example/" + strings.Repeat("a", length-len("r.example/")) }
	for text, c := range map[string]struct {
		glob, image string
		want        bool
	}{
		"a name":                         {"r.example/app", "r.example/app:1", true},
		"another name":                   {"r.example/app", "r.example/app2", false},
		"a name that comes first":        {"r.example/app", "r.example/ap", false},
		"a glob":                         {"r.example/a*", "r.example/app@sha256:1", true},
		"a glob of another folder":       {"r.example/a*", "r.example/b", false},
		"a glob of a folder above":       {"r.example/*", "r.example/a/b", false},
		"a glob of a registry":           {"*/app", "r.example/app", true},
		"a glob of the last letter":      {"r.example/ap?", "r.example/app", true},
		"a glob that would be longer":    {"r.example/app?", "r.example/app", false},
		"a glob that ends in a text":     {"r.example/*-web", "r.example/a-web", true},
		"a glob that ends in another":    {"r.example/*-web", "r.example/a-db", false},
		"a glob of Docker Hub":           {"library/ngin*", "nginx", true},
		"a name of 255 bytes":            {"r.example/*", name(255), true},
		"a name of 256 bytes":            {"r.example/*", name(256), false},
		"a bracket":                      {"r.example/[ab]pp", "r.example/bpp", true},
		"a bracket without the letter":   {"r.example/[ab]pp", "r.example/cpp", false},
		"a glob behind every other name": {"z.example/*", "z.example/z", true},
	} {
		for _, others := range []int{0, 1, 31, 32, 40} {
			w := readWorld(t, "{match: [{images: ['"+c.glob+"']}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}", "{}", "", "")
			for i := range others {
				w.pod.Spec.Containers = append(w.pod.Spec.Containers, corev1.Container{Name: fmt.Sprintf("c%d", i), Image: fmt.Sprintf("s%d.example/x", i)})
			}
			w.pod.Spec.Containers = append(w.pod.Spec.Containers, corev1.Container{Name: "web", Image: c.image})
			if e, _ := w.evaluate(t); (e.Outcome == policy.Mutated) != c.want {
				t.Errorf("%s beside %d others: %s, want a match: %t", text, others, e.Outcome, c.want)
			}
		}
	}
	always := corev1.ContainerRestartPolicyAlways
	for text, c := range map[string]struct {
		policy *corev1.ContainerRestartPolicy
		want   policy.Outcome
	}{"an init container": {nil, policy.NotMatched}, "a sidecar": {&always, policy.Mutated}} {
		w := readWorld(t, "{match: [{images: ['r.example/app']}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}", "{spec: {containers: [{name: web}]}}", "", "")
		w.pod.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "r.example/app", RestartPolicy: c.policy}}
		if e, _ := w.evaluate(t); e.Outcome != c.want {
			t.Errorf("%s: %s, want %s", text, e.Outcome, c.want)
		}
	}
}

// A glob behind one that matches nothing is tried too, and each path of several policies for itself.
func TestEvaluate_MatchesTheNext(t *testing.T) {
	w := readWorld(t, "{match: [{images: ['r.example/none', 'r.example/no*', 'r.example/app']}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}", "{}", "", "")
	for i := range 40 {
		w.pod.Spec.Containers = append(w.pod.Spec.Containers, corev1.Container{Name: fmt.Sprintf("c%d", i), Image: "r.example/app"})
	}
	if e, _ := w.evaluate(t); e.Outcome != policy.Mutated {
		t.Errorf("the third of three globs: %s", told(&e))
	}

	w = readWorld(t, "{match: [{tmpfsPaths: Detect}], mountPath: /cache, sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}",
		"{spec: {containers: [{name: web, args: [/dev/shm/x], volumeMounts: [{name: disk, mountPath: /data}]}]}}", "", "")
	second := readPolicy(t, "{match: [{tmpfsPaths: Detect}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}")
	second.Name = "second"
	w.policies = append(w.policies, second)
	if e, _ := w.evaluate(t); e.Policy != "second" {
		t.Errorf("the path of the second policy: %s", told(&e))
	}
	w.policies[0].Spec.Match[0].TmpfsPaths, w.policies[1].Spec.Match[0].TmpfsPaths = "", ""
	w.policies[0].Spec.Match[0].Mounted, w.policies[1].Spec.Match[0].Mounted = ptr(true), ptr(true)
	w.policies[1].Spec.MountPath = "/data"
	if e, _ := w.evaluate(t); e.Policy != "second" {
		t.Errorf("what is mounted at the path of the second policy: %s", told(&e))
	}
}
