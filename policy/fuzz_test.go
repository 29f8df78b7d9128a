package policy_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// addRandom gives a fuzz target texts that are long enough to draw a whole Pod from.
func addRandom(f *testing.F) {
	source := rand.NewChaCha8([32]byte{1})
	for range 8 {
		text := make([]byte, 8<<10)
		_, _ = source.Read(text) // never fails
		f.Add(text)
	}
}

// FuzzEvaluate evaluates Pods that nobody would write: nothing panics, and a plan leaves nothing
// to do.
func FuzzEvaluate(f *testing.F) {
	f.Add(
		[]byte(
			`{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":"1"}}}]}}`,
		),
	)
	f.Add(
		[]byte(
			`{"metadata":{"annotations":{"shmkeeper.dev/injected":"{\"memory\":{\"\":{\"limit\":1}}}"}},"spec":{"containers":[{},{}],"volumes":[{},{"emptyDir":{"medium":"Memory"}}]}}`,
		),
	)
	f.Add(
		[]byte(
			`{"spec":{"initContainers":[{"restartPolicy":"Always","volumeMounts":[{"mountPath":"/dev/shm"}]}],"resources":{"limits":{"memory":"9223372036854775807"}}}}`,
		),
	)
	f.Add(
		[]byte(
			`{"spec":{"ephemeralContainers":[{"volumeMounts":[{"mountPath":"dev/shm"}]}],"volumes":[{"emptyDir":{"medium":"Memory","sizeLimit":"-1"}}]}}`,
		),
	)
	f.Add([]byte(`{"spec":{"containers":[]}}`))
	policies := []*v1alpha1.SharedMemoryPolicy{
		filesPolicy(
			"18",
			"168h",
			"1500",
			"",
			"",
		), fixedPolicy("256Mi"), fixedPolicy("256Mi"), fixedPolicy("256Mi"),
	}
	policies[1].Spec.Sizing = &v1alpha1.Sizing{MemoryPercent: &v1alpha1.MemoryPercent{Percent: 50}}
	policies[2].Spec.Existing = v1alpha1.ExistingSetLimit
	policies[3].Spec.Sizing = nil
	f.Fuzz(func(t *testing.T, text []byte) {
		var pod corev1.Pod
		if json.Unmarshal(text, &pod) != nil {
			t.Skip("not a Pod")
		}
		for _, p := range policies {
			w := &world{policies: []*v1alpha1.SharedMemoryPolicy{p}, pod: &pod}
			e, after := w.evaluate(t)
			if e.Outcome != policy.Mutated {
				continue
			}
			if again, _ := w.with(after).evaluate(t); again.Outcome != policy.Compliant ||
				len(again.Before) > 0 {
				t.Fatalf("after the plan (%s) the outcome is %s", e.Detail, w.told(&again))
			}
		}
	})
}

// FuzzOverrides reads quantities and durations as tenants write them.
func FuzzOverrides(f *testing.F) {
	f.Add("18", "168h", "1500", "512Mi")
	f.Add("1e400", "-5m", "1e400", "9999999999999999999")
	f.Add("0.000000001", "999999h", "1Pi", "1.5Gi")
	f.Add("٣", "7d", "0", "NaN")
	f.Add("999999999.999999999", "1ms", "1", "1")
	p := filesPolicy("18", "24h", "1500", "", "")
	p.Spec.Overrides = v1alpha1.OverridesAllowed
	raiseOnly := filesPolicy("18", "24h", "1500", "", "")
	f.Fuzz(func(t *testing.T, rate, retention, fileSize, sizeLimit string) {
		pod := podWithVolume("")
		pod.Annotations = map[string]string{
			v1alpha1.AnnotationFilesPerMinute: rate,
			v1alpha1.AnnotationRetention:      retention,
			v1alpha1.AnnotationFileSize:       fileSize,
			v1alpha1.AnnotationSizeLimit:      sizeLimit,
		}
		for _, p := range []*v1alpha1.SharedMemoryPolicy{p, raiseOnly} {
			e, _ := (&world{policies: []*v1alpha1.SharedMemoryPolicy{p}, pod: pod}).evaluate(t)
			if limit := e.Size.Limit; limit < 64*sizing.MiB || limit > 4*sizing.GiB ||
				limit%sizing.MiB != 0 {
				t.Fatalf("size %d is not whole MiB within the policy's bounds", limit)
			}
			if e.Size.MemoryCost < e.Size.Limit || e.Size.FullAfter < 0 ||
				e.Size.AverageUse > e.Size.Limit {
				t.Fatalf("impossible size: %+v", e.Size)
			}
			for _, v := range e.After {
				if v.Reason != policy.InvalidOverride && v.Reason != policy.NoMount ||
					p == raiseOnly {
					t.Fatalf("violation %v", v)
				}
			}
			if p == raiseOnly && e.Size.Limit < 131*sizing.MiB {
				t.Fatalf("an annotation lowers the size to %s", e.Size.Limit)
			}
		}
	})
}

// MountedSize is the kubelet's rule.
func TestMountedSize_IsTheKubelets(t *testing.T) {
	check(t, mountedSizes)
}

func FuzzMountedSize(f *testing.F) { fuzz(f, mountedSizes) }
