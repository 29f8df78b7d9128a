package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var modes = []string{"audit", "warn", "enforce"}

func TestMode_LeastOfThree(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	var policies []v1alpha1.SharedMemoryPolicy
	for _, mode := range modes {
		policies = append(policies, newPolicy(mode, fmt.Sprintf(`{mode: %s, match: [{podSelector: {matchLabels: {app: %s}}}], sizing: {fixed: {size: 256Mi}}}`, title(mode), mode)))
	}
	s.policies(t, policies...)
	for _, server := range modes {
		t.Run("server "+server, func(t *testing.T) {
			if server != "enforce" {
				r, err := install.StartReplica(t.Context(), s.cp, s.program, s.dir, "max-"+server, "--max-mode="+server)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := r.Stop(); err != nil {
						t.Error(err)
					}
				})
				s.serve(t, r)
			}
			for _, namespace := range modes {
				ns := s.namespace(t, namespace, nil)
				for _, p := range modes {
					t.Run("namespace "+namespace+", policy "+p, func(t *testing.T) {
						effective := policy.EffectiveMode(mode(t, server), mode(t, namespace), mode(t, p))
						a.mode(t, ns, namespace, p, strings.ToLower(string(effective)))
					})
				}
			}
		})
	}
}

// mode creates a Pod that is to be changed and one that is to be refused, under the
// policy of the same name as its mode.
func (a *apiClient) mode(t *testing.T, ns, namespace, policy, effective string) {
	t.Helper()
	matched := func(p *corev1.Pod) { p.Labels["app"] = policy }
	plain, disk := webPod("plain-"+policy, matched), webPod("disk-"+policy, matched, onDisk)
	webhook := "report.pods"
	if namespace == "enforce" {
		webhook = "enforce.pods"
	}
	wantPlain := response{Notes: judged(webhook, policy, effective, "Mutated", "AddVolume")}
	wantDisk := response{Notes: judged(webhook, policy, effective, "Violating", "NotMemory")}
	switch effective {
	case "enforce":
		wantPlain.Notes = mutated(policy)
		wantDisk.Code, wantDisk.Error = 403, refusedForDisk(policy)
	case "warn":
		wantPlain.Warnings = []string{fmt.Sprintf("would violate SharedMemoryPolicy %q, which in mode enforce %s", policy, changeWords)}
		wantDisk.Warnings = []string{fmt.Sprintf("would violate SharedMemoryPolicy %q: %s", policy, diskDetail)}
	}

	got := a.must(t, ns, plain, wantPlain)
	if effective == "enforce" {
		if err := sized(got, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
			t.Error(err)
		}
	} else if err := untouched(plain, got); err != nil {
		t.Error(err)
	}
	got = a.must(t, ns, disk, wantDisk)
	if effective != "enforce" {
		if err := untouched(disk, got); err != nil {
			t.Error(err)
		}
	}
}

func mode(t *testing.T, text string) v1alpha1.Mode {
	t.Helper()
	m, err := policy.ParseMode(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func title(mode string) string { return strings.ToUpper(mode[:1]) + mode[1:] }

func TestMode_Unknown(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.unguardedNamespace(t, "enforcing")
	warning := []string{`label shmkeeper.dev/mode of the namespace: mode "enforcing" is unknown and counts as audit: write audit, warn or enforce`}
	for _, c := range []struct {
		pod  *corev1.Pod
		want map[string]string
	}{
		{webPod("plain"), judged("report.pods", "web", "audit", "Mutated", "AddVolume")},
		{webPod("disk", onDisk), judged("report.pods", "web", "audit", "Violating", "NotMemory")},
	} {
		got := a.must(t, ns, c.pod, response{Warnings: warning, Notes: c.want})
		if err := untouched(c.pod, got); err != nil {
			t.Error(err)
		}
	}
}

// unguardedNamespace makes a namespace while nobody guards its label, as before an installation.
func (s *suite) unguardedNamespace(t *testing.T, mode string) string {
	t.Helper()
	ctx := t.Context()
	bindings := s.kube.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings()
	binding, err := bindings.Get(ctx, "shmkeeper-mode-label", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := bindings.Delete(ctx, binding.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	dry := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "unguarded", Labels: map[string]string{v1alpha1.LabelMode: mode}}}
	guarded := func(ctx context.Context) bool {
		_, err := s.kube.CoreV1().Namespaces().Create(ctx, dry, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil
	}
	eventually(t, func() error {
		if guarded(ctx) {
			return errors.New("the label is still guarded")
		}
		return nil
	})
	ns := s.namespace(t, mode, nil)
	binding.ObjectMeta = metav1.ObjectMeta{Name: binding.Name, Labels: binding.Labels}
	if _, err := bindings.Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if !guarded(ctx) {
			return errors.New("the label is not guarded again")
		}
		return nil
	})
	return ns
}

// TestDeny_IsForbidden is about the whole of the status: what controllers read,
// which treat 422 as a mistake of theirs, and what people read.
func TestDeny_IsForbidden(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	notes := judged("enforce.pods", "web", "enforce", "Violating", "NotMemory")
	a.must(t, ns, webPod("disk", onDisk), response{Code: 403, Error: refusedForDisk("web"), Notes: notes})
}
