package policy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
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

// FuzzDecide decides over Pods that nobody would write.
func FuzzDecide(f *testing.F) {
	f.Add([]byte(`{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"main","resources":{"limits":{"memory":"1"}}}]}}`))
	f.Add([]byte(`{"metadata":{"annotations":{"shmkeeper.dev/injected":"{\"memory\":{\"\":{\"limit\":1}}}"}},"spec":{"containers":[{},{}],"volumes":[{},{"emptyDir":{"medium":"Memory"}}]}}`))
	f.Add([]byte(`{"spec":{"initContainers":[{"restartPolicy":"Always","volumeMounts":[{"mountPath":"/dev/shm"}]}],"resources":{"limits":{"memory":"9223372036854775807"}}}}`))
	f.Add([]byte(`{"spec":{"ephemeralContainers":[{"volumeMounts":[{"mountPath":"dev/shm"}]}],"volumes":[{"emptyDir":{"medium":"Memory","sizeLimit":"-1"}}]}}`))
	everything := &metav1.LabelSelector{}
	retention := v1alpha1.Duration("168h")
	percent := int32(50)
	var sets []policy.Set
	for _, sizing := range []v1alpha1.Sizing{
		{Files: &v1alpha1.Files{CreatedPerMinute: "18", Retention: &retention, FileSize: resource.MustParse("1500")}},
		{MemoryPercent: &percent},
	} {
		sets = append(sets, policy.NewSet(mustCompile(f, &v1alpha1.SharedMemoryPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "all"},
			Spec:       v1alpha1.SharedMemoryPolicySpec{Match: v1alpha1.Match{PodSelector: everything}, Sizing: sizing},
		})))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var pod corev1.Pod
		if json.Unmarshal(text, &pod) != nil {
			t.Skip("not a Pod")
		}
		for _, set := range sets {
			subject := subjectOf(pod.DeepCopy())
			d := set.Decide(subject)
			d.JSONPatch(subject)
			d.Apply(subject)
			if d.Outcome == policy.Mutated {
				if left := set.Check(subject); len(left) > 0 {
					t.Fatalf("after the mutation (%s) Check finds %v", d.Detail, left)
				}
				if again := set.Decide(subject); again.Outcome != policy.Compliant {
					t.Fatalf("after the mutation the outcome is %s: %s", again.Outcome, again.Detail)
				}
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
	retention := v1alpha1.Duration("24h")
	p := mustCompile(f, &v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "files"},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match:  v1alpha1.Match{PodSelector: &metav1.LabelSelector{}},
			Sizing: v1alpha1.Sizing{Files: &v1alpha1.Files{CreatedPerMinute: "18", Retention: &retention, FileSize: resource.MustParse("1500")}},
		},
	})
	set := policy.NewSet(p)
	f.Fuzz(func(t *testing.T, rate, retention, fileSize, sizeLimit string) {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}}
		pod.Annotations = map[string]string{
			v1alpha1.AnnotationFilesPerMinute: rate,
			v1alpha1.AnnotationRetention:      retention,
			v1alpha1.AnnotationFileSize:       fileSize,
			v1alpha1.AnnotationSizeLimit:      sizeLimit,
		}
		d := set.Decide(subjectOf(pod))
		if limit := d.Size.Limit; limit < 64*policy.MiB || limit > 4*policy.GiB || limit%policy.MiB != 0 {
			t.Fatalf("size %d is not whole MiB within the policy's bounds", limit)
		}
		if d.Size.Charge < d.Size.Limit || d.Size.FullAfter < 0 || d.Size.SteadyState > d.Size.Charge {
			t.Fatalf("impossible size: %+v", d.Size)
		}
		for _, v := range d.Violations {
			if v.Reason != policy.InvalidOverride {
				t.Fatalf("violation %v", v)
			}
		}
	})
}

// FuzzUnsizedShm tries to build a Pod that writes to an unsized /dev/shm, and yet
// passes Check.
func FuzzUnsizedShm(f *testing.F) { addRandom(f); f.Fuzz(rapid.MakeFuzz(checkUnsizedShm)) }

func TestNoPodWithAnUnsizedShmPassesCheck(t *testing.T) {
	passed.Store(0)
	rapid.Check(t, checkUnsizedShm)
	t.Log(passed.Load(), "Pods passed Check")
	if passed.Load() == 0 {
		t.Error("no Pod passed Check, so nothing was tested: mend the generators")
	}
}

// passed counts the Pods that passed Check.
var passed atomic.Int64

func checkUnsizedShm(t *rapid.T) {
	p := genPolicy(t, "p")
	p.Spec.Match = v1alpha1.Match{PodSelector: &metav1.LabelSelector{}}
	p.Spec.Exclude = nil
	p.Spec.Exemptions = v1alpha1.Denied
	set := policy.NewSet(mustCompile(t, p))
	pod := genPod(t)
	if maybe(t, "start from a Pod that complies") {
		makePlain(pod)
		set.Decide(subjectOf(pod)).Apply(subjectOf(pod))
		for range rapid.IntRange(0, 3).Draw(t, "spoil") {
			spoil(t, pod)
		}
	}
	if len(set.Check(subjectOf(pod))) > 0 {
		return
	}
	d := set.Decide(subjectOf(pod))
	if d.Outcome == policy.NotGoverned {
		return
	}
	passed.Add(1)
	if why := unsized(pod, p, d.Size); why != "" {
		t.Fatalf("Check finds nothing, and yet %s", why)
	}
}

// makePlain takes away what could stand in the way of a mutation.
func makePlain(pod *corev1.Pod) {
	pod.Annotations, pod.Spec.Volumes, pod.Spec.EphemeralContainers = nil, nil, nil
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			list[i].VolumeMounts = nil
		}
	}
}

// spoil changes something about /dev/shm or the memory of a Pod.
func spoil(t *rapid.T, pod *corev1.Pod) {
	list := pod.Spec.Containers
	if len(pod.Spec.InitContainers) > 0 && maybe(t, "spoil an init container") {
		list = pod.Spec.InitContainers
	}
	c := &list[rapid.IntRange(0, len(list)-1).Draw(t, "spoil container")]
	switch rapid.IntRange(0, 7).Draw(t, "spoil by") {
	case 7: // a record that claims the limit for itself
		limit := c.Resources.Limits.Memory().Value()
		pod.Annotations = map[string]string{v1alpha1.AnnotationInjected: fmt.Sprintf(
			`{"volume":"shmkeeper-shm","memory":{%q:{"limit":%d,"limitAdded":%d,"charge":%d}}}`, c.Name, limit, limit, limit)}
	case 0:
		c.VolumeMounts = append(c.VolumeMounts, genMounts(t, "another")...)
	case 1:
		c.VolumeMounts = genMounts(t, "other")
	case 2:
		c.Resources = genResources(t, "other")
	case 3:
		pod.Spec.Volumes = append(pod.Spec.Volumes, genVolume(t, pick(t, "another volume", "a", "d", "shmkeeper-shm")))
	case 4:
		for i := range pod.Spec.Volumes {
			if e := pod.Spec.Volumes[i].EmptyDir; e != nil {
				q := genQuantity(t, "other size")
				e.SizeLimit = &q
			}
		}
	case 5:
		r := genResources(t, "other pod")
		pod.Spec.Resources = &r
	case 6:
		pod.Spec.Containers = append(pod.Spec.Containers, genContainer(t, "late"))
	}
}

// unsized is how a Pod may write to a /dev/shm that is not as large as needed; the
// second opinion that Check is held against, written without the engine.
func unsized(pod *corev1.Pod, p *v1alpha1.SharedMemoryPolicy, size policy.Size) string {
	volumes := map[string]int64{}
	for _, c := range longRunning(pod) {
		if !named(p.Spec.Containers, c.Name) {
			continue
		}
		mounted := false
		for _, m := range c.VolumeMounts {
			if walk(m.MountPath) != "dev/shm" {
				continue
			}
			mounted = true
			if m.ReadOnly || m.SubPath != "" || m.SubPathExpr != "" {
				return c.Name + " mounts a part of it or cannot write"
			}
			volume := theOnly(pod, m.Name)
			if volume == nil || volume.EmptyDir == nil || volume.EmptyDir.Medium != "Memory" || volume.EmptyDir.SizeLimit == nil {
				return c.Name + " mounts something else or without a size"
			}
			tmpfs := volume.EmptyDir.SizeLimit.Value()
			if tmpfs <= 0 || tmpfs > 1<<50 {
				return c.Name + " mounts what has no bound"
			}
			if why := lessThanItsShare(pod, p, c, size, tmpfs); why != "" {
				return why
			}
			if p.Spec.Memory != v1alpha1.MemoryIgnore {
				if limit := cgroupLimit(pod); limit > 0 {
					tmpfs = min(tmpfs, limit)
				}
				volumes[m.Name] = tmpfs
				if limit := c.Resources.Limits.Memory().Value(); limit > 0 && limit < int64(size.ChargeOf(policy.Bytes(tmpfs))) {
					return c.Name + " is OOM-killed before the volume is full"
				}
			}
			if tmpfs < int64(size.Need) {
				return c.Name + " gets less than it needs"
			}
		}
		if !mounted {
			return c.Name + " mounts nothing"
		}
	}
	var all int64
	for _, tmpfs := range volumes {
		all = add(all, int64(size.ChargeOf(policy.Bytes(tmpfs))))
	}
	if r := pod.Spec.Resources; r != nil && r.Limits.Memory().Value() > 0 && r.Limits.Memory().Value() < all {
		return "the Pod is OOM-killed before the volumes are full"
	}
	return ""
}

// lessThanItsShare is what is wrong with a volume that is to be a share of the
// container's memory, whatever the Pod's annotations say: of the limit without
// what a mutation can have added for this volume.
func lessThanItsShare(pod *corev1.Pod, p *v1alpha1.SharedMemoryPolicy, c corev1.Container, size policy.Size, tmpfs int64) string {
	limit := c.Resources.Limits.Memory().Value()
	_, overridden := pod.Annotations[v1alpha1.AnnotationSizeLimit]
	if p.Spec.Sizing.MemoryPercent == nil || limit <= 0 || overridden {
		return ""
	}
	own := policy.Bytes(limit).Minus(size.ChargeOf(policy.Bytes(tmpfs)))
	share := own.Percent(int64(*p.Spec.Sizing.MemoryPercent))
	if most := p.Spec.Sizing.Max; most != nil {
		share = min(share, policy.BytesOf(*most))
	} else {
		share = min(share, 4*policy.GiB)
	}
	if policy.Bytes(tmpfs) < share {
		return c.Name + " gets less than its share"
	}
	return ""
}

func named(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return len(patterns) == 0
}

func longRunning(pod *corev1.Pod) []corev1.Container {
	var out []corev1.Container
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil {
			out = append(out, c)
		}
	}
	return append(out, pod.Spec.Containers...)
}

// walk is where a path leads, from the root, without its first slash.
func walk(path string) string {
	var at []string
	for _, part := range strings.Split(path, "/") {
		switch part {
		case "", ".":
		case "..":
			at = at[:max(0, len(at)-1)]
		default:
			at = append(at, part)
		}
	}
	return strings.Join(at, "/")
}

func theOnly(pod *corev1.Pod, name string) *corev1.Volume {
	var found *corev1.Volume
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].Name == name {
			if found != nil {
				return nil
			}
			found = &pod.Spec.Volumes[i]
		}
	}
	return found
}

// cgroupLimit is the Pod's memory limit in the plainest reading: the pod-level one,
// or the sum over the long-running containers if every container has one, or what
// the neediest init container has with all sidecars before it.
func cgroupLimit(pod *corev1.Pod) int64 {
	overhead := pod.Spec.Overhead.Memory().Value()
	if r := pod.Spec.Resources; r != nil && r.Limits.Memory().Value() > 0 {
		return add(r.Limits.Memory().Value(), overhead)
	}
	var running, starting, sidecars int64
	for _, c := range pod.Spec.InitContainers {
		limit := c.Resources.Limits.Memory().Value()
		if limit == 0 {
			return 0
		}
		if c.RestartPolicy != nil {
			sidecars = add(sidecars, limit)
			starting = max(starting, sidecars)
		} else {
			starting = max(starting, add(sidecars, limit))
		}
	}
	running = sidecars
	for _, c := range pod.Spec.Containers {
		limit := c.Resources.Limits.Memory().Value()
		if limit == 0 {
			return 0
		}
		running = add(running, limit)
	}
	return add(max(running, starting), overhead)
}

func add(a, b int64) int64 {
	if a+b < a {
		return 1<<63 - 1
	}
	return a + b
}
