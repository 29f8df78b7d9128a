package policy_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// The policy of the highest rank decides, and the next one that would size the Pod is named, whatever
// they are matched by and however many others there are.
func TestSet_FirstAndSecond(t *testing.T) {
	const (
		sizes  = ", sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}"
		checks = ""
	)
	kinds := []string{"{podSelector: {}}", "{podSelector: {matchLabels: {app: web}}}", "{images: [r.example/app]}", "{images: ['r.example/*']}"}
	pod := policytest.ParsePod("{metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: r.example/app}]}}")
	var many []policy.Policy // that do not match
	for i := range 1100 {
		other := readPolicy(t, "{match: [{podSelector: {matchLabels: {app: other}}}], priority: 50"+sizes+"}")
		other.Name = fmt.Sprintf("other-%d", i)
		many = append(many, mustCompile(t, other))
	}
	for _, c := range []struct {
		rest          []string // of policy a, b and so on, from the highest priority
		first, second string
	}{
		{[]string{sizes}, "a", ""},
		{[]string{sizes, sizes}, "a", "b"},
		{[]string{sizes, checks}, "a", ""},
		{[]string{checks, sizes}, "a", "b"},
		{[]string{checks, checks, checks}, "a", ""},
		{[]string{sizes, checks, sizes}, "a", "c"},
		{[]string{sizes, sizes, sizes}, "a", "b"},
		{[]string{checks, sizes, sizes, checks}, "a", "b"},
	} {
		for shift := range kinds {
			for _, others := range []int{0, 60, 64, 200, 1020, 1100} {
				policies := slices.Clone(many[:others])
				for i, rest := range c.rest {
					source := readPolicy(t, fmt.Sprintf("{match: [%s], priority: %d%s}", kinds[(i+shift)%len(kinds)], 10-i, rest))
					source.Name = string(rune('a' + i))
					policies = append(policies, mustCompile(t, source))
				}
				if others < 1100 {
					slices.Reverse(policies)
				}
				e := policy.NewSet(append(policies, policy.Policy{})...).Evaluate(subjectOf(pod))
				want := fmt.Sprintf("policy %q also matches and is not applied, as policy %q comes first", c.second, c.first)
				if e.Policy != c.first || slices.Contains(e.Warnings, want) != (c.second != "") {
					t.Fatalf("%q, shifted by %d, among %d others: %s decides, warnings %q", c.rest, shift, others, e.Policy, e.Warnings)
				}
			}
		}
	}
}

// A policy of which several entries match counts once, and is no second one beside itself; the writers
// are the containers with an image of either.
func TestSet_SeveralEntriesMatch(t *testing.T) {
	figures := "resources: {limits: {memory: 512Mi}, requests: {memory: 64Mi}}"
	w := readWorld(t, "{match: [{podSelector: {matchLabels: {app: none}}}], priority: 1, sizing: {fixed: {size: 256Mi}}}",
		"{metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: r.example/a, "+figures+"}, {name: b, image: r.example/b, "+figures+"}, {name: c, image: r.example/c, "+figures+"}]}}", "", "")
	second := readPolicy(t, "{match: [{images: [r.example/a]}, {podSelector: {matchLabels: {app: web}}}, {images: ['r.example/b']}], sizing: {fixed: {size: 256Mi}}}")
	second.Name = "second"
	w.policies = append(w.policies, second)
	e, after := w.evaluate(t)
	if e.Policy != "second" || len(e.Warnings) > 0 {
		t.Errorf("want no warning, got %s", told(&e))
	}
	want := map[string]string{"a": "769Mi/320Mi", "b": "769Mi/64Mi", "c": "512Mi/64Mi"}
	if diff := cmp.Diff(want, figuresOf(after)); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, told(&e))
	}
}

// The identifiers never change.
func TestReason_ID(t *testing.T) {
	for i, reason := range []policy.Reason{
		"NoMount", "NotMemory", "Unbounded", "TooSmall", "NotWholePages", "ClampedByMemoryLimit", "OOMBeforeFull", "ReadOnly",
		"SubPath", "InvalidOverride", "NotExempt", "ExceedsQuota", "ExceedsLimitRange", "HostShm", "TooComplex",
	} {
		if want := fmt.Sprintf("SHM%03d", i+1); reason.ID() != want {
			t.Errorf("%s is %s, want %s", reason, reason.ID(), want)
		}
	}
	for _, reason := range []policy.Reason{"AddVolume", "Windows", ""} {
		if id := reason.ID(); id != "" {
			t.Errorf("%q is not a violation and has the identifier %s", reason, id)
		}
	}
}
