package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// Deleting the Secret of the CA starts a change of CA, and the replica a new leaf.
func TestCertificates_ChangeOfCAFailsNoRequest(t *testing.T) {
	shared.policies(t, newPolicy("fixed", "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 128Mi}}}"))
	ns := shared.namespace(t, "enforce", nil)
	waitSized(t, ns)
	old := issuer(t)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var created atomic.Int64
	var client sync.WaitGroup
	client.Go(func() {
		for ; ctx.Err() == nil; created.Add(1) {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d", created.Load()), Namespace: ns, Labels: map[string]string{"app": "web"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
			}
			admitted, err := shared.kube.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{})
			switch {
			case err != nil:
				t.Errorf("%s: %v", pod.Name, err)
			case !hasVolume(admitted):
				t.Errorf("%s was admitted without its volume", pod.Name)
			}
		}
	})
	if err := shared.kube.CoreV1().Secrets(install.Namespace).Delete(t.Context(), "shmkeeper-ca", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	err := poll(t.Context(), time.Minute, func() error {
		if bytes.Equal(issuer(t), old) {
			return errors.New("the certificate is still of the old CA")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// Some more, by the new CA.
	before, more := created.Load(), int64(10)
	eventually(t, func() error {
		if n := created.Load() - before; n < more {
			return fmt.Errorf("only %d Pods were created after the change of CA, want %d", n, more)
		}
		return nil
	})
	stop()
	client.Wait()
	t.Logf("%d Pods were created meanwhile", created.Load())
}

// issuer identifies the key of the CA that signed the certificate that is served.
func issuer(t *testing.T) []byte {
	t.Helper()
	conn, err := tls.Dial("tcp", shared.replica.Webhooks, &tls.Config{
		// Who it is does not matter here, but who vouches for it.
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS13,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].AuthorityKeyId
}

func TestServer_TLS13Only(t *testing.T) {
	conn, err := tls.Dial("tcp", shared.replica.Webhooks, &tls.Config{
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
	})
	if err == nil {
		_ = conn.Close()
		t.Fatal("the server speaks TLS 1.2")
	}
}
