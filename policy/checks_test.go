package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/policy"
)

// reasonsOf lists violations as "Reason container".
func reasonsOf(violations []policy.Violation) []string {
	var out []string
	for _, v := range violations {
		out = append(out, strings.TrimSpace(string(v.Reason)+" "+v.Container))
	}
	return out
}

// All that is wrong with a Pod as it is, and no more. 256Mi cost 257Mi and 512Mi cost 514Mi; 32Mi
// are the reserve.
func TestEvaluate_Violations(t *testing.T) {
	const (
		fixed256   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}"
		require256 = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Require}}"
		require512 = "{match: [{podSelector: {}}], sizing: {fixed: {size: 512Mi}}, memory: {handling: Require}}"
		ignore512  = "{match: [{podSelector: {}}], sizing: {fixed: {size: 512Mi}}, memory: {handling: Ignore}}"
		two512     = "{match: [{podSelector: {}}], sizing: {fixed: {size: 512Mi}}, writers: {names: [a, b]}, memory: {handling: Require}}"
		setLimit   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, existing: SetLimit}"
	)
	// limits are "container limits" and volumes "volume sizeLimit", where a sizeLimit may be absent.
	pod := func(containers, volumes, rest string) string {
		return "{spec: {containers: [" + containers + "], volumes: [" + volumes + "]" + rest + "}}"
	}
	container := func(name, limit, mounts string) string {
		return "{name: " + name + ", resources: {limits: {memory: " + limit + "}, requests: {memory: 1Mi}}, volumeMounts: [" + mounts + "]}"
	}
	mount := func(volume, path string) string { return "{name: " + volume + ", mountPath: " + path + "}" }
	volume := func(name, size string) string {
		return "{name: " + name + ", emptyDir: {medium: Memory, sizeLimit: " + size + "}}"
	}
	unbounded := func(name string) string { return "{name: " + name + ", emptyDir: {medium: Memory}}" }

	for name, c := range map[string]struct {
		policy, pod string
		want        []string
	}{
		"memory: Ignore does not look at what the kubelet mounts": {
			ignore512, pod(container("web", "256Mi", mount("shm", "/dev/shm")), volume("shm", "512Mi"), ""), nil,
		},
		"a volume below the path is clamped without a word, as nothing there is required": {
			require512, pod(container("web", "256Mi", mount("cache", "/dev/shm/cache")), volume("cache", "512Mi"), ""),
			[]string{"NoMount web", "OOMBeforeFull web"},
		},
		"a volume at the path is clamped after one below it": {
			require512, pod(container("web", "256Mi", mount("cache", "/dev/shm/cache")+", "+mount("shm", "/dev/shm")), volume("cache", "64Mi")+", "+volume("shm", "512Mi"), ""),
			[]string{"ClampedByMemoryLimit", "OOMBeforeFull web"},
		},
		"what the kubelet mounts of a larger volume is as much as is required": {
			require256, pod(container("web", "256Mi", mount("shm", "/dev/shm")), volume("shm", "512Mi"), ""),
			[]string{"OOMBeforeFull web"},
		},
		"what the kubelet mounts of a larger volume is a byte less than is required": {
			require256, pod(container("web", "268435455", mount("shm", "/dev/shm")), volume("shm", "512Mi"), ""),
			[]string{"ClampedByMemoryLimit", "OOMBeforeFull web"},
		},
		"the second of two volumes is clamped": { // both limits together are 300Mi; 64Mi cost 65Mi
			two512, pod(container("a", "200Mi", mount("first", "/dev/shm"))+", "+container("b", "100Mi", mount("second", "/dev/shm")), volume("first", "64Mi")+", "+volume("second", "512Mi"), ""),
			[]string{"TooSmall a", "ClampedByMemoryLimit", "OOMBeforeFull b"},
		},
		"both of two volumes are clamped": {
			two512, pod(container("a", "200Mi", mount("first", "/dev/shm"))+", "+container("b", "100Mi", mount("second", "/dev/shm")), volume("first", "512Mi")+", "+volume("second", "512Mi"), ""),
			[]string{"ClampedByMemoryLimit", "ClampedByMemoryLimit", "OOMBeforeFull a", "OOMBeforeFull b"},
		},
		"a container that writes nothing may have less than the reserve": {
			require256, pod(container("web", "512Mi", mount("shm", "/dev/shm"))+", "+container("helper", "16Mi", ""), volume("shm", "256Mi"), ""), nil,
		},
		"a pod-level limit below the reserve is not held against a volume without sizeLimit": {
			require256, pod("{name: web, volumeMounts: ["+mount("shm", "/dev/shm")+"]}", unbounded("shm"), ", resources: {limits: {memory: 16Mi}}"), nil,
		},
		"SetLimit sets nothing below the path, and asks for nothing there": {
			setLimit, pod(container("web", "1Gi", mount("shm", "/dev/shm")+", "+mount("cache", "/dev/shm/cache")), volume("shm", "256Mi")+", "+unbounded("cache"), ""), nil,
		},
		"SetLimit asks for a sizeLimit at the path": {
			setLimit, pod(container("web", "1Gi", mount("shm", "/dev/shm")), unbounded("shm"), ""), []string{"Unbounded web"},
		},
		"what an init container mounts is not checked without sizing": {
			"{match: [{podSelector: {}}]}",
			"{spec: {initContainers: [{name: seed, volumeMounts: [" + mount("disk", "/dev/shm") + "]}], containers: [{name: web, volumeMounts: [" + mount("shm", "/dev/shm") + "]}], volumes: [{name: disk, emptyDir: {}}, " + volume("shm", "64Mi") + "]}}", nil,
		},
		"a volume that is exactly large enough, in a limit that is exactly high enough": {
			fixed256, pod(container("web", "289Mi", mount("shm", "/dev/shm")), volume("shm", "256Mi"), ""), nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, "", "")
			e, _ := w.evaluate(t)
			if diff := cmp.Diff(c.want, reasonsOf(e.Before)); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, w.told(&e))
			}
		})
	}
}

// Many violations are listed up to about 3 KiB, and the first of them whatever its length.
func TestDetails(t *testing.T) {
	long := func(n int) policy.Violation { return policy.Violation{Detail: strings.Repeat("x", n)} }
	for name, c := range map[string]struct {
		lengths []int
		want    []int // the lengths that are listed
		rest    string
	}{
		"one that is longer than the bound": {[]int{5000}, []int{5000}, ""},
		"two that just fit":                 {[]int{3000, 72}, []int{3000, 72}, ""},
		"two, a byte too long":              {[]int{3000, 73}, []int{3000}, "; and 1 more"},
		"a short one after the bound":       {[]int{3000, 73, 1}, []int{3000}, "; and 2 more"},
		"three short ones":                  {[]int{1, 2, 3}, []int{1, 2, 3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var violations []policy.Violation
			for _, n := range c.lengths {
				violations = append(violations, long(n))
			}
			var want []string
			for _, n := range c.want {
				want = append(want, strings.Repeat("x", n))
			}
			if got := policy.Details(violations); got != strings.Join(want, "; ")+c.rest {
				t.Errorf("got %d bytes ending in %q", len(got), got[max(0, len(got)-20):])
			}
		})
	}
}
