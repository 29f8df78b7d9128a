package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The laws of docs: what holds for every Pod under every policy. Each is a property with the kinds
// of cases that it must have met, and a target for the fuzzer.

type fataler interface{ Fatalf(string, ...any) }

func mustCompile(t fataler, source *v1alpha1.SharedMemoryPolicy) policy.Policy {
	p, errs := policy.Compile(source)
	if len(errs) > 0 {
		t.Fatalf("compile %q: %v", source.Name, errs.ToAggregate())
	}
	return p
}

func (w *world) set(t fataler) policy.Set {
	var compiled []policy.Policy
	for _, p := range w.policies {
		compiled = append(compiled, mustCompile(t, p))
	}
	return policy.NewSet(compiled...)
}

// subjectOf returns a Pod as a subject, in the namespace of genWorld.
func subjectOf(pod *corev1.Pod) policy.Subject {
	s, _ := policy.NewSubject(pod)
	s.NamespaceLabels = map[string]string{"app": "b", "team": "x"}
	return s
}

func (w *world) subject() policy.Subject {
	s := subjectOf(w.pod)
	s.NamespaceLabels, s.LimitRanges, s.ResourceQuotas = w.namespace, w.limitRanges, w.quotas
	return s
}

// with returns the world with another Pod.
func (w *world) with(pod *corev1.Pod) *world {
	out := *w
	out.pod = pod
	return &out
}

// evaluation is a policy.Evaluation with its violations worked out.
type evaluation struct {
	Outcome  policy.Outcome
	Reason   policy.Reason
	Detail   string
	Policy   string
	Mode     v1alpha1.Mode
	Guess    bool
	Size     sizing.Size
	Before   []policy.Violation
	Plan     policy.Plan
	After    []policy.Violation
	Warnings []string
}

func evaluate(set policy.Set, subject policy.Subject) evaluation {
	e := set.Evaluate(subject)
	return evaluation{
		Outcome: e.Outcome, Reason: e.Reason, Detail: e.Detail, Policy: e.Policy, Mode: e.Mode, Guess: e.Guess,
		Size: e.Size, Before: e.Before(), Plan: e.Plan, After: e.After, Warnings: e.Warnings,
	}
}

// evaluate evaluates the Pod and returns it with the plan applied, as an API server does it.
func (w *world) evaluate(t fataler) (evaluation, *corev1.Pod) {
	subject := w.subject()
	e := evaluate(w.set(t), subject)
	return e, patched(t, w.pod, e.Plan, subject)
}

// patched returns a Pod with a plan applied to its JSON.
func patched(t fataler, pod *corev1.Pod, plan policy.Plan, subject policy.Subject) *corev1.Pod {
	ops := plan.Patch(subject)
	if len(ops) == 0 {
		return pod.DeepCopy()
	}
	original, err := json.Marshal(pod)
	if err != nil {
		t.Fatalf("%v", err)
	}
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatalf("%v", err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	after, err := patch.Apply(original)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var out corev1.Pod
	if err := json.Unmarshal(after, &out); err != nil {
		t.Fatalf("%v", err)
	}
	return &out
}

// told describes an evaluation, and what was evaluated, for a failure.
func (w *world) told(e *evaluation) string {
	out := told(e)
	for _, p := range w.policies {
		text, _ := json.Marshal(p.Spec)
		out += fmt.Sprintf("\npolicy %s %s", p.Name, text)
	}
	for _, part := range []any{w.pod.Annotations, w.pod.Labels, w.pod.Spec, w.limitRanges, w.quotas} {
		text, _ := json.Marshal(part)
		out += "\n" + string(text[:min(len(text), 4000)])
	}
	return out
}

// told describes an evaluation for a failure.
func told(e *evaluation) string {
	return fmt.Sprintf(
		"%s, %s by %q: %s\nbefore %v\nafter %v\nwarnings %q",
		e.Outcome,
		e.Reason,
		e.Policy,
		e.Detail,
		e.Before,
		e.After,
		e.Warnings,
	)
}

func has(violations []policy.Violation, reason policy.Reason) bool {
	return slices.ContainsFunc(
		violations,
		func(v policy.Violation) bool { return v.Reason == reason },
	)
}

// equal compares Pods and figures by what they mean.
func equal(a, b any) string {
	return cmp.Diff(a, b, cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 }))
}

func container(pod *corev1.Pod, name string) *corev1.Container {
	for _, c := range notEphemeral(pod) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Law 1: what was shared stays shared, and what was apart stays apart.

func sharedStaysShared(t *rapid.T, r *reached) {
	weights := usual
	weights.init, weights.sidecar, weights.second, weights.at, weights.otherPath = 9, 6, 9, 4, 5
	weights.wild, weights.nothing, weights.skipped, weights.node = 1, 1, 0, 0
	weights.onlyMem, weights.noSizing, weights.overrides, weights.guess = 1, 0, 1, 1
	w := genWorld(t, weights)
	e, after := w.evaluate(t)
	p, _ := w.deciding()
	if p == nil {
		return
	}
	mountPath := mountPathOf(p)
	writers := w.writers(p)
	given := map[string]bool{}
	for _, c := range notEphemeral(w.pod) {
		now := container(after, c.Name)
		if diff := cmp.Diff(c.VolumeMounts, now.VolumeMounts[:min(len(c.VolumeMounts), len(now.VolumeMounts))], cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the mounts of %q have changed:\n%s", c.Name, diff)
		}
		added := now.VolumeMounts[len(c.VolumeMounts):]
		given[c.Name] = len(added) > 0
		switch {
		case len(added) > 1 || len(added) == 1 && !at(added[0].MountPath, mountPath):
			t.Fatalf("%q gets the mounts %v", c.Name, added)
		case len(added) == 1 && len(mountsAt(c, mountPath)) > 0:
			t.Fatalf("%q gets a second mount at %s", c.Name, mountPath)
		case len(added) == 1 && mountPath != "/dev/shm" && !writers[c.Name]:
			t.Fatalf("%q gets a mount at %s and is not a writer\n%s", c.Name, mountPath, w.told(&e))
		case len(added) == 1 && volume(w.pod, added[0].Name) != nil:
			t.Fatalf("%q gets volume %q, which others mount by themselves", c.Name, added[0].Name)
		}
	}
	if mountPath == "/dev/shm" {
		group := 0
		writes := false
		for _, a := range notEphemeral(w.pod) {
			if deviceAt(a, mountPath) {
				continue
			}
			if len(mountsAt(a, mountPath)) == 0 {
				group++
				writes = writes || writers[a.Name]
			}
			for _, b := range notEphemeral(w.pod) {
				if deviceAt(b, mountPath) {
					continue
				}
				was := shares(a, mountPath) == shares(b, mountPath)
				is := shares(
					container(after, a.Name),
					mountPath,
				) == shares(
					container(after, b.Name),
					mountPath,
				)
				if was != is {
					t.Fatalf(
						"%q and %q share %s: %t, and afterwards %t\n%s",
						a.Name,
						b.Name,
						mountPath,
						was,
						is,
						w.told(&e),
					)
				}
			}
		}
		if len(given) > 0 && slices.Contains(slices.Collect(maps.Values(given)), true) && !writes {
			t.Fatalf("a group without a writer gets a volume\n%s", w.told(&e))
		}
	}
	any := slices.Contains(slices.Collect(maps.Values(given)), true)
	some := func(is func(c *corev1.Container) bool) bool {
		return slices.ContainsFunc(notEphemeral(w.pod), is)
	}
	r.Count(t, "a volume is added", any)
	r.Count(t, "an init container gets it", given["seed"] && mountPath == "/dev/shm")
	r.Count(t, "a sidecar gets it", given["proxy"] && mountPath == "/dev/shm")
	r.Count(
		t,
		"a container that does not write gets it",
		some(func(c *corev1.Container) bool { return given[c.Name] && !writers[c.Name] }),
	)
	r.Count(
		t,
		"a container keeps a volume of its own beside it",
		any && some(func(c *corev1.Container) bool { return len(mountsAt(c, mountPath)) > 0 }),
	)
	r.Count(t, "it is below another path than /dev/shm", any && mountPath != "/dev/shm")
	r.Count(
		t,
		"the group has no writer",
		mountPath == "/dev/shm" && !some(func(c *corev1.Container) bool {
			return writers[c.Name] && len(mountsAt(c, mountPath)) == 0
		}),
	)
}

func TestEvaluate_SharedStaysShared(t *testing.T) { check(t, sharedStaysShared) }
func FuzzLaw1(f *testing.F)                       { fuzz(f, sharedStaysShared) }

// Law 2: nothing gets smaller.

func neverSmaller(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.wild, weights.crio, weights.nothing, weights.skipped = 9, 0, 8, 1, 0
	weights.odd, weights.twice, weights.unbounded, weights.noSizing, weights.guess = 0, 0, 10, 0, 0
	weights.init, weights.sidecar, weights.second, weights.device, weights.remount = 3, 2, 4, 0, 1
	weights.overrides, weights.named, weights.otherPath, weights.beside = 0, 3, 2, 1
	w := genWorld(t, weights)
	if odds(t, "any Pod", 11) {
		w.policies[0].Spec.Match = append(
			w.policies[0].Spec.Match,
			v1alpha1.Match{PodSelector: &metav1.LabelSelector{}},
		)
	}
	w.policies[0].Spec.Mutation = ""
	w.policies[0].Spec.Existing = pick(
		t,
		"existing",
		v1alpha1.ExistingSetLimit,
		v1alpha1.ExistingSetLimit,
		v1alpha1.ExistingEnlarge,
		v1alpha1.ExistingLeave,
	)
	e, after := w.evaluate(t)
	p, _ := w.deciding()
	if p == nil {
		return
	}
	mountPath := mountPathOf(p)
	larger, setLimit := false, false
	for i, v := range w.pod.Spec.Volumes {
		now := after.Spec.Volumes[i]
		was, is := sizeLimit(v.EmptyDir), sizeLimit(now.EmptyDir)
		if was > 0 && is < was {
			t.Fatalf("the sizeLimit of %q falls from %d to %d\n%s", v.Name, was, is, w.told(&e))
		}
		if was == 0 && is > 0 {
			if existingOf(p) != v1alpha1.ExistingSetLimit {
				t.Fatalf(
					"%q gets a sizeLimit under existing: %s\n%s",
					v.Name,
					existingOf(p),
					w.told(&e),
				)
			}
			setLimit = true
			if bound := podLimit(w.pod); bound > 0 && !saysSize(e.Detail, bound) {
				t.Fatalf("the message does not say that it was up to %d\n%s", bound, w.told(&e))
			}
			if !saysSize(e.Detail, is) {
				t.Fatalf("the message does not name the new size %d\n%s", is, w.told(&e))
			}
		}
		larger = larger || is > was && was > 0
		if now.EmptyDir != nil && v.EmptyDir != nil {
			now.EmptyDir = now.EmptyDir.DeepCopy()
			now.EmptyDir.SizeLimit = v.EmptyDir.SizeLimit
		}
		if diff := equal(v, now); diff != "" {
			t.Fatalf("volume %q becomes another:\n%s", v.Name, diff)
		}
	}
	added := false
	for _, c := range notEphemeral(w.pod) {
		now := container(after, c.Name)
		added = added || len(now.VolumeMounts) > len(c.VolumeMounts)
		was, known := effective(w.pod, c, mountPath)
		if !known {
			continue
		}
		is, stillKnown := effective(after, now, mountPath)
		if unbounded := existingOf(p) == v1alpha1.ExistingSetLimit && slices.ContainsFunc(mountsAt(c, mountPath), func(m corev1.VolumeMount) bool {
			e := memoryVolume(w.pod, m.Name)
			return e != nil && sizeLimit(e) == 0
		}); unbounded {
			continue
		}
		if !stillKnown || is < was {
			t.Fatalf(
				"%q finds %d bytes at %s, and %d afterwards\n%s",
				c.Name,
				was,
				mountPath,
				is,
				w.told(&e),
			)
		}
	}
	r.Count(t, "a volume is added", added)
	r.Count(t, "a volume is enlarged", larger)
	r.Count(t, "an unbounded volume gets a limit", setLimit)
	r.Count(
		t,
		"CRI-O's annotation asks for more than the policy",
		added && crioSize(w.pod) > 64*mib,
	)
	r.Count(t, "the Pod's memory limit bounds what is mounted", added && podLimit(w.pod) > 0)
	r.Count(t, "a volume is left that is larger than needed", e.Outcome == policy.Compliant)
}

// saysSize reports whether a message names a size: exactly, or to a tenth of a unit.
func saysSize(message string, size int64) bool {
	return slices.ContainsFunc(strings.Fields(message), func(word string) bool {
		word = strings.TrimRight(word, ",:;")
		q, err := resource.ParseQuantity(word)
		if err != nil {
			return false
		}
		off := max(q.Value()-size, size-q.Value())
		return off == 0 || strings.Contains(word, ".") && off <= size/10
	})
}

func TestEvaluate_NeverSmaller(t *testing.T) { check(t, neverSmaller) }
func FuzzLaw2(f *testing.F)                  { fuzz(f, neverSmaller) }

// Law 3: what a volume costs is paid once, by those who write to it.

// volumesOf returns the Memory emptyDirs with a size limit that a container mounts at or below the
// path, by name.
func volumesOf(pod *corev1.Pod, c *corev1.Container, mountPath string) map[string]int64 {
	out := map[string]int64{}
	for _, m := range slices.Concat(mountsAt(c, mountPath), mountsBelow(c, mountPath)) {
		if size := sizeLimit(memoryVolume(pod, m.Name)); size > 0 {
			out[m.Name] = size
		}
	}
	return out
}

// raise is what the volumes of one memory limit cost, in whole MiB, and use.
type raise struct {
	before, after       int64
	useBefore, useAfter int64
	volumes             int
}

// payable returns the largest volume that the policy pays for: nobody gets more memory by a larger
// sizeLimit or by an annotation for the runtime.
func payable(p *v1alpha1.SharedMemoryPolicy, required int64) int64 {
	size := modelOf(p).limit(required)
	if mountPathOf(p) == "/dev/shm" {
		return max(size, runtimeShm)
	}
	return size
}

// raiseFor returns what some volumes of a Pod cost before and after a plan.
func raiseFor(
	p *v1alpha1.SharedMemoryPolicy,
	required int64,
	had, have map[string]int64,
) raise {
	var out raise
	m := modelOf(p)
	for name, size := range have {
		was, is := min(had[name], payable(p, required)), min(size, payable(p, required))
		out.after = plus(out.after, up(m.cost(is), mib))
		out.before = plus(out.before, up(m.cost(was), mib))
		out.useAfter = plus(out.useAfter, m.use(is, required))
		out.useBefore = plus(out.useBefore, m.use(was, required))
		out.volumes++
	}
	return out
}

// limit returns the raised limit.
func (a raise) limit(l, reserve int64, counted bool) int64 {
	if counted {
		return max(l, up(plus(a.after, reserve), mib))
	}
	return max(l, down(l, mib)+a.after-a.before, up(plus(a.after, reserve), mib))
}

// isRequest reports whether a request is the one that is wanted, as it is written: in whole MiB,
// rounded up, and below the limit if it was, which keeps the QoS class. A request that was not
// whole MiB may be rounded before or after what is added.
func isRequest(got, was, want, limit, oldLimit int64) bool {
	if want == was {
		return got == was
	}
	want = up(want, mib)
	if limit > 0 && was < oldLimit && want >= limit {
		return got == limit-mib || got == was
	}
	if limit > 0 {
		want = min(want, limit)
	}
	return got == want || was%mib != 0 && got >= want-mib && got <= want+mib
}

func paidOnce(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.wild, weights.odd, weights.twice, weights.below = 7, 0, 0, 0, 1
	weights.nothing, weights.skipped, weights.node, weights.device, weights.remount = 1, 0, 0, 0, 0
	weights.guess, weights.named, weights.noSizing, weights.overrides, weights.ours = 0, 8, 0, 0, 3
	weights.onlyMem, weights.podLevel, weights.guaranteed, weights.vpa, weights.unset = 1, 5, 4, 6, 2
	w := genWorld(t, weights)
	p := w.policies[0]
	if r := &container(w.pod, "web").Resources; memoryLimit(r) > 0 && w.pod.Spec.Resources == nil &&
		odds(t, "a low limit", 6) {
		*r = corev1.ResourceRequirements{
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")},
			Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")},
		}
	}
	if odds(t, "all containers write", 5) {
		p.Spec.Writers = &v1alpha1.Writers{Names: []string{"*"}}
	}
	p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	p.Spec.Exclude, p.Spec.Mutation = nil, ""
	e, after := w.evaluate(t)
	mountPath, writers := mountPathOf(p), w.writers(p)
	required, sized := w.required(p)
	if e.Outcome != policy.Mutated {
		if diff := equal(w.pod, after); diff != "" {
			t.Fatalf("not mutated, and changed:\n%s", diff)
		}
	}
	byVPA := w.pod.Annotations["vpaUpdates"] != ""
	guaranteed := qos(w.pod) == corev1.PodQOSGuaranteed
	bestEffort := !anyNamesMemory(w.pod) && w.pod.Spec.Resources == nil
	podLevel := w.pod.Spec.Resources != nil
	charged := map[string]bool{}
	had, have := map[string]int64{}, map[string]int64{}
	var several, byReserve, stays, requestOnly, raised bool
	for _, c := range notEphemeral(w.pod) {
		now := container(after, c.Name)
		if !writers[c.Name] || bestEffort {
			if diff := equal(c.Resources, now.Resources); diff != "" {
				t.Fatalf("the figures of %q change:\n%s%s", c.Name, diff, w.told(&e))
			}
			continue
		}
		before, volumes := volumesOf(w.pod, c, mountPath), volumesOf(after, now, mountPath)
		maps.Copy(had, before)
		maps.Copy(have, volumes)
		if !sized {
			continue
		}
		first := map[string]int64{}
		for name, size := range volumes {
			if !charged[name] {
				first[name] = size
			}
			charged[name] = true
		}
		several = several || len(first) < len(volumes)
		a := raiseFor(p, required, before, volumes)
		use := raiseFor(p, required, before, first)
		vpa := byVPA && !isInit(w.pod, c)
		l, is := memoryLimit(&c.Resources), memoryLimit(&now.Resources)
		if l == 0 && is != 0 {
			t.Fatalf("%q gets a memory limit\n%s", c.Name, w.told(&e))
		}
		if l > 0 && a.volumes <= 1 && e.Outcome == policy.Mutated {
			want := a.limit(l, reserveOf(p), vpa)
			if a.after == 0 {
				want = l
			}
			if is != want {
				t.Fatalf(
					"the limit of %q goes from %d to %d, want %d (%+v)\n%s",
					c.Name,
					l,
					is,
					want,
					a,
					w.told(&e),
				)
			}
		}
		raised = raised || is > l
		byReserve = byReserve ||
			is > l && is == up(a.after+reserveOf(p), mib) && is > down(l, mib)+a.after-a.before
		stays = stays || l > 0 && is == l && a.volumes > 0
		was, request := effectiveRequest(&c.Resources), effectiveRequest(&now.Resources)
		want := was + use.useAfter - use.useBefore
		if vpa {
			want = was
		}
		requestOnly = requestOnly || l == 0 && request > was
		_, written := c.Resources.Requests[corev1.ResourceMemory]
		switch {
		case e.Outcome != policy.Mutated:
		case guaranteed && !podLevel:
			if request != is {
				t.Fatalf(
					"%q of a Guaranteed Pod has a request of %d and a limit of %d\n%s",
					c.Name,
					request,
					is,
					w.told(&e),
				)
			}
		case !written && l > 0 && request == is:
			// The request is still not written, and so the limit.
		case !written && l == 0 && podLevel && request == 0:
			// The pod-level request is there for all.
		default:
			if !isRequest(request, was, want, is, l) &&
				!(!written && want == was && request == up(was, mib)) {
				t.Fatalf(
					"the request of %q goes from %d to %d, want %d (%+v)\n%s",
					c.Name,
					was,
					request,
					want,
					use,
					w.told(&e),
				)
			}
		}
	}
	if r := w.pod.Spec.Resources; r != nil && sized && e.Outcome == policy.Mutated {
		a := raiseFor(p, required, had, have)
		l, is := memoryLimit(r), memoryLimit(after.Spec.Resources)
		if want := a.limit(l, reserveOf(p), false); l > 0 && a.volumes == 1 && !byVPA &&
			is != want {
			t.Fatalf(
				"the pod-level limit goes from %d to %d, want %d (%+v)\n%s",
				l,
				is,
				want,
				a,
				w.told(&e),
			)
		}
		if l == 0 && is != 0 {
			t.Fatalf("the Pod gets a pod-level limit\n%s", w.told(&e))
		}
		if request, written := r.Requests[corev1.ResourceMemory]; written && !byVPA && !guaranteed {
			was, now := bytesOf(
				request,
			), bytesOf(
				after.Spec.Resources.Requests[corev1.ResourceMemory],
			)
			want := was + a.useAfter - a.useBefore
			if rounding := int64(a.volumes-1) * mib; !isRequest(now, was, want, is, l) &&
				now != up(was, mib) &&
				(now < want-rounding || now > up(want, mib)+rounding || rounding <= 0) {
				t.Fatalf(
					"the pod-level request goes from %d to %d, want %d (%+v)\n%s",
					was,
					now,
					want,
					a,
					w.told(&e),
				)
			}
		}
	}
	mutated := e.Outcome == policy.Mutated
	r.Count(t, "a limit is raised", mutated && raised)
	r.Count(t, "by the reserve", mutated && byReserve)
	r.Count(t, "a limit is enough and stays", mutated && stays)
	r.Count(
		t,
		"a volume that was there gets larger",
		mutated &&
			slices.ContainsFunc(
				slices.Collect(maps.Keys(had)),
				func(name string) bool { return had[name] > 0 && have[name] > had[name] },
			),
	)
	r.Count(t, "several writers share it", mutated && several)
	r.Count(t, "a request is raised without a limit", mutated && requestOnly)
	r.Count(t, "pod-level figures", mutated && podLevel)
	r.Count(t, "Guaranteed", mutated && guaranteed)
	r.Count(t, "BestEffort", mutated && bestEffort)
	r.Count(t, "figures by a vertical autoscaler", mutated && byVPA && raised)
	r.Count(t, "some container does not write", mutated && len(writers) < len(notEphemeral(w.pod)))
}

func TestEvaluate_PaidOnce(t *testing.T) { check(t, paidOnce) }
func FuzzLaw3(f *testing.F)              { fuzz(f, paidOnce) }

// The examples of the formulas, with the incident's policy: 897Mi that cost 1164Mi.
func TestEvaluate_TheRaise(t *testing.T) {
	for name, c := range map[string]struct{ own, limit, want string }{
		"no volume": {"", "256Mi", "1420Mi"},
		"a volume of its own with too low a limit": {"897Mi", "1163Mi", "1196Mi"},
		"a volume of its own with a limit":         {"897Mi", "2048Mi", "2048Mi"},
		"the limit is just enough":                 {"897Mi", "1196Mi", "1196Mi"},
		"a limit that is not whole MiB":            {"", "300M", "1450Mi"},
		"a smaller volume":                         {"512Mi", "1Gi", "1524Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{
				policies: []*v1alpha1.SharedMemoryPolicy{filesPolicy("18", "168h", "1500", "", "")},
				pod:      &corev1.Pod{},
			}
			web := corev1.Container{Name: "web", Resources: corev1.ResourceRequirements{
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(c.limit)},
				Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
			}}
			if c.own != "" {
				web.VolumeMounts = []corev1.VolumeMount{{Name: "shm", MountPath: "/dev/shm"}}
				w.pod.Spec.Volumes = []corev1.Volume{
					{Name: "shm", VolumeSource: corev1.VolumeSource{
						EmptyDir: &corev1.EmptyDirVolumeSource{
							Medium:    corev1.StorageMediumMemory,
							SizeLimit: quantity(c.own),
						},
					}},
				}
			}
			w.pod.Spec.Containers = []corev1.Container{web}
			e, after := w.evaluate(t)
			if got := after.Spec.Containers[0].Resources.Limits.Memory().String(); quantity(
				got,
			).Cmp(*quantity(c.want)) !=
				0 {
				t.Errorf("the limit becomes %s, want %s\n%s", got, c.want, w.told(&e))
			}
		})
	}
}

// The raised limit grows by at most one MiB for each MiB of limit, and never falls.
func raiseIsMonotone(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.wild, weights.odd, weights.nothing, weights.guaranteed = 7, 0, 0, 0, 1
	weights.twice, weights.spelled, weights.unbounded, weights.unset = 0, 1, 0, 0
	weights.skipped, weights.node, weights.device, weights.noSizing, weights.onlyMem = 0, 0, 0, 0, 1
	weights.unaligned, weights.overrides, weights.guess = 0, 0, 0
	w := genWorld(t, weights)
	if w.policies[0].Spec.Sizing.MemoryPercent != nil {
		w.policies[0].Spec.Sizing = &v1alpha1.Sizing{
			Fixed: &v1alpha1.Fixed{Size: resource.MustParse("256Mi")},
		}
	}
	w.policies[0].Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	w.policies[0].Spec.Mutation = ""
	step := mib * int64(rapid.IntRange(1, 4096).Draw(t, "more"))
	if r := &container(w.pod, "web").Resources; memoryLimit(r) > 0 && w.pod.Spec.Resources == nil &&
		odds(t, "a low limit", 6) {
		r.Limits[corev1.ResourceMemory], r.Requests = resource.MustParse("16Mi"), nil
	}
	more := w.with(w.pod.DeepCopy())
	web := container(more.pod, "web")
	if memoryLimit(&web.Resources) == 0 {
		return
	}
	fillIn(more.pod)
	grow := func(r *corev1.ResourceRequirements) {
		r.Limits[corev1.ResourceMemory] = *resource.NewQuantity(memoryLimit(r)+step, resource.BinarySI)
	}
	if guaranteed := qos(w.pod) == corev1.PodQOSGuaranteed; guaranteed {
		web.Resources.Requests[corev1.ResourceMemory] = *resource.NewQuantity(memoryLimit(&web.Resources)+step, resource.BinarySI)
	}
	grow(&web.Resources)
	if r := more.pod.Spec.Resources; r != nil && memoryLimit(r) > 0 {
		grow(r)
	}
	first, low := w.evaluate(t)
	second, high := more.evaluate(t)
	if first.Outcome == policy.Violating || second.Outcome == policy.Violating {
		return
	}
	was, is := memoryLimit(
		&container(low, "web").Resources,
	), memoryLimit(
		&container(high, "web").Resources,
	)
	if is < was || is-was > step {
		t.Fatalf(
			"with %d more the raised limit goes from %d to %d\n%s\n%s",
			step,
			was,
			is,
			w.told(&first),
			w.told(&second),
		)
	}
	r.Count(
		t,
		"both are raised",
		first.Outcome == policy.Mutated && second.Outcome == policy.Mutated,
	)
	r.Count(t, "the raise differs", is-was < step)
}

func TestEvaluate_TheRaiseIsMonotone(t *testing.T) { check(t, raiseIsMonotone) }
func FuzzLaw3Monotone(f *testing.F)                { fuzz(f, raiseIsMonotone) }

// Law 4: a limit is enough if it holds what the volume costs and the reserve.

func roomForTheProcess(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.below, weights.wild, weights.odd, weights.twice = 10, 4, 1, 0, 0
	weights.nothing, weights.skipped, weights.node, weights.device, weights.remount = 0, 0, 0, 0, 0
	weights.guess, weights.overrides, weights.podLevel, weights.below, weights.vpa = 0, 0, 5, 7, 1
	weights.noSizing = 0
	w := genWorld(t, weights)
	p := w.policies[0]
	if odds(t, "memory: Ignore", 9) {
		p.Spec.Memory.Handling = v1alpha1.MemoryIgnore
	}
	p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	p.Spec.Exclude = nil
	mountPath, m, writers := mountPathOf(p), modelOf(p), w.writers(p)
	required, sized := w.required(p)
	boundary := false
	switch {
	case odds(t, "at the boundary", 8):
		boundary = w.toBoundary(p, pick[int64](t, "off by", -1, -1, 0, 1))
	case odds(t, "at the boundary of the Pod", 10):
		boundary = w.toPodBoundary(p, pick[int64](t, "off by", -1, -1, 0, 1))
	}
	e, _ := w.evaluate(t)
	judged := handlingOf(p) != v1alpha1.MemoryIgnore
	all := map[string]int64{}
	var short, enough, warned bool
	for _, c := range notEphemeral(w.pod) {
		if !writers[c.Name] || onNode(w.pod, c, mountPath) {
			continue
		}
		volumes := volumesOf(w.pod, c, mountPath)
		maps.Copy(all, volumes)
		l := memoryLimit(&c.Resources)
		if l == 0 {
			continue
		}
		costs := totalCost(m, volumes)
		lacks := len(volumes) > 0 && l < plus(costs, reserveOf(p))
		got := slices.ContainsFunc(
			e.Before,
			func(v policy.Violation) bool { return v.Reason == policy.OOMBeforeFull && v.Container == c.Name },
		)
		close := l-costs-reserveOf(p) < mib && l-costs-reserveOf(p) > -mib && len(volumes) > 1
		if got != (lacks && judged) && !close {
			t.Fatalf(
				"%q has a limit of %d, %v cost %d and the reserve is %d: OOMBeforeFull is %t\n%s",
				c.Name,
				l,
				volumes,
				costs,
				reserveOf(p),
				got,
				w.told(&e),
			)
		}
		short, enough = short || lacks && judged, enough || !lacks && len(volumes) > 0
		use := raiseFor(p, required, volumes, volumes).useBefore
		if request := effectiveRequest(&c.Resources); e.Outcome == policy.Compliant && judged && sized &&
			len(volumes) == 1 &&
			request < l &&
			plus(costs, requestedBeside(request, use)) > l {
			if len(e.Warnings) == 0 {
				t.Fatalf(
					"%q requests %d beside its volume, which costs %d of %d, and no warning says so\n%s",
					c.Name,
					requestedBeside(request, use),
					costs,
					l,
					w.told(&e),
				)
			}
		}
		if lacks && !judged && e.Outcome != policy.Violating && len(e.Warnings) == 0 {
			t.Fatalf(
				"%q has a limit of %d for %v, and no warning says so\n%s",
				c.Name,
				l,
				volumes,
				w.told(&e),
			)
		}
		warned = warned || lacks && !judged
	}
	podShort := false
	if res := w.pod.Spec.Resources; res != nil && memoryLimit(res) > 0 && len(all) == 1 {
		podShort = memoryLimit(res) < plus(totalCost(m, all), reserveOf(p))
		got := slices.ContainsFunc(
			e.Before,
			func(v policy.Violation) bool { return v.Reason == policy.OOMBeforeFull && v.Container == "" },
		)
		if got != (podShort && judged) {
			t.Fatalf(
				"the pod-level limit is %d for %v: OOMBeforeFull of the Pod is %t\n%s",
				memoryLimit(res),
				all,
				got,
				w.told(&e),
			)
		}
	}
	r.Count(t, "a limit is too low", short)
	r.Count(t, "a limit is enough", enough)
	r.Count(t, "a pod-level limit is too low", podShort)
	r.Count(t, "a limit is at the boundary", boundary)
	r.Count(t, "memory: Ignore", warned)
	r.Count(t, "two volumes", len(all) > 1)
}

// requestedBeside returns what is requested for a container itself: a request that holds the average use of the
// volume includes it.
func requestedBeside(request, use int64) int64 {
	if request >= use {
		return request - use
	}
	return request
}

// totalCost returns what volumes cost together, in whole MiB.
func totalCost(m model, volumes map[string]int64) int64 {
	var total int64
	for _, size := range volumes {
		total = plus(total, m.cost(size))
	}
	return up(total, mib)
}

// toBoundary reports whether there is a writer to give a boundary: it gives the first writer with a volume exactly the limit that is enough, but for some bytes.
func (w *world) toBoundary(p *v1alpha1.SharedMemoryPolicy, off int64) bool {
	writers := w.writers(p)
	for _, c := range notEphemeral(w.pod) {
		volumes := volumesOf(w.pod, c, mountPathOf(p))
		if !writers[c.Name] || len(volumes) != 1 {
			continue
		}
		l := *resource.NewQuantity(totalCost(modelOf(p), volumes)+reserveOf(p)+off, resource.BinarySI)
		if c.Resources.Limits == nil {
			c.Resources.Limits = corev1.ResourceList{}
		}
		c.Resources.Limits[corev1.ResourceMemory] = l
		if c.Resources.Requests == nil {
			c.Resources.Requests = corev1.ResourceList{}
		}
		c.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1Mi")
		w.pod.Spec.Resources = nil
		return true
	}
	return false
}

// toPodBoundary reports whether there is a Pod limit to give a boundary: it gives the Pod as a whole exactly the limit that is enough, but for some bytes.
func (w *world) toPodBoundary(p *v1alpha1.SharedMemoryPolicy, off int64) bool {
	writers, volumes := w.writers(p), map[string]int64{}
	for _, c := range notEphemeral(w.pod) {
		if writers[c.Name] && !onNode(w.pod, c, mountPathOf(p)) {
			maps.Copy(volumes, volumesOf(w.pod, c, mountPathOf(p)))
		}
	}
	if len(volumes) == 0 {
		return false
	}
	for _, c := range notEphemeral(w.pod) {
		c.Resources = corev1.ResourceRequirements{}
	}
	w.pod.Spec.Resources = &corev1.ResourceRequirements{
		Limits: corev1.ResourceList{
			corev1.ResourceMemory: *resource.NewQuantity(totalCost(modelOf(p), volumes)+reserveOf(p)+off, resource.BinarySI),
		},
		Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Mi")},
	}
	return true
}

func TestEvaluate_RoomForTheProcess(t *testing.T) { check(t, roomForTheProcess) }
func FuzzLaw4(f *testing.F)                       { fuzz(f, roomForTheProcess) }

// A limit that holds the volume and the reserve, and not what is requested beside the volume's average
// use, is worth a warning. (A raised request includes that use.)
func TestEvaluate_WarnsThatRequestAndVolumeExceedTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := int64(rapid.IntRange(1, 600).Draw(t, "request")) * mib
		limit := int64(rapid.IntRange(320, 700).Draw(t, "limit")) * mib
		if request >= limit {
			return
		}
		w := &world{
			policies: []*v1alpha1.SharedMemoryPolicy{fixedPolicy("256Mi")},
			pod:      podWithVolume("256Mi"),
		}
		w.pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{
			Limits: corev1.ResourceList{
				corev1.ResourceMemory: *resource.NewQuantity(limit, resource.BinarySI),
			},
			Requests: corev1.ResourceList{
				corev1.ResourceMemory: *resource.NewQuantity(request, resource.BinarySI),
			},
		}
		e, _ := w.evaluate(t)
		want := up(cost(256*mib, 0, 4096), mib)+requestedBeside(request, 256*mib) > limit
		if e.Outcome != policy.Compliant || (len(e.Warnings) > 0) != want {
			t.Fatalf(
				"limit %d, request %d: want a warning: %t\n%s",
				limit,
				request,
				want,
				w.told(&e),
			)
		}
	})
}

func fixedPolicy(size string) *v1alpha1.SharedMemoryPolicy {
	p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: "fixed"}}
	p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	p.Spec.Sizing = &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: resource.MustParse(size)}}
	return p
}

// podWithVolume returns a Pod with one container that mounts a Memory emptyDir; without one if the
// size is empty.
func podWithVolume(size string) *corev1.Pod {
	pod := &corev1.Pod{
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
	}
	if size != "" {
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
			{Name: "shm", MountPath: "/dev/shm"},
		}
		pod.Spec.Volumes = []corev1.Volume{{Name: "shm", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{
				Medium:    corev1.StorageMediumMemory,
				SizeLimit: quantity(size),
			},
		}}}
	}
	return pod
}

// Law 5: what the API server would have accepted it still accepts.

func validStaysValid(t *rapid.T, r *reached) {
	weights := usual
	weights.limitRange, weights.quota, weights.wild, weights.device = 13, 12, 1, 2
	weights.init, weights.sidecar, weights.second, weights.at, weights.odd = 3, 3, 3, 3, 0
	weights.skipped, weights.node, weights.guess, weights.noSizing, weights.guaranteed = 0, 0, 0, 0, 4
	weights.onlyMem, weights.podLevel, weights.unset = 1, 5, 5
	w := genWorld(t, weights)
	p := w.policies[0]
	p.Spec.Match, p.Spec.Exclude, p.Spec.Mutation = []v1alpha1.Match{
		{PodSelector: &metav1.LabelSelector{}},
	}, nil, ""
	e, after := w.evaluate(t)
	mutated := e.Outcome == policy.Mutated
	valid := invalid(w.pod) == ""
	if why := invalid(after); valid && why != "" {
		t.Fatalf("the Pod becomes invalid: %s\n%s", why, w.told(&e))
	}
	if was, is := qos(w.pod), qos(after); was != is {
		t.Fatalf("the Pod was %s and becomes %s\n%s", was, is, w.told(&e))
	}
	admitted := valid && limitRanger(w.pod, w.limitRanges) == "" && !overQuota(w.pod, w.quotas)
	if admitted && mutated {
		if why := limitRanger(after, w.limitRanges); why != "" {
			t.Fatalf("the LimitRange does not admit the plan: %s\n%s", why, w.told(&e))
		}
		if overQuota(after, w.quotas) {
			t.Fatalf("the quota does not admit the plan\n%s", w.told(&e))
		}
	}
	for _, violations := range [][]policy.Violation{e.Before, e.After} {
		if len(violations) > 0 &&
			!slices.ContainsFunc(
				violations,
				func(v policy.Violation) bool { return v.Reason != policy.ExceedsQuota },
			) {
			t.Fatalf("a quota is the only ground of a refusal\n%s", w.told(&e))
		}
	}
	_, ratio := maxAndRatio(w)
	r.Count(t, "a valid Pod is mutated", valid && mutated)
	r.Count(t, "Guaranteed", mutated && qos(w.pod) == corev1.PodQOSGuaranteed)
	r.Count(t, "Burstable", mutated && qos(w.pod) == corev1.PodQOSBurstable)
	r.Count(t, "BestEffort", mutated && qos(w.pod) == corev1.PodQOSBestEffort)
	r.Count(t, "pod-level figures", mutated && w.pod.Spec.Resources != nil)
	r.Count(t, "a LimitRange admits the plan", mutated && admitted && len(w.limitRanges) > 0)
	r.Count(t, "a ratio", mutated && admitted && ratio)
	r.Count(t, "a LimitRange does not", has(e.After, policy.ExceedsLimitRange))
	r.Count(t, "a quota admits the plan", mutated && admitted && len(w.quotas) > 0)
	r.Count(t, "a quota does not", has(e.After, policy.ExceedsQuota))
}

func maxAndRatio(w *world) (most, ratio bool) {
	for _, lr := range w.limitRanges {
		for _, item := range lr.Spec.Limits {
			most, ratio = most || item.Max != nil, ratio || item.MaxLimitRequestRatio != nil
		}
	}
	return most, ratio
}

func TestEvaluate_ValidStaysValid(t *testing.T) { check(t, validStaysValid) }
func FuzzLaw5(f *testing.F)                     { fuzz(f, validStaysValid) }

// Law 6: a guess shrinks nothing and refuses nothing.

func guessHarmsNothing(t *rapid.T, r *reached) {
	weights := usual
	weights.guess, weights.texts, weights.at, weights.noSizing, weights.named = 11, 12, 8, 0, 2
	weights.skipped, weights.remount, weights.otherPath, weights.nothing = 0, 1, 2, 1
	w := genWorld(t, weights)
	p := w.policies[0]
	p.Spec.Mode, p.Spec.Mutation = v1alpha1.Enforce, ""
	if odds(t, "the administrator's word", 4) {
		p.Spec.Match = append(
			p.Spec.Match,
			v1alpha1.Match{
				PodSelector: &metav1.LabelSelector{},
				TmpfsPaths:  v1alpha1.TmpfsPathsDetect,
			},
		)
	}
	e, after := w.evaluate(t)
	if len(w.entries(p)) == 0 {
		return
	}
	guess := w.guessed(p)
	if e.Guess != guess {
		t.Fatalf("a guess: %t, want %t\n%s", e.Guess, guess, w.told(&e))
	}
	added, refused := false, e.Outcome == policy.Violating
	if guess {
		for i, v := range w.pod.Spec.Volumes {
			if diff := equal(v, after.Spec.Volumes[i]); diff != "" {
				t.Fatalf("a guess changes volume %q:\n%s%s", v.Name, diff, w.told(&e))
			}
		}
		added = len(after.Spec.Volumes) > len(w.pod.Spec.Volumes)
		if diff := equal(w.pod, after); diff != "" && !added {
			t.Fatalf("a guess changes a Pod without adding a volume:\n%s%s", diff, w.told(&e))
		}
		if len(e.Before) > 0 || len(e.After) > 0 || refused {
			t.Fatalf("a guess refuses\n%s", w.told(&e))
		}
	}
	mounted := slices.ContainsFunc(notEphemeral(w.pod), func(c *corev1.Container) bool {
		return w.writers(p)[c.Name] && len(mountsAt(c, mountPathOf(p))) > 0
	})
	r.Count(t, "a guess", guess)
	r.Count(t, "a guess adds a volume", guess && added)
	r.Count(t, "a guess meets a volume", guess && mounted)
	r.Count(t, "not a guess", !guess)
	r.Count(
		t,
		"paths and something else",
		!guess &&
			slices.ContainsFunc(
				w.entries(p),
				func(m *v1alpha1.Match) bool { return m.TmpfsPaths != "" },
			),
	)
	r.Count(t, "what is not a guess is refused", !guess && refused)
}

func TestEvaluate_GuessHarmsNothing(t *testing.T) { check(t, guessHarmsNothing) }
func FuzzLaw6(f *testing.F)                       { fuzz(f, guessHarmsNothing) }

// Law 7: the work and what is said are bounded.

const (
	maxContainers, maxMounts, maxVolumes, maxText = 256, 1024, 1024, 64 << 10
	maxDetail                                     = 4 << 10
)

func boundedWork(t *rapid.T, r *reached) {
	w := &world{namespace: map[string]string{"app": "b"}}
	w.policies = []*v1alpha1.SharedMemoryPolicy{fixedPolicy("256Mi")}
	p := w.policies[0]
	p.Spec.Exemptions = pick(t, "exemptions", v1alpha1.Denied, v1alpha1.Allowed)
	if odds(t, "all containers write", 8) {
		p.Spec.Writers = &v1alpha1.Writers{Names: []string{"*"}}
	}
	w.pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "a"}}}
	dimension := pick(t, "dimension", "containers", "mounts", "volumes", "text", "names", "none")
	off := pick(t, "off by", 0, 1, -1)
	long := dimension == "names"
	letters := strings.Repeat(pick(t, "letter", "a", "\"", "\u00e9"), 100<<10)
	name := func(i int) string {
		if long {
			return fmt.Sprintf("%d-%s", i, letters)
		}
		return fmt.Sprintf("c%d", i)
	}
	containers := rapid.IntRange(1, 4).Draw(t, "containers")
	if dimension == "containers" {
		containers = maxContainers + off
	}
	for i := range containers {
		c := corev1.Container{Name: name(i), Image: name(i)}
		kind := 0
		if i > 0 && i%7 < 4 {
			kind = i % 7
		}
		switch kind {
		case 1:
			w.pod.Spec.InitContainers = append(w.pod.Spec.InitContainers, c)
		case 2:
			c.RestartPolicy = ptr(corev1.ContainerRestartPolicyAlways)
			w.pod.Spec.InitContainers = append(w.pod.Spec.InitContainers, c)
		case 3:
			w.pod.Spec.EphemeralContainers = append(
				w.pod.Spec.EphemeralContainers,
				corev1.EphemeralContainer{
					EphemeralContainerCommon: corev1.EphemeralContainerCommon(c),
				},
			)
		default:
			w.pod.Spec.Containers = append(w.pod.Spec.Containers, c)
		}
	}
	all := notEphemeral(w.pod)
	mount := func(i int, m corev1.VolumeMount) {
		c := all[i%len(all)]
		c.VolumeMounts = append(c.VolumeMounts, m)
	}
	switch dimension {
	case "mounts":
		under, of := pick(t, "mounted", "/data", "/dev/shm"), pick(t, "of", "v", "missing")
		w.pod.Spec.Volumes = append(w.pod.Spec.Volumes, corev1.Volume{Name: "v"})
		for i := range maxMounts + off {
			mount(i, corev1.VolumeMount{Name: of, MountPath: fmt.Sprintf("%s/%d", under, i)})
		}
	case "volumes":
		for i := range maxVolumes + off {
			w.pod.Spec.Volumes = append(
				w.pod.Spec.Volumes,
				corev1.Volume{Name: fmt.Sprintf("v%d", i)},
			)
		}
	case "text":
		rest := maxText + off
		for i := 0; rest > 0; i++ {
			n := min(rest, rapid.IntRange(1<<10, 40<<10).Draw(t, "length"))
			c := all[i%len(all)]
			text := strings.Repeat(pick(t, "text of", "x", "/", "/dev/shm"), n)[:n]
			if odds(t, "as a command", 8) {
				c.Command = append(c.Command, text)
			} else {
				c.Args = append(c.Args, text)
			}
			rest -= n
		}
	case "names":
		for i := range rapid.IntRange(1, 4).Draw(t, "volumes") {
			n := name(i)
			w.pod.Spec.Volumes = append(
				w.pod.Spec.Volumes,
				corev1.Volume{Name: n, VolumeSource: corev1.VolumeSource{
					EmptyDir: &corev1.EmptyDirVolumeSource{
						Medium: pick(t, "medium", corev1.StorageMediumMemory, ""),
					},
				}},
			)
			mount(
				i,
				corev1.VolumeMount{
					Name:      n,
					MountPath: "/dev/shm",
					SubPath:   pick(t, "subPath", "", n),
				},
			)
		}
		w.pod.Name, w.pod.Namespace = name(0), name(1)
		for _, a := range []string{v1alpha1.AnnotationExempt, v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationRetention, v1alpha1.AnnotationInjected, "io.kubernetes.cri-o.ShmSize", "vpaUpdates"} {
			if odds(t, "annotation "+a, 5) {
				annotate(w.pod, a, name(7))
			}
		}
	}
	subject := w.subject()
	e, after := evaluate(w.set(t), subject), w.pod
	if dimension != "containers" { // a patch of hundreds of operations takes long to apply
		after = patched(t, w.pod, e.Plan, subject)
	}
	beyond := off > 0 && !long && dimension != "none"
	if complex := has(e.Before, policy.TooComplex); complex != beyond {
		t.Fatalf(
			"%s at the bound %+d: too complex is %t\n%.2000s",
			dimension,
			off,
			complex,
			w.told(&e),
		)
	}
	if beyond && (e.Outcome != policy.Violating || !e.Plan.Empty()) {
		t.Fatalf("beyond the bounds the outcome is %.2000s", w.told(&e))
	}
	said := len(e.Detail)
	if len(e.Detail) >= maxDetail {
		t.Fatalf("the detail has %d bytes", len(e.Detail))
	}
	for _, violations := range [][]policy.Violation{e.Before, e.After} {
		for _, v := range violations {
			if said += len(v.Detail); len(v.Detail) >= maxDetail {
				t.Fatalf("the detail of %s has %d bytes", v.Reason, len(v.Detail))
			}
		}
	}
	for _, text := range e.Warnings {
		if said += len(text); len(text) >= maxDetail {
			t.Fatalf("a warning has %d bytes", len(text))
		}
	}
	if said > 64<<10 {
		t.Fatalf(
			"%d bytes are said about one Pod: %d violations, %d warnings",
			said,
			len(e.Before)+len(e.After),
			len(e.Warnings),
		)
	}
	annotations := 0
	for key, value := range after.Annotations {
		if w.pod.Annotations[key] != value {
			annotations += len(key) + len(value)
		}
	}
	if annotations > 16<<10 {
		t.Fatalf("the annotations that are added have %d bytes", annotations)
	}
	r.Count(t, "at a bound", off == 0 && !long && dimension != "none")
	r.Count(t, "beyond a bound", beyond)
	r.Count(t, "long names", long)
	r.Count(t, "mutated", e.Outcome == policy.Mutated)
	for _, d := range []string{"containers", "mounts", "volumes", "text"} {
		r.Count(t, d, dimension == d)
	}
}

func TestEvaluate_BoundedWork(t *testing.T) { check(t, boundedWork) }
func FuzzLaw7(f *testing.F)                 { fuzz(f, boundedWork) }

// Law 8: evaluation is a fixed point, and reads nothing that it wrote.

func fixedPoint(t *rapid.T, r *reached) {
	weights := usual
	weights.wild, weights.odd, weights.nothing, weights.at = 1, 0, 1, 3
	weights.skipped, weights.node, weights.limitRange, weights.quota, weights.policies = 0, 0, 1, 1, 1
	weights.onlyMem, weights.podLevel, weights.guaranteed, weights.overrides, weights.noSizing = 1, 2, 2, 1, 0
	weights.second, weights.init, weights.sidecar, weights.device, weights.remount = 4, 3, 3, 0, 1
	weights.podLevel, weights.guaranteed, weights.quota, weights.wild = 1, 1, 0, 0
	weights.excluded, weights.guess = 0, 0
	w := genWorld(t, weights)
	e, after := w.evaluate(t)
	mutated := e.Outcome == policy.Mutated
	if !mutated && !e.Plan.Empty() {
		t.Fatalf("%s with a plan", w.told(&e))
	}
	rest(t, w, after, "after the plan", mutated)
	changed := ""
	if mutated {
		changed = interfere(t, w, after)
		again, settled := w.with(after).evaluate(t)
		if raised := changed == "raised" || changed == "request"; raised &&
			again.Outcome == policy.Mutated &&
			w.policyOf(&again).Spec.Sizing.MemoryPercent == nil {
			t.Fatalf(
				"another webhook %s, and there is something to do:\n%s",
				changed,
				w.told(&again),
			)
		}
		if again.Outcome == policy.Mutated {
			rest(t, w, settled, "after another webhook "+changed, true)
		}
		r.Count(t, "something to do after another webhook", again.Outcome == policy.Mutated)
	}
	percent := mutated && w.policyOf(&e).Spec.Sizing.MemoryPercent != nil
	r.Count(t, "mutated", mutated)
	r.Count(t, "memoryPercent", percent)
	for _, kind := range []string{"raised", "lowered", "request", "container"} {
		r.Count(t, "another webhook: "+kind, changed == kind)
	}
}

func (w *world) policyOf(e *evaluation) *v1alpha1.SharedMemoryPolicy {
	for _, p := range w.policies {
		if p.Name == e.Policy {
			return p
		}
	}
	return nil
}

// rest fails if there is anything left to do for a Pod that was mutated.
func rest(t *rapid.T, w *world, pod *corev1.Pod, when string, mutated bool) {
	if !mutated {
		return
	}
	e, after := w.with(pod).evaluate(t)
	if first, _ := w.deciding(); e.Policy != first.Name && w.asksForMounts() {
		return // what the plan mounts decides which policy applies
	}
	if e.Outcome != policy.Compliant || !e.Plan.Empty() || len(e.Before) > 0 {
		t.Fatalf("%s the outcome is %s", when, w.told(&e))
	}
	if diff := equal(pod, after); diff != "" {
		t.Fatalf("%s a compliant Pod changes:\n%s", when, diff)
	}
}

// asksForMounts reports whether a policy applies, or does not, because something is mounted.
func (w *world) asksForMounts() bool {
	return slices.ContainsFunc(w.policies, func(p *v1alpha1.SharedMemoryPolicy) bool {
		return slices.ContainsFunc(
			slices.Concat(p.Spec.Match, p.Spec.Exclude),
			func(m v1alpha1.Match) bool { return m.Mounted != nil },
		)
	})
}

// interfere changes a Pod as another webhook does between two calls, and returns how.
func interfere(t *rapid.T, w *world, pod *corev1.Pod) string {
	c := &pod.Spec.Containers[rapid.IntRange(0, len(pod.Spec.Containers)-1).Draw(t, "interfered container")]
	set := func(list *corev1.ResourceList, figure int64) {
		if *list == nil {
			*list = corev1.ResourceList{}
		}
		(*list)[corev1.ResourceMemory] = *resource.NewQuantity(figure, resource.BinarySI)
	}
	limit := memoryLimit(&c.Resources)
	switch how := pick(t, "another webhook", "raised", "request", "lowered", "lowered", "container"); how {
	case "raised":
		if limit == 0 || pod.Spec.Resources != nil || len(w.limitRanges)+len(w.quotas) > 0 {
			return ""
		}
		set(&c.Resources.Limits, plus(limit, mib*int64(rapid.IntRange(1, 2048).Draw(t, "by"))))
		return how
	case "lowered":
		if limit < 2 {
			return ""
		}
		l := max(1, limit/int64(rapid.IntRange(4, 16).Draw(t, "divided by")))
		set(&c.Resources.Limits, l)
		if _, found := c.Resources.Requests[corev1.ResourceMemory]; found {
			set(&c.Resources.Requests, min(l, effectiveRequest(&c.Resources)))
		}
		return how
	case "request":
		request := effectiveRequest(&c.Resources)
		if request < 2 || qos(pod) == corev1.PodQOSGuaranteed ||
			len(w.limitRanges)+len(w.quotas) > 0 {
			return ""
		}
		set(&c.Resources.Requests, request/2)
		return how
	default:
		added := corev1.Container{Name: "late", Image: "nginx"}
		if odds(t, "late has figures", 8) {
			added.Resources = corev1.ResourceRequirements{
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
				Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
			}
		}
		pod.Spec.Containers = append(pod.Spec.Containers, added)
		return how
	}
}

func TestEvaluate_FixedPoint(t *testing.T) { check(t, fixedPoint) }
func FuzzLaw8(f *testing.F)                { fuzz(f, fixedPoint) }

// Nothing that is decided reads an annotation of ours, but for those by which an owner asks for
// something.
func forgedRecords(t *rapid.T, r *reached) {
	weights := usual
	weights.ours, weights.at, weights.wild, weights.limitRange, weights.quota, weights.policies = 16, 8, 1, 3, 3, 2
	w := genWorld(t, weights)
	if odds(t, "after a plan", 6) {
		_, w.pod = w.evaluate(t)
		genForgeries(t, w.pod)
	}
	bare := w.with(w.pod.DeepCopy())
	for name := range bare.pod.Annotations {
		switch name {
		case v1alpha1.AnnotationExempt, v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationRetention,
			v1alpha1.AnnotationFileSize, v1alpha1.AnnotationFilesPerMinute:
		default:
			if strings.HasPrefix(name, "shmkeeper.dev/") {
				delete(bare.pod.Annotations, name)
			}
		}
	}
	e, after := w.evaluate(t)
	want, plain := bare.evaluate(t)
	after.Annotations, plain.Annotations = nil, nil
	if diff := equal(plain, after); diff != "" {
		t.Fatalf("annotations of ours change the plan:\n%s%s", diff, w.told(&e))
	}
	e.Plan, want.Plan = policy.Plan{}, policy.Plan{}
	if diff := cmp.Diff(want, e, exported); diff != "" {
		t.Fatalf("annotations of ours change the evaluation:\n%s", diff)
	}
	for _, o := range []policy.Outcome{policy.Mutated, policy.Violating, policy.Compliant} {
		r.Count(t, string(o), e.Outcome == o)
	}
}

var exported = cmp.Exporter(func(reflect.Type) bool { return true })

func TestEvaluate_ForgedRecords(t *testing.T) { check(t, forgedRecords) }
func FuzzLaw8Forged(f *testing.F)             { fuzz(f, forgedRecords) }

// Law 9: complete, independent of order, and without a trace where nothing applies.

func plainPodIsFixed(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.below, weights.skipped, weights.node, weights.device = 0, 0, 0, 0, 0
	weights.remount, weights.overrides, weights.crio, weights.guess, weights.noSizing = 0, 0, 0, 7, 0
	weights.texts = 8
	weights.onlyMem, weights.podLevel = 1, 4
	w := genWorld(t, weights)
	p := w.policies[0]
	p.Spec.Mode, p.Spec.Mutation = v1alpha1.Enforce, ""
	e, after := w.evaluate(t)
	if len(w.entries(p)) == 0 || invalid(w.pod) != "" {
		return
	}
	if e.Outcome != policy.Mutated {
		t.Fatalf("a plain Pod is not fixed: %s", w.told(&e))
	}
	writers, m := w.writers(p), modelOf(p)
	for _, c := range notEphemeral(after) {
		if !writers[c.Name] {
			continue
		}
		mounts := mountsAt(c, mountPathOf(p))
		if len(mounts) != 1 {
			t.Fatalf("writer %q has %d mounts\n%s", c.Name, len(mounts), w.told(&e))
		}
		size := sizeLimit(memoryVolume(after, mounts[0].Name))
		if size%mib != 0 || size < m.least || size > max(m.most, runtimeShm) {
			t.Fatalf(
				"writer %q gets %d, not whole MiB from %d to %d\n%s",
				c.Name,
				size,
				m.least,
				m.most,
				w.told(&e),
			)
		}
		want := int64(0)
		if required, ok := w.required(p); ok {
			want = m.limit(required)
			if mountPathOf(p) == "/dev/shm" {
				want = max(want, runtimeShm)
			}
			if size != want {
				t.Fatalf("writer %q gets %d, want %d\n%s", c.Name, size, want, w.told(&e))
			}
		}
		if diff := cmp.Diff(bindOptions(p), mounts[0].BindMountOptions); diff != "" {
			t.Fatalf("mount options: %s", diff)
		}
	}
	s := p.Spec.Sizing
	r.Count(t, "fixed", s.Fixed != nil)
	r.Count(t, "files", s.Files != nil)
	r.Count(t, "memoryPercent", s.MemoryPercent != nil)
	r.Count(t, "units", s.Units != nil)
	r.Count(t, "a guess", w.guessed(p))
	r.Count(t, "pod-level figures", w.pod.Spec.Resources != nil)
	r.Count(t, "several containers", len(notEphemeral(w.pod)) > 2)
}

func bindOptions(p *v1alpha1.SharedMemoryPolicy) []string {
	var out []string
	for _, o := range p.Spec.BindMountOptions {
		out = append(out, string(o))
	}
	return out
}

func TestEvaluate_PlainPodIsFixed(t *testing.T) { check(t, plainPodIsFixed) }
func FuzzLaw9(f *testing.F)                     { fuzz(f, plainPodIsFixed) }

// The policy that decides is the one that the oracle finds by walking over all of them; their order
// does not matter, and nothing that is given is changed.
func orderAndInput(t *rapid.T, r *reached) {
	weights := usual
	weights.policies, weights.limitRange, weights.quota, weights.skipped = 12, 3, 3, 0
	w := genWorld(t, weights)
	before := w.pod.DeepCopy()
	text, err := json.Marshal(w.pod)
	if err != nil {
		t.Fatal(err)
	}
	e, after := w.evaluate(t)
	if diff := cmp.Diff(before, w.pod); diff != "" {
		t.Fatalf("the Pod was changed:\n%s", diff)
	}
	first, second := w.deciding()
	switch {
	case first == nil:
		now, err := json.Marshal(after)
		if err != nil {
			t.Fatal(err)
		}
		if e.Outcome != policy.NotMatched || e.Policy != "" || !e.Plan.Empty() ||
			len(e.Before)+len(e.After)+len(e.Warnings) > 0 ||
			!bytes.Equal(text, now) {
			t.Fatalf("no policy matches, and yet %s\n%s\n%s", w.told(&e), text, now)
		}
	case e.Outcome == policy.NotMatched || e.Policy != first.Name:
		t.Fatalf("policy %q decides, not %s", first.Name, w.told(&e))
	case e.Mode != first.Spec.Mode && !(first.Spec.Mode == "" && e.Mode == v1alpha1.Enforce):
		t.Fatalf("mode %q of a policy in %q", e.Mode, first.Spec.Mode)
	case second != nil && e.Outcome != policy.Exempt && e.Outcome != policy.Skipped &&
		!slices.ContainsFunc(e.Warnings, func(text string) bool { return strings.Contains(text, fmt.Sprintf("%q", second.Name)) }):
		t.Fatalf("no warning names policy %q, which matches too\n%s", second.Name, w.told(&e))
	}
	if (e.Outcome == policy.Mutated) != !e.Plan.Empty() {
		t.Fatalf("a plan that is empty: %t\n%s", e.Plan.Empty(), w.told(&e))
	}
	if e.Outcome == policy.Violating && len(e.After) == 0 ||
		e.Outcome == policy.Compliant && len(e.Before) > 0 {
		t.Fatalf("outcome and violations contradict each other\n%s", w.told(&e))
	}
	if e.Outcome != policy.NotMatched && (e.Reason == "" || e.Detail == "") {
		t.Fatalf("no reason or no detail\n%s", w.told(&e))
	}
	other := *w
	other.policies = rapid.Permutation(w.policies).Draw(t, "order")
	again, _ := other.evaluate(t)
	if diff := cmp.Diff(e, again, exported); diff != "" {
		t.Fatalf("-one order +another:\n%s", diff)
	}
	r.Count(t, "no policy matches", first == nil)
	r.Count(t, "one policy matches", first != nil && second == nil)
	r.Count(t, "several policies match", second != nil)
	r.Count(t, "the name decides", second != nil && first.Spec.Priority == second.Spec.Priority)
	r.Count(t, "mutated", e.Outcome == policy.Mutated)
	r.Count(t, "violating", e.Outcome == policy.Violating)
}

func TestEvaluate_OrderAndInput(t *testing.T) { check(t, orderAndInput) }
func FuzzLaw9Order(f *testing.F)              { fuzz(f, orderAndInput) }

// Sizes grow with the rate, the retention, the size of a file and the certainty that is asked for,
// within the bounds of the policy.
func sizesAreMonotone(t *rapid.T, r *reached) {
	rates := ordered(t, "rate", 1, 1_000_000)
	hours := ordered(t, "retention", 1, 10_000)
	sizes := ordered(t, "file size", 1, 1<<20)
	exponents := ordered(t, "certainty", 1, 12)
	batches := rapid.Int32Range(1, 1000).Draw(t, "batch")
	percent := rapid.Int32Range(0, 1000).Draw(t, "headroom")
	least, most := int64(64), pick[int64](t, "max", 1<<20, 4096, 256)
	of := func(i, j, k, l int) int64 {
		p := filesPolicy(
			fmt.Sprintf("%d.%03d", rates[i]/1000, rates[i]%1000),
			fmt.Sprintf("%dh", hours[j]),
			fmt.Sprint(sizes[k]),
			fmt.Sprintf("%dMi", most),
			fmt.Sprintf("1e-%d", exponents[l]),
		)
		p.Spec.Sizing.Files.Batch, p.Spec.Sizing.HeadroomPercent = &batches, &percent
		w := &world{policies: []*v1alpha1.SharedMemoryPolicy{p}, pod: podWithVolume("")}
		e, after := w.evaluate(t)
		if e.Outcome != policy.Mutated {
			t.Fatalf("a plain Pod is not fixed: %s", w.told(&e))
		}
		size := sizeLimit(after.Spec.Volumes[0].EmptyDir)
		if size%mib != 0 || size < least*mib || size > most*mib {
			t.Fatalf("size %d is not whole MiB from %dMi to %dMi", size, least, most)
		}
		return size
	}
	low := of(0, 0, 0, 0)
	grows, stays := false, false
	for name, high := range map[string]int64{"rate": of(1, 0, 0, 0), "retention": of(0, 1, 0, 0), "file size": of(0, 0, 1, 0), "certainty": of(0, 0, 0, 1)} {
		if high < low {
			t.Fatalf("with a higher %s the size falls from %d to %d", name, low, high)
		}
		grows, stays = grows || high > low, stays || high == low
	}
	r.Count(t, "it grows", grows)
	r.Count(t, "it stays", stays)
	r.Count(t, "it is at max", low == most*mib)
	r.Count(t, "it is between the bounds", low < most*mib && low > least*mib)
}

func ordered(t *rapid.T, label string, least, most int) [2]int {
	a := rapid.IntRange(least, most).Draw(t, label)
	return [2]int{a, rapid.IntRange(a, most).Draw(t, label+" or more")}
}

func TestEvaluate_SizesAreMonotone(t *testing.T) { check(t, sizesAreMonotone) }

// filesPolicy returns a policy of the files model. Empty texts are left to the defaults.
func filesPolicy(rate, retention, fileSize, most, probability string) *v1alpha1.SharedMemoryPolicy {
	f := &v1alpha1.Files{
		CreatedPerMinute:    rate,
		FileSize:            resource.MustParse(fileSize),
		OverflowProbability: probability,
	}
	if retention != "" {
		f.Retention = ptr(v1alpha1.Duration(retention))
	}
	p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: "files"}}
	p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	p.Spec.Sizing = &v1alpha1.Sizing{Files: f}
	if most != "" {
		p.Spec.Sizing.Max = quantity(most)
	}
	return p
}

// Law 10: the refusal holds.

func refusalHolds(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.below, weights.wild, weights.odd, weights.twice = 11, 1, 2, 2, 2
	weights.skipped, weights.node, weights.crio, weights.ours, weights.unaligned = 1, 2, 3, 5, 2
	weights.policies, weights.otherPath = 1, 2
	w := genWorld(t, weights)
	if odds(t, "from a Pod that complies", 14) {
		p := w.policies[0]
		p.Spec.Match, p.Spec.Exclude = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}, nil
		p.Spec.Mode, p.Spec.Mutation = v1alpha1.Enforce, ""
		makePlain(w.pod)
		_, w.pod = w.evaluate(t)
		for range pick(t, "spoils", 1, 1, 2, 0) {
			spoil(t, w)
		}
	}
	e, _ := w.evaluate(t)
	p, _ := w.deciding()
	if p == nil {
		return
	}
	why := w.objections(p)
	if len(why) > 0 && len(e.Before) == 0 {
		t.Fatalf("admitted, and yet %v\n%s", why, w.told(&e))
	}
	for _, kind := range []string{"mounts nothing", "not memory", "too small", "no room", "read-only or a part", "unbounded", "not whole pages"} {
		r.Count(t, kind, why[kind] != "")
	}
	r.Count(
		t,
		"no objection",
		len(why) == 0 && enforces(p) && p.Spec.Sizing != nil && !w.guessed(p),
	)
	r.Count(t, "compliant", e.Outcome == policy.Compliant)
	r.Count(
		t,
		"forged annotations of ours and an objection",
		len(why) > 0 && w.pod.Annotations[v1alpha1.AnnotationInjected] != "",
	)
}

// objections returns why no server may admit the Pod as it is, read off the Pod: the container, by
// the kind of the fault.
func (w *world) objections(p *v1alpha1.SharedMemoryPolicy) map[string]string {
	if !enforces(p) || p.Spec.Sizing == nil || w.guessed(p) || skipped(w.pod) || exempt(w.pod, p) {
		return nil
	}
	out, all := map[string]string{}, map[string]int64{}
	mountPath, writers := mountPathOf(p), w.writers(p)
	pays := handlingOf(p) != v1alpha1.MemoryIgnore
	for _, c := range notEphemeral(w.pod) {
		if !writers[c.Name] {
			continue
		}
		mounts := mountsAt(c, mountPath)
		switch {
		case onNode(w.pod, c, mountPath):
			if p.Spec.HostShm == v1alpha1.Denied {
				out["node"] = c.Name
			}
			continue
		case len(mounts) == 0:
			out["mounts nothing"] = c.Name
		}
		for _, mount := range mounts {
			if kind := w.objectionTo(p, mount); kind != "" {
				out[kind] = c.Name
			}
			if size := sizeLimit(memoryVolume(w.pod, mount.Name)); size > 0 {
				all[mount.Name] = size
			}
		}
		if l, volumes := memoryLimit(&c.Resources), volumesOf(w.pod, c, mountPath); pays && l > 0 &&
			len(volumes) > 0 &&
			l < plus(totalCost(modelOf(p), volumes), reserveOf(p)) {
			out["no room"] = c.Name
		}
	}
	if r := w.pod.Spec.Resources; r != nil && memoryLimit(r) > 0 && len(all) > 0 && pays &&
		memoryLimit(r) < plus(totalCost(modelOf(p), all), reserveOf(p)) {
		out["no room"] = "the Pod"
	}
	return out
}

// objectionTo returns what is wrong with what a writer has at the mount path; "" for nothing.
func (w *world) objectionTo(p *v1alpha1.SharedMemoryPolicy, mount corev1.VolumeMount) string {
	m := modelOf(p)
	least := m.least
	if required, ok := w.required(p); ok &&
		!(overridden(w.pod) && p.Spec.Overrides == v1alpha1.OverridesAllowed) {
		least = min(max(required, m.least), m.most)
	}
	v := memoryVolume(w.pod, mount.Name)
	leave := existingOf(p) == v1alpha1.ExistingLeave
	switch size := sizeLimit(v); {
	case v == nil && nodeShm(volume(w.pod, mount.Name)):
		return "" // beside another mount at the path
	case v == nil:
		return "not memory"
	case mount.ReadOnly || mount.SubPath != "" || mount.SubPathExpr != "":
		return "read-only or a part"
	case size == 0 && (leave || existingOf(p) == v1alpha1.ExistingEnlarge && !m.files || w.unfounded(p)):
		return ""
	case size == 0:
		return "unbounded"
	case leave:
		return ""
	case size%m.page != 0:
		return "not whole pages"
	case size < least:
		return "too small"
	case mountedSize(w.pod, v) < least && handlingOf(p) != v1alpha1.MemoryIgnore:
		return "clamped"
	}
	return ""
}

// unfounded reports whether the size is a share of memory figures that no writer has: what has no
// limit is then left.
func (w *world) unfounded(p *v1alpha1.SharedMemoryPolicy) bool {
	writers := w.writers(p)
	return p.Spec.Sizing.MemoryPercent != nil && w.pod.Spec.Resources == nil &&
		!slices.ContainsFunc(notEphemeral(w.pod), func(c *corev1.Container) bool {
			return writers[c.Name] && effectiveRequest(&c.Resources) > 0
		})
}

// makePlain takes away what could stand in the way of a mutation.
func makePlain(pod *corev1.Pod) {
	pod.Annotations, pod.Spec.Volumes, pod.Spec.EphemeralContainers = nil, nil, nil
	pod.Spec.HostIPC, pod.Spec.OS = false, nil
	for _, c := range notEphemeral(pod) {
		c.VolumeMounts, c.VolumeDevices = nil, nil
	}
}

// spoil changes something about the mount path or the memory of a Pod.
func spoil(t *rapid.T, w *world) {
	list := notEphemeral(w.pod)
	c := list[rapid.IntRange(0, len(list)-1).Draw(t, "spoil container")]
	path := mountPathOf(w.policies[0])
	sizes := func(size string) {
		for i := range w.pod.Spec.Volumes {
			if e := w.pod.Spec.Volumes[i].EmptyDir; e != nil {
				e.SizeLimit = quantity(size)
			}
		}
	}
	switch pick(t, "spoil", "no size", "small", "uneven", "read-only", "limit", "wild", "wild") {
	case "no size":
		sizes("0")
	case "small":
		sizes(pick(t, "small size", "1Mi", "63Mi"))
	case "uneven":
		sizes(pick(t, "uneven size", "15000000001", "500M"))
	case "read-only":
		for i := range c.VolumeMounts {
			c.VolumeMounts[i].ReadOnly = true
		}
	case "limit":
		w.toBoundary(w.policies[0], pick(t, "limit off by", -1, -64*mib, 0))
	case "wild":
		spoilWildly(t, w, c, path)
	}
	if odds(t, "spoil and forge", 4) {
		genForgeries(t, w.pod)
	}
}

// spoilWildly changes something as nobody would do it on purpose.
func spoilWildly(t *rapid.T, w *world, c *corev1.Container, path string) {
	wild := usual
	wild.at, wild.unaligned = 12, 4
	switch pick(t, "spoil wildly", "medium", "mounts", "medium", "volume", "medium", "pod-level", "container", "medium") {
	case "mounts":
		c.VolumeMounts = genMounts(t, "other", path, wild)
	case "volume":
		w.pod.Spec.Volumes = append(
			w.pod.Spec.Volumes,
			genVolume(t, pick(t, "another volume", "a", "d", "shmkeeper-shm"), wild),
		)
	case "pod-level":
		w.pod.Spec.Resources = ptr(genResources(t, "other pod", wild))
	case "container":
		w.pod.Spec.Containers = append(w.pod.Spec.Containers, genContainer(t, "late", path, wild))
	case "medium":
		for i := range w.pod.Spec.Volumes {
			if e := w.pod.Spec.Volumes[i].EmptyDir; e != nil {
				e.Medium = ""
			}
		}
	}
}

func TestEvaluate_RefusalHolds(t *testing.T) { check(t, refusalHolds) }
func FuzzLaw10(f *testing.F)                 { fuzz(f, refusalHolds) }

// The refusal of a Pod whose raise a LimitRange or a quota does not admit names the largest size that
// would fit: it fits, and one MiB more does not.
func largestThatFits(t *rapid.T, r *reached) {
	wanted := int64(rapid.IntRange(64, 2048).Draw(t, "size"))
	own := pick[int64](t, "own volume", 0, 64, 200, 0, 1500)
	l := int64(rapid.IntRange(100, 600).Draw(t, "limit"))
	if own > wanted {
		own = wanted
	}
	volume := ""
	if own > 0 {
		volume = fmt.Sprintf("%dMi", own)
	}
	most := l + int64(rapid.IntRange(0, 1500).Draw(t, "room"))
	w := &world{
		policies: []*v1alpha1.SharedMemoryPolicy{fixedPolicy(fmt.Sprintf("%dMi", wanted))},
		pod:      podWithVolume(volume),
	}
	w.policies[0].Spec.Overrides = pick(
		t,
		"overrides",
		v1alpha1.OverridesAllowed,
		v1alpha1.OverridesRaiseOnly,
	)
	w.pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{
		Limits: corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(fmt.Sprintf("%dMi", l)),
		},
		Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
	}
	kind := pick(t, "by", "a LimitRange of containers", "a LimitRange of Pods", "a quota")
	figure := corev1.ResourceList{
		corev1.ResourceMemory: resource.MustParse(fmt.Sprintf("%dMi", most)),
	}
	switch kind {
	case "a quota":
		q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q"}}
		q.Status.Hard = corev1.ResourceList{
			corev1.ResourceLimitsMemory: figure[corev1.ResourceMemory],
		}
		q.Status.Used = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("0")}
		w.quotas = append(w.quotas, q)
	default:
		lr := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "l"}}
		item := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: figure}
		if kind == "a LimitRange of Pods" {
			item.Type = corev1.LimitTypePod
		}
		lr.Spec.Limits = append(lr.Spec.Limits, item)
		w.limitRanges = append(w.limitRanges, lr)
	}
	raised := func(size int64) int64 {
		after := max(size, own, 64)
		costs := func(volume int64) int64 { return up(cost(volume*mib, 0, 4096), mib) / mib }
		return max(l, l+costs(after)-costs(own), costs(after)+32)
	}
	e, after := w.evaluate(t)
	if raised(wanted) <= most {
		if e.Outcome != policy.Mutated && e.Outcome != policy.Compliant {
			t.Fatalf("%d fits in %d, and yet %s", raised(wanted), most, w.told(&e))
		}
		r.Count(t, "it fits", true)
		return
	}
	if e.Outcome != policy.Violating || equal(w.pod, after) != "" {
		t.Fatalf("%d does not fit in %d, and yet %s", raised(wanted), most, w.told(&e))
	}
	if own > 0 && raised(own) > most {
		return // not even the volume that is there fits
	}
	largest := wanted
	for largest > 0 && raised(largest) > most {
		largest--
	}
	words := fmt.Sprintf("the largest size that would fit is %s:", bytesText(largest))
	if largest == 0 {
		words = "no size would fit"
	}
	if !strings.Contains(e.Detail, words) {
		t.Fatalf("the refusal does not say %q\n%s", words, w.told(&e))
	}
	for _, size := range []int64{largest, largest + 1} {
		if largest == 0 {
			break
		}
		smaller := *w
		smaller.policies = []*v1alpha1.SharedMemoryPolicy{fixedPolicy(fmt.Sprintf("%dMi", size))}
		smaller.policies[0].Spec.Sizing.Min = quantity("1Mi")
		got, _ := smaller.evaluate(t)
		if fits := got.Outcome != policy.Violating; fits != (size == largest) {
			t.Fatalf("%dMi fits: %t\n%s\n%s", size, fits, w.told(&e), w.told(&got))
		}
	}
	r.Count(t, "it fits", false)
	r.Count(t, "a smaller size fits", largest > 0)
	r.Count(t, "no size fits", largest == 0)
	r.Count(t, kind, true)
	for _, k := range []string{"a LimitRange of containers", "a LimitRange of Pods", "a quota"} {
		r.Count(t, k, false)
	}
}

// bytesText writes whole MiB as messages do.
func bytesText(size int64) string {
	q := resource.NewQuantity(size*mib, resource.BinarySI)
	return q.String()
}

func TestEvaluate_LargestSizeThatFits(t *testing.T) { check(t, largestThatFits) }

func mountedSizes(t *rapid.T, r *reached) {
	weights := usual
	weights.nothing, weights.podLevel, weights.init, weights.sidecar = 1, 6, 7, 6
	pod := genPod(t, "/dev/shm", weights)
	size := mib * int64(rapid.IntRange(0, 4096).Draw(t, "size"))
	e := &corev1.EmptyDirVolumeSource{SizeLimit: resource.NewQuantity(size, resource.BinarySI)}
	subject := subjectOf(pod)
	allocatable := pick[int64](t, "allocatable", 0, 300*mib, 16*gib)
	subject.NodeAllocatable = sizing.Bytes(allocatable)
	want := mountedSize(pod, e)
	if allocatable > 0 {
		want = min(want, allocatable)
	}
	if got := int64(policy.MountedSize(subject, sizing.Bytes(size))); got != want {
		t.Fatalf(
			"a volume of %d is mounted with %d, want %d (the Pod's limit is %d)",
			size,
			got,
			want,
			podLimit(pod),
		)
	}
	r.Count(t, "the Pod has a limit", podLimit(pod) > 0)
	r.Count(t, "it bounds the volume", podLimit(pod) > 0 && podLimit(pod) == want)
	r.Count(t, "the node bounds it", want == allocatable)
	r.Count(t, "pod-level figures", pod.Spec.Resources != nil)
	r.Count(t, "an init container", len(pod.Spec.InitContainers) > 0)
}
