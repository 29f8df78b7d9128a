package matchcondition

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The law of the package: the expression is never narrower than the policies, and raises no
// error, whatever the Pod.
func TestExpression_TrueForEveryPodThatMatches(t *testing.T) {
	n := tally{matched: map[string]int{}}
	rapid.Check(t, n.trueForEveryPodThatMatches)
	n.report(t)
}

func FuzzExpression(f *testing.F) {
	source := rand.NewChaCha8([32]byte{1}) // the first cases are whole ones, drawn from random bytes
	for range 8 {
		text := make([]byte, 8<<10)
		_, _ = source.Read(text) // never fails
		f.Add(text)
	}
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		n := tally{matched: map[string]int{}}
		n.trueForEveryPodThatMatches(t)
	}))
}

func (n *tally) trueForEveryPodThatMatches(t *rapid.T) {
	var policies []*v1alpha1.SharedMemoryPolicy
	for i := range pick(t, "policies", 0, 1, 1, 2, 2, 3) {
		policies = append(policies, genPolicy(t, fmt.Sprint("p", i)))
	}
	w := witness{genMirrors(t)}
	set, policies := engine(t, policies, w.mirrors)
	expression, ok := expressionOf(policies, w.mirrors, pick(t, "bytes of spelled names", maxSpelledBytes, 0))
	if !ok {
		n.wide++
		return
	}
	n.narrow++
	c, err := compile(expression, pick(t, "release", "oldest", "newest"))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		var pod *corev1.Pod
		if len(policies) == 0 || pick(t, "any Pod", true, false, false) {
			pod = genPod(t)
		} else {
			pod = genPodFor(t, pick(t, "for", policies...), w.mirrors)
		}
		is, err := c.sends(pod)
		if err != nil {
			t.Fatalf("%v\n%s", err, expression)
		}
		if why := n.match(t, set, policies, w, pod); why != "" && !is {
			t.Fatalf("%s, and the API server would not send the Pod by\n%s", why, expression)
		}
		if is {
			n.sent++
		}
	}
}

// tally counts expressions, and Pods by what happens to them.
type tally struct {
	wide, narrow          int // policies without an expression, and with one
	pods, sent, evaluated int // evaluated: matched by the engine
	matched               map[string]int
}

// match says which policy matches a Pod, by the engine or by the witness; "" for none.
func (n *tally) match(
	t *rapid.T, set policy.Set, policies []*v1alpha1.SharedMemoryPolicy, w witness, pod *corev1.Pod,
) string {
	n.pods++
	why := ""
	if e := evaluate(t, set, pod); e.Outcome != policy.NotMatched {
		n.evaluated++
		why = fmt.Sprintf("policy %q is %s", e.Policy, e.Outcome)
	}
	for _, p := range policies {
		if !w.matches(p, pod) {
			continue
		}
		why = fmt.Sprintf("policy %q matches the Pod", p.Name)
		for i := range p.Spec.Match {
			if w.entryMatches(p.Spec.Match[i], p.Spec.MountPath, pod) {
				count(n.matched, &p.Spec.Match[i])
			}
		}
	}
	return why
}

// report fails the test if the generators reached too little of a kind.
func (n *tally) report(t *testing.T) {
	t.Logf("%d expressions and %d without; of %d Pods %d are sent; %d match by the engine, and by the witness %v",
		n.narrow, n.wide, n.pods, n.sent, n.evaluated, n.matched)
	if testing.Short() {
		return // too few cases for shares to mean anything
	}
	if n.evaluated < n.pods/5 {
		t.Errorf("%d of %d Pods match by the engine: widen the generators", n.evaluated, n.pods)
	}
	for _, kind := range []string{"labels", "images", "tmpfsPaths", "mounted"} {
		if n.matched[kind] < n.pods/20 {
			t.Errorf("%d of %d Pods match by %s: widen the generators", n.matched[kind], n.pods, kind)
		}
	}
	if n.sent > n.pods*3/4 || n.narrow < n.wide {
		t.Error("the generators leave too little to hold back: narrow the policies")
	}
}

// engine returns the policies that are valid, and the same as the engine's.
func engine(t *rapid.T, policies []*v1alpha1.SharedMemoryPolicy, mirrors []Mirror) (set policy.Set, valid []*v1alpha1.SharedMemoryPolicy) {
	var compiled []policy.Policy
	for _, p := range policies {
		c, errs := policy.Compile(p)
		if len(errs) == 0 {
			compiled, valid = append(compiled, c), append(valid, p)
		}
	}
	var entries []string
	for _, m := range mirrors {
		entries = append(entries, m.From+"="+m.To)
	}
	parsed, err := policy.ParseMirrors(entries)
	if err != nil {
		t.Fatal(err)
	}
	return policy.NewSet(compiled...).WithImageMirrors(parsed), valid
}

func evaluate(t *rapid.T, set policy.Set, pod *corev1.Pod) policy.Evaluation {
	subject, ok := policy.NewSubject(pod)
	if !ok {
		t.Fatal("a Pod is not a subject")
	}
	return set.Evaluate(subject)
}

// count counts by what an entry matched a Pod.
func count(matched map[string]int, m *v1alpha1.Match) {
	for kind, is := range map[string]bool{
		"labels": m.PodSelector != nil, "images": m.Images != nil, "tmpfsPaths": m.TmpfsPaths != "", "mounted": m.Mounted != nil,
	} {
		if is {
			matched[kind]++
		}
	}
}

// The same law for images alone, with mirrors always.
func TestExpression_TrueForEveryImageOfAMirror(t *testing.T) {
	var cases, plain, mirrored, evaluated, sent int
	rapid.Check(t, func(t *rapid.T) {
		glob := pick(t, "registry", "ghcr.io/", "GHCR.io:443/", "docker.io/", "registry-1.docker.io/", "", "*/", "*.io/", "[dg]*.io/") +
			pick(t, "folder", "", "library/", "org/", "org/team/", "*/") + pick(t, "name", "nginx", "node-*", "*")
		p := newPolicy("p", matchImages(glob))
		mirrors := rapid.SliceOfNDistinct(rapid.SampledFrom(upstream), 2, 5, mirrorPath).Draw(t, "mirrors")
		set, valid := engine(t, []*v1alpha1.SharedMemoryPolicy{p}, mirrors)
		if len(valid) == 0 {
			t.Fatalf("%q is not valid", glob)
		}
		expression, ok := expressionOf([]*v1alpha1.SharedMemoryPolicy{p}, mirrors, pick(t, "bytes of spelled names", maxSpelledBytes, 0))
		if !ok {
			t.Fatalf("there is no expression for %q", glob)
		}
		c, err := compile(expression, "newest")
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			pod := podWith(nil, genImageFor(t, "image", p.Spec.Match[0].Images, mirrors))
			if pick(t, "any image", true, false, false) {
				pod = podWith(nil, genImage(t, "image"))
			}
			cases++
			is, err := c.sends(pod)
			if err != nil {
				t.Fatalf("%v\n%s", err, expression)
			}
			if is {
				sent++
			}
			if e := evaluate(t, set, pod); e.Outcome != policy.NotMatched {
				if !(witness{}).matches(p, pod) {
					evaluated++
				}
				if !is {
					t.Fatalf("%q is %s with %q and %v, and the API server would not send it by\n%s", glob, e.Outcome, pod.Spec.Containers[0].Image, mirrors, expression)
				}
				if !(witness{mirrors}).matches(p, pod) {
					t.Fatalf("%q matches %q with %v by the engine, and not by the witness", glob, pod.Spec.Containers[0].Image, mirrors)
				}
			}
			switch {
			case witness{}.matches(p, pod):
				plain++
			case witness{mirrors}.matches(p, pod):
				mirrored++
			default:
				continue
			}
			if !is {
				t.Fatalf("%q matches %q with %v, and the API server would not send it by\n%s", glob, pod.Spec.Containers[0].Image, mirrors, expression)
			}
		}
	})
	t.Logf("of %d images %d match without a mirror, %d by one, and so do %d by the engine; %d are sent", cases, plain, mirrored, evaluated, sent)
	if !testing.Short() && min(plain, mirrored, evaluated, cases-sent) < cases/20 {
		t.Error("less than a twentieth is of a kind: widen the generators")
	}
}
