package matchcondition

import (
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// library returns the policies that ship, which as a whole are what many clusters have.
func library(t testing.TB) (out []*v1alpha1.SharedMemoryPolicy) {
	t.Helper()
	for _, f := range policies.All() {
		p := &v1alpha1.SharedMemoryPolicy{}
		if err := yaml.UnmarshalStrict(f.YAML, p); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// The library has to fit beside policies of one's own and a mirror of each large registry.
func TestExpression_Library(t *testing.T) {
	for name, mirrors := range map[string][]Mirror{
		"without mirrors": nil,
		"with mirrors":    {{"harbor.example.com/ghcr", "ghcr.io"}, {"harbor.example.com/hub", "docker.io"}, {"harbor.example.com/nvcr", "nvcr.io"}},
	} {
		t.Run(name, func(t *testing.T) {
			expression, ok := Expression(library(t), mirrors)
			if !ok {
				t.Fatal("there is no expression")
			}
			t.Logf("%d bytes: %s", len(expression), expression)
			for _, age := range []string{"oldest", "newest"} {
				c := mustCompile(t, expression, age)
				if is, err := c.sends(podWith(map[string]string{"app": "shop"}, "ghcr.io/example/shop:1", "envoyproxy/envoy:v1")); is || err != nil {
					t.Errorf("%s: an ordinary Pod is sent: %v, %v", age, is, err)
				}
				if is, err := c.sends(podWith(nil, "ghcr.io/goauthentik/proxy:2026.2.2")); !is || err != nil {
					t.Errorf("%s: the incident's Pod is not sent: %v, %v", age, is, err)
				}
				if is, err := c.sends(podWith(nil, "harbor.example.com/ghcr/goauthentik/proxy:2026.2.2")); is != (mirrors != nil) || err != nil {
					t.Errorf("%s: the incident's Pod from a mirror is sent: %v, %v", age, is, err)
				}
			}
		})
	}
}

func BenchmarkExpression(b *testing.B) {
	expression, _ := Expression(library(b), nil)
	c := mustCompile(b, expression, "newest")
	pod := podWith(map[string]string{"app": "shop"}, "ghcr.io/example/shop:1", "envoyproxy/envoy:v1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.sends(pod); err != nil {
			b.Fatal(err)
		}
	}
}
