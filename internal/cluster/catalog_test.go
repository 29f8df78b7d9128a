package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func newPolicy(name string, match ...v1alpha1.Match) *v1alpha1.SharedMemoryPolicy {
	return &v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "1", Generation: 1},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match:  match,
			Sizing: &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: resource.MustParse("256Mi")}},
		},
	}
}

// appPolicy is a valid policy for the Pods of one app.
func appPolicy(name, app string) *v1alpha1.SharedMemoryPolicy {
	return newPolicy(name, v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}})
}

// later is the next version of a policy.
func later(p *v1alpha1.SharedMemoryPolicy, change func(*v1alpha1.SharedMemoryPolicy)) *v1alpha1.SharedMemoryPolicy {
	p = p.DeepCopy()
	p.Generation++
	change(p)
	return p
}

func breakIt(p *v1alpha1.SharedMemoryPolicy) { p.Spec.MountPath = "relative" }

func inForce(c *catalog) (out []string) {
	for _, p := range c.set().Policies() {
		out = append(out, p.Name()+" "+p.MountPath())
	}
	slices.Sort(out)
	return out
}

func TestCatalogKeepsTheLastVersionThatCompiles(t *testing.T) {
	c := newCatalog(policy.Mirrors{})
	first := appPolicy("a", "a")
	c.put(first)
	broken := later(first, breakIt)
	if changed, valid := c.put(broken); !changed || valid {
		t.Errorf("a version that is not valid is taken as changed %v, valid %v", changed, valid)
	}
	if got := inForce(c); !slices.Equal(got, []string{"a /dev/shm"}) {
		t.Errorf("in force are %q", got)
	}
	if sources, _ := c.sources(); len(sources) != 2 {
		t.Errorf("the match condition has to cover %d versions, want both", len(sources))
	}
	v, ok := c.about(broken)
	if !ok || len(v.errs) != 1 || !v.inForce {
		t.Errorf("the verdict is %+v, %v", v, ok)
	}
	if accepted, rejected := c.count(); accepted != 0 || rejected != 1 {
		t.Errorf("%d are accepted and %d not", accepted, rejected)
	}
	fixed := later(broken, func(p *v1alpha1.SharedMemoryPolicy) { p.Spec.MountPath = "/data" })
	c.put(fixed)
	if got := inForce(c); !slices.Equal(got, []string{"a /data"}) {
		t.Errorf("in force are %q", got)
	}
	if sources, _ := c.sources(); len(sources) != 1 {
		t.Errorf("the match condition has to cover %d versions, want one", len(sources))
	}
}

func TestCatalogForgetsThePolicyThatHadTheName(t *testing.T) {
	c := newCatalog(policy.Mirrors{})
	c.put(appPolicy("a", "a"))
	other := appPolicy("a", "a")
	other.UID = "2"
	breakIt(other)
	if changed, _ := c.put(other); !changed {
		t.Error("another policy of the same name and generation is not taken")
	}
	if got := inForce(c); got != nil {
		t.Errorf("in force are %q", got)
	}
}

func TestCatalogCompilesAVersionOnce(t *testing.T) {
	c := newCatalog(policy.Mirrors{})
	p := appPolicy("a", "a")
	c.put(p)
	if changed, valid := c.put(p.DeepCopy()); changed || !valid {
		t.Errorf("the same version is taken as changed %v, valid %v", changed, valid)
	}
	if !c.remove("a") || c.remove("a") {
		t.Error("a policy is not removed exactly once")
	}
	if _, ok := c.about(p); ok {
		t.Error("there is a verdict on a policy that is gone")
	}
}

// One option reaches the policies and the match condition alike.
func TestCatalog_ImageMirrors(t *testing.T) {
	mirrors, err := policy.ParseMirrors([]string{"harbor.local/ghcr=ghcr.io"})
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "outpost"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "proxy", Image: "harbor.local/ghcr/goauthentik/proxy:1"}}},
	}
	subject, ok := policy.NewSubject(pod)
	if !ok {
		t.Fatal("a Pod is no subject")
	}
	for name, tc := range map[string]struct {
		mirrors policy.Mirrors
		want    bool
	}{"with the mirror": {mirrors, true}, "without it": {policy.Mirrors{}, false}} {
		c := newCatalog(tc.mirrors)
		c.put(newPolicy("a", v1alpha1.Match{Images: []string{"ghcr.io/goauthentik/proxy"}}))
		if e := c.set().Evaluate(subject); (e.Outcome != policy.NotMatched) != tc.want {
			t.Errorf("%s: the outcome is %s", name, e.Outcome)
		}
		expression, narrow, revision := c.matchCondition()
		if strings.Contains(expression, "harbor") != tc.want || !narrow || revision != 1 {
			t.Errorf("%s: at revision %d the match condition is narrow=%v\n%s", name, revision, narrow, expression)
		}
	}
}

// What a start costs in a large cluster.
func BenchmarkSetOfThousandPolicies(b *testing.B) {
	c := newCatalog(policy.Mirrors{})
	for i := range 1000 {
		c.put(appPolicy(fmt.Sprint("p", i), fmt.Sprint("app-", i)))
	}
	for b.Loop() {
		c.set()
	}
}
