package policy_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// incidentPod is the Pod of the incident as a webhook sees it.
const incidentPod = `
metadata:
  generateName: ak-outpost-authentik-embedded-outpost-587598dc4b-
  namespace: authentik
  annotations: {kubernetes.io/limit-ranger: "LimitRanger plugin set: memory limit for container proxy"}
  labels:
    app: authentik-outpost
    app.kubernetes.io/managed-by: goauthentik.io
    app.kubernetes.io/name: authentik-outpost-proxy
    app.kubernetes.io/version: 2026.2.2
    goauthentik.io/outpost-name: authentik-embedded-outpost
    goauthentik.io/outpost-type: proxy
    goauthentik.io/outpost-uuid: 5f3a9c6d1b7e4d0f8a2c4e6b9d1f3a57
    pod-template-hash: 587598dc4b
spec:
  containers:
  - name: proxy
    image: ghcr.io/goauthentik/proxy:2026.2.2
    env:
    - {name: AUTHENTIK_HOST, value: https://auth.example.org}
    - {name: AUTHENTIK_INSECURE, value: "false"}
    resources: {requests: {memory: 64Mi}, limits: {memory: 256Mi}}
    volumeMounts: [{name: kube-api-access-x7k2p, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]
  volumes: [{name: kube-api-access-x7k2p, emptyDir: {}}]
`

// manyPolicies are the library and n policies for other workloads, by label,
// image, namespace and path in equal parts.
func manyPolicies(tb testing.TB, n int) policy.Set {
	var compiled []policy.Policy
	for _, file := range policies.All() {
		var p v1alpha1.SharedMemoryPolicy
		if err := yaml.UnmarshalStrict(file.YAML, &p); err != nil {
			tb.Fatal(err)
		}
		compiled = append(compiled, mustCompile(tb, &p))
	}
	for i := len(compiled); i < n; i++ {
		p := filesPolicy("18", "168h", "1500", "", "")
		p.Name = fmt.Sprintf("policy-%d", i)
		unique := fmt.Sprintf("app-%d", i)
		p.Spec.Match = v1alpha1.Match{}
		switch i % 4 {
		case 0:
			p.Spec.Match.PodSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": unique, "app.kubernetes.io/managed-by": "goauthentik.io"}}
		case 1:
			p.Spec.Match.Images = []string{"ghcr.io/goauthentik/" + unique}
		case 2:
			p.Spec.Match.Images = []string{"registry.example.org/" + unique + "/*"}
		case 3:
			p.Spec.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": unique}}
			p.Spec.Match.TmpfsPaths = v1alpha1.TmpfsPathsDetect
		}
		compiled = append(compiled, mustCompile(tb, p))
	}
	return policy.NewSet(compiled...)
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{20, 500, 5000} {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			set := manyPolicies(b, n)
			subject, _ := policy.NewSubject(readPod(b, incidentPod))
			subject.NamespaceLabels = map[string]string{"kubernetes.io/metadata.name": "authentik", v1alpha1.LabelMode: "enforce"}
			if d := set.Decide(subject); d.Outcome != policy.Mutated || d.Policy != "authentik-proxy-outposts" {
				b.Fatalf("outcome %s by %q", d.Outcome, d.Policy)
			}
			b.ReportAllocs()
			for b.Loop() {
				set.Decide(subject)
			}
		})
	}
}

// BenchmarkDecideAndPatch is what a mutating webhook does for each Pod.
func BenchmarkDecideAndPatch(b *testing.B) {
	set := manyPolicies(b, 500)
	subject, _ := policy.NewSubject(readPod(b, incidentPod))
	b.ReportAllocs()
	for b.Loop() {
		set.Decide(subject).JSONPatch(subject)
	}
}

// BenchmarkDecideUngoverned is a Pod that no policy matches.
func BenchmarkDecideUngoverned(b *testing.B) {
	set := manyPolicies(b, 500)
	subject, _ := policy.NewSubject(readPod(b, "{metadata: {labels: {app: web, tier: front}}, spec: {containers: [{name: web, image: 'registry.example.org/web:1'}]}}"))
	if d := set.Decide(subject); d.Outcome != policy.NotGoverned {
		b.Fatalf("outcome %s", d.Outcome)
	}
	b.ReportAllocs()
	for b.Loop() {
		set.Decide(subject)
	}
}

// A Decision on the incident's Pod allocates less than the bound that the project
// set itself, however many policies there are. (Its time is a matter for the
// benchmark.)
func TestDecideAllocatesLittle(t *testing.T) {
	for _, n := range []int{500, 5000} {
		set := manyPolicies(t, n)
		subject, _ := policy.NewSubject(readPod(t, incidentPod))
		if got := testing.AllocsPerRun(100, func() { set.Decide(subject) }); got >= 60 {
			t.Errorf("with %d policies: %.0f allocations, want fewer than 60", n, got)
		}
	}
}
