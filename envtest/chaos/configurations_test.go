//go:build chaos && linux

package chaos

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

const configuration = "shmkeeper"

// What happens to the webhook configurations. While one is gone or narrowed the API server asks
// nobody, and nothing can hold but that it is restored soon.
var configurationScenarios = []scenario{
	{
		name: "the validating configuration is deleted", led: true,
		fault: func(t *testing.T, h *harness) {
			h.tamper(t, func() error {
				return h.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(t.Context(), configuration, metav1.DeleteOptions{})
			})
		},
		signs: []sign{restoredEvent("ValidatingWebhookConfiguration: it was deleted")},
	},
	{
		name: "the mutating configuration is deleted", led: true, allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			if err := h.kube.AdmissionregistrationV1().MutatingWebhookConfigurations().Delete(t.Context(), configuration, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		signs: []sign{restoredEvent("MutatingWebhookConfiguration: it was deleted"), counts("shmkeeper_admission_violations_total", `webhook="enforce"`, `reason="NoMount"`)},
	},
	{
		name: "a webhook is narrowed to no Pods", led: true,
		fault: func(t *testing.T, h *harness) {
			h.tamper(t, func() error {
				h.editEnforcing(t, func(w *admissionregistrationv1.ValidatingWebhook) {
					w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"nobody": "has-this"}}
				})
				return nil
			})
		},
		signs: []sign{restoredEvent(`objectSelector of webhook "enforce.pods.shmkeeper.dev" was changed`)},
	},
	{
		name: "a webhook is widened to every namespace", led: true, allowance: allowance{elsewhere: true},
		fault: func(t *testing.T, h *harness) {
			h.editEnforcing(t, func(w *admissionregistrationv1.ValidatingWebhook) { w.NamespaceSelector = &metav1.LabelSelector{} })
			h.waitEnforced(t)
			eventually(t, func() error {
				live, err := h.validating(t)
				if err == nil && len(enforcing(live).NamespaceSelector.MatchExpressions) == 0 {
					err = fmt.Errorf("every namespace is still selected")
				}
				return err
			})
		},
		signs: []sign{restoredEvent(`namespaceSelector of webhook "enforce.pods.shmkeeper.dev" was changed`)},
	},
	{
		name: "every caBundle is replaced by a stranger's", led: true, allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			stranger := strangersCA(t)
			h.editValidating(t, func(w *admissionregistrationv1.ValidatingWebhook) { w.ClientConfig.CABundle = stranger })
			h.editMutating(t, func(w *admissionregistrationv1.MutatingWebhook) { w.ClientConfig.CABundle = stranger })
		},
		signs: []sign{logs(`"msg":"The CA bundle was published"`)},
	},
}

const (
	// mostUnguarded is how long Pods may go unjudged when somebody has tampered.
	mostUnguarded = 15 * time.Second
	// longestWait is by how much shmkeeper puts off a repair that somebody keeps undoing, as these
	// scenarios do in a soak.
	longestWait = time.Minute
)

// contested reports whether a replica takes these scenarios for a fight.
func (h *harness) contested(t *testing.T) bool {
	t.Helper()
	total := 0.0
	eventually(t, func() error {
		for _, r := range h.replicas {
			now, err := h.metrics(t.Context(), r)
			if err != nil {
				return err
			}
			total += now.sum("shmkeeper_webhook_configuration_contested")
		}
		return nil
	})
	return total > 0
}

// tamper has requests held back from shmkeeper, and waits until Pods are judged again.
func (h *harness) tamper(t *testing.T, do func() error) {
	t.Helper()
	begin := time.Now()
	h.ledger.tampering(begin)
	most := mostUnguarded
	if h.contested(t) {
		most += longestWait
	}
	if err := do(); err != nil {
		t.Fatal(err)
	}
	h.waitUnguarded(t, begin)
	h.waitEnforced(t)
	h.ledger.restored(time.Now())
	if h.unjudged = time.Since(begin); h.unjudged > most {
		t.Errorf("Pods were not judged for %s, want at most %s", human(h.unjudged), most)
	}
}

// waitUnguarded waits until a Pod was created that should have been rejected.
func (h *harness) waitUnguarded(t *testing.T, since time.Time) {
	t.Helper()
	eventually(t, func() error {
		creations := h.stream.since(since)
		for i := range creations {
			if c := &creations[i]; c.kind.guarded() && c.kind.disk && c.outcome == admitted {
				return nil
			}
		}
		return fmt.Errorf("none of %d Pods came by", len(creations))
	})
}

// waitEnforced waits until Pods that no mutation fixes are rejected, three times in a row.
func (h *harness) waitEnforced(t *testing.T) {
	t.Helper()
	disk := kinds[2]
	inARow := 0
	eventually(t, func() error {
		_, err := h.kube.CoreV1().Pods(disk.namespace()).Create(t.Context(), disk.pod("dry-run"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if got := outcomeOf(err); got != rejected {
			inARow = 0
			return fmt.Errorf("a Pod with a disk at %s is %s: %w", shmPath, got, err)
		}
		if inARow++; inARow < 3 {
			return fmt.Errorf("rejected %d times", inARow)
		}
		return nil
	})
}

func (h *harness) validating(t *testing.T) (*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	return h.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), configuration, metav1.GetOptions{})
}

// enforcing returns the webhook that fails closed for Pods.
func enforcing(c *admissionregistrationv1.ValidatingWebhookConfiguration) *admissionregistrationv1.ValidatingWebhook {
	for i := range c.Webhooks {
		if c.Webhooks[i].Name == "enforce.pods.shmkeeper.dev" {
			return &c.Webhooks[i]
		}
	}
	return &admissionregistrationv1.ValidatingWebhook{NamespaceSelector: &metav1.LabelSelector{}}
}

func (h *harness) editEnforcing(t *testing.T, change func(*admissionregistrationv1.ValidatingWebhook)) {
	t.Helper()
	h.editValidating(t, func(w *admissionregistrationv1.ValidatingWebhook) {
		if w.Name == "enforce.pods.shmkeeper.dev" {
			change(w)
		}
	})
}

// editValidating changes each webhook of the validating configuration.
func (h *harness) editValidating(t *testing.T, change func(*admissionregistrationv1.ValidatingWebhook)) {
	t.Helper()
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		live, err := h.validating(t)
		if err != nil {
			return err
		}
		for i := range live.Webhooks {
			change(&live.Webhooks[i])
		}
		_, err = h.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(t.Context(), live, metav1.UpdateOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// editMutating changes each webhook of the mutating configuration.
func (h *harness) editMutating(t *testing.T, change func(*admissionregistrationv1.MutatingWebhook)) {
	t.Helper()
	configurations := h.kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		live, err := configurations.Get(t.Context(), configuration, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for i := range live.Webhooks {
			change(&live.Webhooks[i])
		}
		_, err = configurations.Update(t.Context(), live, metav1.UpdateOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// strangersCA returns the certificate of a CA that nobody here has, in PEM.
func strangersCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
}
