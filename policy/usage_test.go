package policy_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestEvaluation_Usage(t *testing.T) {
	p, errs := policy.Compile(policytest.AppPolicy("web", "web"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	app := policytest.Labels(map[string]string{"app": "web"})
	memory := []policytest.ContainerOption{policytest.MemoryLimit("512Mi"), policytest.MemoryRequest("128Mi")}
	for name, c := range map[string]struct {
		pod           *corev1.Pod
		before, after policy.Usage
		ok            bool
	}{
		// 256Mi of volume cost 257Mi with the kernel memory of one file that fills it; the policy expects all of it in use.
		"a Pod that is changed": {
			policytest.NewPod("p", app, policytest.WithContainer("web", "a", memory...)),
			policy.Usage{Requests: 128 * sizing.MiB, Limits: 512 * sizing.MiB},
			policy.Usage{Requests: 384 * sizing.MiB, Limits: 769 * sizing.MiB},
			true,
		},
		"a Pod that stays as it is": {
			policytest.NewPod("p", app, policytest.WithMemoryVolume("shm", "256Mi"), policytest.WithContainer("web", "a", append(memory, policytest.Mount("shm", "/dev/shm"))...)),
			policy.Usage{Requests: 128 * sizing.MiB, Limits: 512 * sizing.MiB},
			policy.Usage{Requests: 128 * sizing.MiB, Limits: 512 * sizing.MiB},
			true,
		},
		"a Pod that no policy matches": {pod: policytest.NewPod("p", policytest.WithContainer("web", "a", memory...))},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := policy.NewSubject(c.pod)
			e := policy.NewSet(p).Evaluate(s)
			before, after, ok := e.Usage()
			if before != c.before || after != c.after || ok != c.ok {
				t.Errorf("got %v, %v, %v of %s, want %v, %v, %v", before, after, ok, e.Detail, c.before, c.after, c.ok)
			}
			if got := e.CountedBy(&corev1.ResourceQuota{}); got != c.ok {
				t.Errorf("a quota without scopes counts it: %v, want %v", got, c.ok)
			}
			bestEffort := &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Scopes: []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}}}
			if e.CountedBy(bestEffort) {
				t.Error("a quota of the scope BestEffort counts a Pod with a memory limit")
			}
		})
	}
}
