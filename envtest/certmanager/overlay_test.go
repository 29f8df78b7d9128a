package certmanager

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cert-manager/cert-manager/pkg/api/util"
	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/cert-manager/cert-manager/pkg/util/pki"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// What the overlay names: each a Certificate and its Secret.
const (
	servingName = "shmkeeper-serving"
	authorityName = "shmkeeper-issuing"
)

// kubeletLag is how much later than the Secret the files change: enough for cainjector to be first, as it always is in a cluster, where a kubelet
// looks about once a minute.
const kubeletLag = time.Second

func quantity(text string) resource.Quantity { return resource.MustParse(text) }

// The parts build on each other, as the life of an installation does.
func TestTheOverlayWithCertManagersOwnControllers(t *testing.T) {
	c := newCluster(t)
	volume := secretVolume{dir: t.TempDir()}
	var replica *install.Replica
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"it is installed as docs/install.md says", func(t *testing.T) {
			c.kubectl(t, "apply", "-k", filepath.Join("manifests", "cert-manager"))
			c.kubectl(t, "-n", install.Namespace, "wait", "certificate/"+servingName, "--for=condition=Ready", "--timeout=2m")
		}},
		{"the server is not ready while the folder is empty, says why, and is ready when the files are there", func(t *testing.T) {
			replica = c.startInEmptyFolder(t, volume)
		}},
	} {
		if !t.Run(part.name, part.test) {
			return
		}
	}
	t.Cleanup(func() {
		if err := replica.Stop(); err != nil {
			t.Error(err)
		}
	})
	install.ServeReplicas(c.cp, replica)

	i := &installation{cluster: c, volume: volume, replica: replica}
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"cainjector fills in the caBundle of every webhook", func(t *testing.T) {
			eventually(t, func() error { return c.bundles(t.Context(), func(b []byte) error { return vouches(b, i.served(t)) }) })
		}},
		{"a governed Pod gets its volume", func(t *testing.T) { c.enforcing(t, "shop") }},
		{"a renewal fails no request", func(t *testing.T) {
			i.renews(t, "shop", func(t *testing.T) { c.renew(t, servingName) })
		}},
		{"a deleted Secret fails no request", func(t *testing.T) {
			i.renews(t, "shop", func(t *testing.T) { c.deleteSecret(t, servingName) })
		}},
	} {
		if !t.Run(part.name, part.test) {
			return
		}
	}
}

// installation is the overlay with one replica.
type installation struct {
	*cluster
	volume  secretVolume
	replica *install.Replica
}

// startInEmptyFolder starts a replica before the kubelet has written the Secret.
func (c *cluster) startInEmptyFolder(t *testing.T, volume secretVolume) *install.Replica {
	t.Helper()
	type started struct {
		replica *install.Replica
		err     error
	}
	done := make(chan started, 1)
	go func() {
		r, err := install.StartReplica(t.Context(), c.cp, c.program, c.dir, "server", "--cert-source=directory", "--cert-dir="+volume.dir, "--log-level=debug")
		done <- started{r, err}
	}()
	why := fmt.Sprintf(`"checker":"certificate","error":"no serving certificate is loaded yet: see that \"%s\" holds tls.crt and tls.key, and that they belong together"`,
		volume.dir)
	log := filepath.Join(c.dir, "server.log")
	eventually(t, func() error {
		select {
		case s := <-done:
			t.Fatalf("without a certificate: %v, want it to wait", s.err)
		default:
		}
		text, err := os.ReadFile(log)
		if err == nil && !strings.Contains(strings.ReplaceAll(string(text), `\\`, `\`), why) {
			err = fmt.Errorf("the log does not say %s:\n%s", why, tail(log))
		}
		return err
	})
	volume.write(t, get(t, c, install.Namespace, servingName, &corev1.Secret{}).Data)
	s := <-done
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.replica
}

// bundles checks the caBundle of each webhook.
func (c *cluster) bundles(ctx context.Context, check func([]byte) error) error {
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	var validating admissionregistrationv1.ValidatingWebhookConfiguration
	bundles := map[string][]byte{}
	for _, o := range []client.Object{&mutating, &validating} {
		if err := c.client.Get(ctx, client.ObjectKey{Name: "shmkeeper"}, o); err != nil {
			return err
		}
	}
	for _, w := range mutating.Webhooks {
		bundles[w.Name] = w.ClientConfig.CABundle
	}
	for _, w := range validating.Webhooks {
		bundles[w.Name] = w.ClientConfig.CABundle
	}
	if len(bundles) != 5 {
		return fmt.Errorf("there are %d webhooks, want 5", len(bundles))
	}
	for name, bundle := range bundles {
		if err := check(bundle); err != nil {
			return fmt.Errorf("caBundle of %s: %w", name, err)
		}
	}
	return nil
}

// vouches verifies the certificate as the API server does.
func vouches(bundle []byte, leaf *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: install.Service + "." + install.Namespace + ".svc", Roots: roots})
	return err
}

// served is the certificate that the replica serves to whoever connects now.
func (i *installation) served(t *testing.T) *x509.Certificate {
	t.Helper()
	// Who vouches for it is for the caller to judge.
	conn, err := tls.Dial("tcp", i.replica.Webhooks, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // nothing was sent
	return conn.ConnectionState().PeerCertificates[0]
}

// issued is the certificate in a Secret.
func issued(secret *corev1.Secret) (*x509.Certificate, error) {
	return pki.DecodeX509CertificateBytes(secret.Data[corev1.TLSCertKey])
}

// renew is what `cmctl renew` does.
func (c *cluster) renew(t *testing.T, name string) {
	t.Helper()
	eventually(t, func() error {
		certificate := get(t, c, install.Namespace, name, &cmapi.Certificate{})
		util.SetCertificateCondition(certificate, certificate.Generation, cmapi.CertificateConditionIssuing, cmmeta.ConditionTrue, "ManuallyTriggered", "a test")
		return c.client.Status().Update(t.Context(), certificate)
	})
}

func (c *cluster) deleteSecret(t *testing.T, name string) {
	t.Helper()
	if err := c.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: name}}); err != nil {
		t.Fatal(err)
	}
}

// reissued waits until the Secret holds another certificate than the old one.
func (c *cluster) reissued(t *testing.T, name string, old *x509.Certificate) *corev1.Secret {
	t.Helper()
	var secret corev1.Secret
	eventually(t, func() error {
		if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: name}, &secret); err != nil {
			return err
		}
		certificate, err := issued(&secret)
		if err != nil {
			return err
		}
		if certificate.Equal(old) {
			return fmt.Errorf("Secret %q: %w", name, errOld)
		}
		return nil
	})
	return &secret
}

// renews has the serving certificate renewed while Pods are created, and returns when the replica serves the new one and all are admitted.
func (i *installation) renews(t *testing.T, namespace string, trigger func(*testing.T)) {
	t.Helper()
	old := i.served(t)
	stop := i.stream(t, namespace, i.replica)
	defer stop()
	trigger(t)
	secret := i.reissued(t, servingName, old)
	fresh, err := issued(secret)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(kubeletLag)
	i.volume.write(t, secret.Data)
	begun := time.Now()
	eventually(t, func() error {
		if got := i.served(t); got.SerialNumber.Cmp(fresh.SerialNumber) != 0 {
			return fmt.Errorf("the served certificate: %w", errOld)
		}
		return nil
	})
	t.Logf("served %s after the files had changed", time.Since(begun).Round(time.Millisecond))
	time.Sleep(kubeletLag) // some Pods more, by the new one
}
