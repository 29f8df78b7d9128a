package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestNamespaceSelector_UnlabelledIsNotSent(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	// These two do not come under the rules even where someone labels them.
	for _, name := range []string{metav1.NamespaceSystem, install.Namespace} {
		s.label(t, name, `"enforce"`)
		t.Cleanup(func() { s.label(t, name, "null") })
	}
	unlabelled := s.namespace(t, "", nil)
	// The API server learns of namespaces in their order, so once it knows this one
	// it knows the others.
	control := s.namespace(t, "enforce", nil)
	a.must(t, control, webPod("web"), response{Notes: mutated("web")})

	before := s.webhookCalls(t)
	for _, namespace := range []string{unlabelled, metav1.NamespaceSystem, install.Namespace} {
		for _, pod := range []*corev1.Pod{webPod("opt-in"), webPod("opt-in-disk", onDisk)} {
			got := a.create(t, namespace, pod)
			if err := got.differs(response{}); err != nil {
				t.Fatalf("Pod %q in namespace %q: %v", pod.Name, namespace, err)
			}
			t.Cleanup(func() { s.deletePod(t, namespace, pod.Name) })
			if err := untouched(pod, got.pod); err != nil {
				t.Errorf("Pod %q in namespace %q: %v", pod.Name, namespace, err)
			}
			for key, value := range got.event.Annotations {
				if strings.Contains(key+value, "shmkeeper.dev") {
					t.Errorf("Pod %q in namespace %q: the audit log has %s: %s", pod.Name, namespace, key, value)
				}
			}
		}
	}
	if diff := cmp.Diff(before, s.webhookCalls(t)); diff != "" {
		t.Errorf("requests that were sent to the server (-before +after):\n%s", diff)
	}

	// That the counter is one that moves.
	a.create(t, control, webPod("another"))
	after := s.webhookCalls(t)
	for _, webhook := range []string{"mutate.pods.shmkeeper.dev", "enforce.pods.shmkeeper.dev"} {
		if after[webhook] != before[webhook]+1 {
			t.Errorf("%s was called %d times, and then %d times for one Pod more", webhook, before[webhook], after[webhook])
		}
	}
}

func TestMatchCondition_UnmatchedIsNotSent(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	a.must(t, ns, webPod("web"), response{Notes: mutated("web")})

	before := s.webhookCalls(t)
	other := webPod("other", func(p *corev1.Pod) { p.Labels["app"] = "other" })
	got := a.create(t, ns, other)
	if err := got.differs(response{}); err != nil {
		t.Fatal(err)
	}
	if err := untouched(other, got.pod); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, s.webhookCalls(t)); diff != "" {
		t.Errorf("requests that were sent to the server (-before +after):\n%s", diff)
	}
}

// mutated returns the notes on webPod where a policy was enforced.
func mutated(policy string) map[string]string {
	return mutatedAndThen(policy, "Compliant", "AlreadySized")
}

// mutatedAndThen returns the notes on a Pod that was mutated, whatever it was found to be afterwards.
func mutatedAndThen(policy, outcome, reason string) map[string]string {
	notes := judged("mutate.pods", policy, "enforce", "Mutated", "AddVolume")
	maps.Copy(notes, judged("enforce.pods", policy, "enforce", outcome, reason))
	return notes
}

// judged returns the notes of one webhook under a policy that gives 256Mi.
func judged(webhook, policy, mode, outcome, reason string) map[string]string {
	return map[string]string{
		webhook + "/policy": policy, webhook + "/mode": mode, webhook + "/outcome": outcome, webhook + "/reason": reason,
		webhook + "/size-limit": "256Mi",
	}
}

// label sets the label of the mode to a value in JSON; null removes it.
func (s *suite) label(t *testing.T, namespace, value string) {
	t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, v1alpha1.LabelMode, value)
	ctx, cancel := cleanupContext()
	defer cancel()
	if _, err := s.kube.CoreV1().Namespaces().Patch(ctx, namespace, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) deletePod(t *testing.T, namespace, name string) {
	t.Helper()
	ctx, cancel := cleanupContext()
	defer cancel()
	now := int64(0)
	if err := s.kube.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Error(err)
	}
}
