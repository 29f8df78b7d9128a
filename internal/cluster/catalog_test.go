package cluster

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

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
	c := newCatalog()
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
	mended := later(broken, func(p *v1alpha1.SharedMemoryPolicy) { p.Spec.MountPath = "/data" })
	c.put(mended)
	if got := inForce(c); !slices.Equal(got, []string{"a /data"}) {
		t.Errorf("in force are %q", got)
	}
	if sources, _ := c.sources(); len(sources) != 1 {
		t.Errorf("the match condition has to cover %d versions, want one", len(sources))
	}
}

func TestCatalogForgetsThePolicyThatHadTheName(t *testing.T) {
	c := newCatalog()
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
	c := newCatalog()
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

// What a start costs in a large cluster.
func BenchmarkSetOfThousandPolicies(b *testing.B) {
	c := newCatalog()
	for i := range 1000 {
		c.put(appPolicy(fmt.Sprint("p", i), fmt.Sprint("app-", i)))
	}
	for b.Loop() {
		c.set()
	}
}
