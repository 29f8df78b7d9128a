//go:build chaos && linux

package chaos

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

const (
	caSecret = "shmkeeper-ca"
	// caBinding is what lets the server read the Secret.
	caBinding = "shmkeeper-ca"
)

// What happens to the certificates.
var certificateScenarios = []scenario{
	{
		name: "the CA and the serving certificates expire, and are replaced in time", long: true,
		fault: func(t *testing.T, h *harness) {
			old := h.leaf(t)
			h.waitLeaf(t, func(now *x509.Certificate) error {
				if !time.Now().After(old.NotAfter) || sameIssuer(now, old) {
					return fmt.Errorf("the certificate is valid until %s, and of CA %x", now.NotAfter, now.AuthorityKeyId)
				}
				return nil
			})
		},
		signs: []sign{logs(`"msg":"A new serving certificate is in use"`)},
	},
	{
		name: "the Secret of the CA is deleted",
		fault: func(t *testing.T, h *harness) {
			h.loseCA(t, func(s *corev1.Secret) error { return h.client.Delete(t.Context(), s) })
		},
		signs: []sign{logs(`"msg":"A new serving certificate is in use"`)},
	},
	{
		name: "the Secret of the CA is overwritten with garbage",
		fault: func(t *testing.T, h *harness) {
			h.loseCA(t, func(s *corev1.Secret) error {
				s.Data = map[string][]byte{"tls.crt": []byte("garbage"), "tls.key": {0, 1, 2}}
				return h.client.Update(t.Context(), s)
			})
		},
		signs: []sign{logs(`"msg":"A new serving certificate is in use"`)},
	},
	{
		name: "the serving certificates expire, since the Secret cannot be read", long: true, allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			binding := &rbacv1.RoleBinding{}
			if err := h.client.Get(t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: caBinding}, binding); err != nil {
				t.Fatal(err)
			}
			if err := h.client.Delete(t.Context(), binding); err != nil {
				t.Fatal(err)
			}
			for _, r := range h.replicas {
				eventually(t, func() error {
					if ready, _ := r.Ready(t.Context()); ready {
						return fmt.Errorf("%s is still ready", r.name)
					}
					return nil
				})
			}
			h.reconnect() // a certificate is looked at when a connection is opened
			h.waitNotCalled(t, 10)
			back := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: binding.Namespace, Name: binding.Name, Labels: binding.Labels}, RoleRef: binding.RoleRef, Subjects: binding.Subjects}
			if err := h.client.Create(t.Context(), back); err != nil {
				t.Fatal(err)
			}
		},
		signs: []sign{enforceFailed, logs(`"msg":"The serving certificate could not be brought up to date; trying again"`)},
	},
}

// leaf returns the certificate that the first replica serves.
func (h *harness) leaf(t *testing.T) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", h.replicas[0].Webhooks, &tls.Config{
		InsecureSkipVerify: true, // who vouches for it is what is asked
		MinVersion:         tls.VersionTLS13,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0]
}

func sameIssuer(a, b *x509.Certificate) bool { return bytes.Equal(a.AuthorityKeyId, b.AuthorityKeyId) }

// waitLeaf waits until the certificate that is served is as wanted. A CA lives for minutes here, so
// this may take longer than other waits.
func (h *harness) waitLeaf(t *testing.T, wanted func(*x509.Certificate) error) {
	t.Helper()
	deadline := time.Now().Add(2 * h.certificates.ca())
	for err := wanted(h.leaf(t)); err != nil; err = wanted(h.leaf(t)) {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // between two looks
	}
}

// loseCA damages the Secret of the CA, and waits until a certificate of another CA is served.
func (h *harness) loseCA(t *testing.T, damage func(*corev1.Secret) error) {
	t.Helper()
	old := h.leaf(t)
	eventually(t, func() error { // a replica may write it at any time
		secret := &corev1.Secret{}
		if err := h.client.Get(t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: caSecret}, secret); err != nil {
			return err
		}
		return damage(secret)
	})
	h.waitLeaf(t, func(now *x509.Certificate) error {
		if sameIssuer(now, old) {
			return fmt.Errorf("the certificate is still of the CA %x", now.AuthorityKeyId)
		}
		return nil
	})
}
