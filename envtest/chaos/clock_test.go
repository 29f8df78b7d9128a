//go:build chaos && linux

package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/shmkeeper/shmkeeper/certs"
	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// What a clock that has jumped a year ahead leaves behind: a CA that expired long ago. It is made by
// the server's own code, by a clock that is a year behind.
var clockScenarios = []scenario{
	{
		name:  "the clock jumps a year ahead",
		fault: func(t *testing.T, h *harness) { h.loseCA(t, h.age(t)) },
		signs: []sign{logs(`"msg":"A new serving certificate is in use"`)},
	},
	{
		name: "all replicas are killed, and start a year later", allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			h.kill(t, h.replicas...)
			secrets := h.kube.CoreV1().Secrets(install.Namespace)
			secret, err := secrets.Get(t.Context(), caSecret, metav1.GetOptions{})
			if err == nil {
				err = h.age(t)(secret)
			}
			if err != nil {
				t.Fatal(err)
			}
			h.addReplica(t)
			h.addReplica(t)
		},
		signs: []sign{logs(`"msg":"A new serving certificate is in use"`), enforceFailed},
	},
}

// age returns what puts a CA of a year ago into the Secret of the CA.
func (h *harness) age(t *testing.T) func(*corev1.Secret) error {
	t.Helper()
	const name = "aged"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	namespace := kinds[0].namespace()
	source, err := certs.NewSelfManaged(certs.Options{
		Client: h.kube, Namespace: namespace, SecretName: name, DNSNames: certs.ServiceNames(install.Service, install.Namespace),
		CADuration: h.certificates.ca(), CertDuration: h.certificates.leaf, Settle: h.certificates.settle, Resync: h.certificates.resync,
		Clock: clocktesting.NewFakeClock(time.Now().AddDate(-1, 0, 0)), Log: logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = source.Start(ctx) }() // ends with ctx
	eventually(t, source.Ready)
	secrets := h.kube.CoreV1().Secrets(namespace)
	aged, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		err = secrets.Delete(ctx, name, metav1.DeleteOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(secret *corev1.Secret) error {
		secret.Data, secret.Annotations = aged.Data, aged.Annotations
		return h.client.Update(t.Context(), secret)
	}
}
