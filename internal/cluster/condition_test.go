package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

var (
	corev1Pods = metav1.GroupVersionResource{Version: "v1", Resource: "pods"}
	corev1Pod  = metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}
)

// The law of the condition: it is never narrower than the policies, and raises no
// error, whatever the Pod.
func TestConditionIsTrueForEveryPodThatIsGoverned(t *testing.T) {
	var wide, narrow, governed, sent, pods int
	rapid.Check(t, func(t *rapid.T) {
		var sources []*v1alpha1.SharedMemoryPolicy
		var compiled []policy.Policy
		for i := range rapid.IntRange(0, 3).Draw(t, "policies") {
			p := genPolicy(t, fmt.Sprint("p", i))
			c, errs := policy.Compile(p)
			if len(errs) > 0 {
				continue
			}
			sources, compiled = append(sources, p), append(compiled, c)
		}
		set := policy.NewSet(compiled...)
		expression, ok := Condition(sources)
		if !ok {
			wide++
			return
		}
		narrow++
		c, err := compile(expression, pick(t, "release", "oldest", "newest"))
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			pod := genPod(t)
			pods++
			subject, _ := policy.NewSubject(pod)
			d := set.Decide(subject)
			is, err := c.sends(pod)
			if err != nil {
				t.Fatalf("%v\n%s", err, expression)
			}
			if is {
				sent++
			}
			if d.Outcome == policy.NotGoverned {
				continue
			}
			governed++
			if !is {
				t.Fatalf("policy %q governs the Pod, and the API server would not send it by\n%s", d.Policy, expression)
			}
		}
	})
	t.Logf("%d conditions and %d without; of %d Pods %d are governed and %d are sent", narrow, wide, pods, governed, sent)
	if governed == 0 || sent == pods || narrow < wide {
		t.Error("the generators do not reach what they are for: widen them")
	}
}

// What the property cannot show: that the expression holds anything back.
func TestConditionHoldsBack(t *testing.T) {
	images := func(globs ...string) v1alpha1.Match { return v1alpha1.Match{Images: globs} }
	app := v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}}
	for name, tc := range map[string]struct {
		match v1alpha1.Match
		pod   *corev1.Pod
		want  bool
	}{
		"another value of the label":                   {app, podWith(map[string]string{"app": "b"}, "nginx"), false},
		"the value of the label":                       {app, podWith(map[string]string{"app": "a"}, "nginx"), true},
		"no labels at all":                             {app, podWith(nil, "nginx"), false},
		"another repository of the same beginning":     {images("ghcr.io/goauthentik/proxy"), podWith(nil, "ghcr.io/goauthentik/proxy-ng:1"), false},
		"the repository with a tag":                    {images("ghcr.io/goauthentik/proxy"), podWith(nil, "ghcr.io/goauthentik/proxy:2026.2.2"), true},
		"the repository with a digest":                 {images("ghcr.io/goauthentik/proxy"), podWith(nil, "ghcr.io/goauthentik/proxy@sha256:00"), true},
		"a short name":                                 {images("docker.io/library/nginx"), podWith(nil, "nginx:1"), true},
		"a short name of another registry's folder":    {images("selenium/node-*"), podWith(nil, "ghcr.io/selenium/node-chrome"), false},
		"the second image of two":                      {images("selenium/node-*"), podWith(nil, "busybox", "index.docker.io/selenium/node-chrome:4"), true},
		"images so long that they are not looked at":   {images("nginx"), podWith(nil, strings.Repeat("a", maxImageBytes+1)), true},
		"more containers than are looked at":           {images("nginx"), podWith(nil, make([]string, maxContainers+1)...), true},
		"no container":                                 {images("nginx"), podWith(nil), false},
		"a path in a setting":                          {v1alpha1.Match{TmpfsPaths: v1alpha1.TmpfsPathsDetect}, podNaming("/dev/shm/x"), true},
		"another path in a setting":                    {v1alpha1.Match{TmpfsPaths: v1alpha1.TmpfsPathsDetect}, podNaming("/tmp/x"), false},
		"a namespace selector beside the Pod selector": {v1alpha1.Match{PodSelector: app.PodSelector, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"x": "y"}}}, podWith(nil, "nginx"), false},
	} {
		t.Run(name, func(t *testing.T) {
			expression, narrow := Condition([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", tc.match)})
			if !narrow {
				t.Fatal("there is no condition")
			}
			got, err := mustCompile(t, expression, "oldest").sends(tc.pod)
			if err != nil || got != tc.want {
				t.Errorf("sent: %v, %v; want %v by\n%s", got, err, tc.want, expression)
			}
		})
	}
}

func TestConditionIsAbsentWhereItCannotBeSaid(t *testing.T) {
	app := v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}}
	many := func(n int, m func(i int) v1alpha1.Match) (out []*v1alpha1.SharedMemoryPolicy) {
		for i := range n {
			out = append(out, newPolicy(fmt.Sprint("p", i), m(i)))
		}
		return out
	}
	for name, policies := range map[string][]*v1alpha1.SharedMemoryPolicy{
		"a namespace selector alone": {newPolicy("p", v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{}})},
		"a selector that is empty":   {newPolicy("p", v1alpha1.Match{PodSelector: &metav1.LabelSelector{}})},
		"one such among others":      {newPolicy("o", app), newPolicy("p", v1alpha1.Match{PodSelector: &metav1.LabelSelector{}})},
		"a bracket that is a slash":  {newPolicy("p", v1alpha1.Match{Images: []string{"ghcr.io[^a]nginx"}})},
		"a selector that is not one": {newPolicy("p", v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}})},
		"nothing that is asked for":  {newPolicy("p", v1alpha1.Match{})},
		"a glob that is not one":     {newPolicy("p", v1alpha1.Match{Images: []string{"a["}})},
		"more text than is evaluated": many(1000, func(i int) v1alpha1.Match {
			return v1alpha1.Match{Images: []string{fmt.Sprint("ghcr.io/org/image-", i)}}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if expression, narrow := Condition(policies); narrow || expression != "" {
				t.Errorf("the condition is\n%s", expression)
			}
		})
	}
}

func TestConditionOfNoPolicyIsFalse(t *testing.T) {
	if expression, narrow := Condition(nil); expression != "false" || !narrow {
		t.Errorf("the condition is %q, %v", expression, narrow)
	}
}

func TestConditionDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sources []*v1alpha1.SharedMemoryPolicy
		for i := range 4 {
			sources = append(sources, genPolicy(t, fmt.Sprint("p", i)))
		}
		want, _ := Condition(sources)
		got, _ := Condition(rapid.Permutation(sources).Draw(t, "order"))
		if want != got {
			t.Errorf("two orders give two texts:\n%s\n%s", want, got)
		}
	})
}

// The library as a whole is what many clusters have.
func library(t testing.TB) []*v1alpha1.SharedMemoryPolicy {
	var out []*v1alpha1.SharedMemoryPolicy
	for _, f := range policies.All() {
		p := &v1alpha1.SharedMemoryPolicy{}
		if err := yaml.Unmarshal(f.YAML, p); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestConditionOfTheLibrary(t *testing.T) {
	expression, narrow := Condition(library(t))
	if !narrow {
		t.Fatal("there is no condition")
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
	}
}

// The dearest Pod that is looked at in full, with the dearest expression.
func TestConditionCost(t *testing.T) {
	policies := library(t)
	for i := 0; ; i++ {
		more := append(slices.Clone(policies), newPolicy(fmt.Sprint("p", i), v1alpha1.Match{Images: []string{fmt.Sprintf("*/org-%d/*", i)}}))
		if _, narrow := Condition(more); !narrow {
			break
		}
		policies = more
	}
	expression, _ := Condition(policies)
	c := mustCompile(t, expression, "newest")
	pod := podWith(map[string]string{"app": "x"})
	for range maxContainers {
		container := corev1.Container{Image: strings.Repeat("i", maxImageBytes/maxContainers-1)}
		for range maxSettings {
			text := strings.Repeat("a", 3<<20/maxContainers/maxSettings/3)
			container.Args = append(container.Args, text)
			container.Command = append(container.Command, text)
			container.Env = append(container.Env, corev1.EnvVar{Name: "A", Value: text})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, container)
	}
	cost, err := c.cost(pod)
	t.Logf("%d bytes cost %d", len(expression), cost)
	if err != nil || cost > 800_000 {
		t.Errorf("the evaluation costs %d, %v: lower the bounds on an expression", cost, err)
	}
	if is, err := c.sends(pod); is || err != nil {
		t.Errorf("sent: %v, %v", is, err)
	}
}

// Why a namespace selector widens: the API server has the variable, and gives no
// namespace in it.
func TestConditionsOfWebhooksDoNotSeeTheNamespace(t *testing.T) {
	c := mustCompile(t, "namespaceObject != null", "newest")
	if is, err := c.sends(podWith(nil, "nginx")); is || err != nil {
		t.Errorf("a namespace is seen: %v, %v; then a condition can use it", is, err)
	}
}

func podWith(labels map[string]string, images ...string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod", Labels: labels}}
	for _, image := range images {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Image: image})
	}
	return pod
}

func podNaming(path string) *corev1.Pod {
	pod := podWith(nil, "nginx")
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "DIR", Value: path}}
	return pod
}

func BenchmarkCondition(b *testing.B) {
	expression, _ := Condition(library(b))
	c := mustCompile(b, expression, "newest")
	pod := podWith(map[string]string{"app": "shop"}, "ghcr.io/example/shop:1", "envoyproxy/envoy:v1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.sends(pod); err != nil {
			b.Fatal(err)
		}
	}
}
