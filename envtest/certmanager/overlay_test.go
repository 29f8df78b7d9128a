package certmanager

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	servingName   = "shmkeeper-serving"
	authorityName = "shmkeeper-issuing"
)

// annotation is by what a webhook configuration asks cainjector for a CA.
const annotation = cmapi.WantInjectAnnotation

func quantity(text string) resource.Quantity { return resource.MustParse(text) }

// The parts build on each other, as the life of an installation does.
func TestOverlay_WithCertManagersControllers(t *testing.T) {
	i := &installation{cluster: newCluster(t), volume: secretVolume{dir: t.TempDir()}}
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"the server is not ready while the folder is empty, says why, and is ready when the files are there", i.installs},
		{"cainjector fills in the caBundle of every webhook", func(t *testing.T) { i.bundlesVouchFor(t, served(t, i.replica)) }},
		{"a Pod that a policy matches gets its volume", func(t *testing.T) { i.enforcing(t, shop) }},
		{"a renewal fails no request", func(t *testing.T) {
			i.renewed(t, func() { i.renew(t, servingName) })
		}},
		{"a deleted Secret of the server fails no request", func(t *testing.T) {
			i.renewed(t, func() { i.deleteSecret(t, servingName) })
		}},
		{"a renewal of the CA keeps its key, and fails no request", i.renewsTheCA},
		{"a CA with another key fails no request", i.replacesTheCA},
		{"a webhook configuration that is deleted comes back, and cainjector keeps it", i.restores},
		{"applying the overlay again changes no caBundle", func(t *testing.T) {
			i.apply(t, "cert-manager")
			if err := i.eachBundle(t, vouchesFor(served(t, i.replica))); err != nil {
				t.Error(err)
			}
		}},
		{"changing to the CA of the server's own fails no request", i.leavesCertManager},
		{"changing back to cert-manager fails no request, and nobody fights over the caBundle", i.returnsToCertManager},
	} {
		if !t.Run(part.name, part.test) {
			break
		}
	}
	if i.replica != nil {
		if err := i.replica.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// shop is the namespace in mode enforce.
const shop = "shop"

// installation is shmkeeper with one replica.
type installation struct {
	*cluster
	volume  secretVolume
	replica *install.Replica
}

func (i *installation) apply(t *testing.T, overlay string) {
	t.Helper()
	if err := install.Apply(t.Context(), i.cp, overlay); err != nil {
		t.Fatal(err)
	}
}

// fromFolder returns the arguments of a server in this overlay.
func (i *installation) fromFolder() []string {
	return []string{"--cert-source=directory", "--cert-dir=" + i.volume.dir, "--log-level=debug"}
}

func (i *installation) start(t *testing.T, name string, args ...string) *install.Replica {
	t.Helper()
	r, err := install.StartReplica(t.Context(), i.cp, i.program, i.dir, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// installs applies the overlay and starts the server, as docs/how-to/install.md says, but for the kubelet,
// which would not start it before there is a Secret.
func (i *installation) installs(t *testing.T) {
	i.apply(t, "cert-manager")
	type started struct {
		replica *install.Replica
		err     error
	}
	done := make(chan started, 1)
	go func() {
		r, err := install.StartReplica(t.Context(), i.cp, i.program, i.dir, "server", i.fromFolder()...)
		done <- started{r, err}
	}()
	log := filepath.Join(i.dir, "server.log")
	for _, why := range []string{
		`"checker":"certificate","error":"no serving certificate is loaded yet: ` +
			`make sure that \"` + i.volume.dir + `\" holds tls.crt and tls.key, and that they belong together"`,
		`"msg":"The serving certificate cannot be read; trying again"`,
	} {
		eventually(t, func() error {
			text, err := os.ReadFile(log)
			if err == nil && !strings.Contains(string(text), why) {
				err = fmt.Errorf("the log does not say %s:\n%s", why, tail(log))
			}
			return err
		})
	}
	i.kubectl(t, "-n", install.Namespace, "wait", "certificate/"+servingName, "--for=condition=Ready", "--timeout=2m")
	select {
	case s := <-done:
		t.Fatalf("without a certificate the server is ready, or has ended: %v", s.err)
	default:
	}
	i.volume.write(t, get(t, i.cluster, install.Namespace, servingName, &corev1.Secret{}).Data)
	s := <-done
	if s.err != nil {
		t.Fatal(s.err)
	}
	i.replica = s.replica
	install.ServeReplicas(i.cp, i.replica)
}

// renewed has the serving certificate renewed while Pods are created, and returns when the replica
// serves the new one. It returns what was served before and after.
func (i *installation) renewed(t *testing.T, trigger func()) (old, fresh *x509.Certificate) {
	t.Helper()
	s := i.stream(t)
	defer s.stop()
	old = served(t, i.replica)
	trigger()
	secret := i.reissued(t, servingName, old)
	fresh = issued(t, secret)
	// In a cluster cainjector is always first: a kubelet looks about once a minute.
	i.bundlesVouchFor(t, fresh)
	s.more(t)
	i.volume.write(t, secret.Data)
	eventually(t, func() error {
		if !served(t, i.replica).Equal(fresh) {
			return errors.New("the replica serves the old certificate: make sure that it follows the files")
		}
		return nil
	})
	s.more(t)
	return old, fresh
}

func (i *installation) renewsTheCA(t *testing.T) {
	before := get(t, i.cluster, install.Namespace, authorityName, &corev1.Secret{})
	i.renew(t, authorityName)
	after := i.reissued(t, authorityName, issued(t, before))
	if !bytes.Equal(before.Data[corev1.TLSPrivateKeyKey], after.Data[corev1.TLSPrivateKeyKey]) {
		t.Error("the renewed CA has another key")
	}
	old, fresh := i.renewed(t, func() { i.renew(t, servingName) })
	// No matter which is first, cainjector or the kubelet.
	for what, err := range map[string]error{
		"the renewed CA and a certificate from before": vouchesFor(old)(after.Data[corev1.TLSCertKey]),
		"the CA from before and a new certificate":     vouchesFor(fresh)(before.Data[corev1.TLSCertKey]),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func (i *installation) replacesTheCA(t *testing.T) {
	before, leaf := get(t, i.cluster, install.Namespace, authorityName, &corev1.Secret{}), served(t, i.replica)
	i.deleteSecret(t, authorityName)
	after := i.reissued(t, authorityName, issued(t, before))
	if bytes.Equal(before.Data[corev1.TLSPrivateKeyKey], after.Data[corev1.TLSPrivateKeyKey]) {
		t.Error("the CA has its old key")
	}
	if now := get(t, i.cluster, install.Namespace, servingName, &corev1.Secret{}); !issued(t, now).Equal(leaf) {
		t.Error("cert-manager has renewed the serving certificate because of the CA, which docs/how-to/install.md says it does not")
	}
	old, fresh := i.renewed(t, func() { i.renew(t, servingName) })
	if err := vouchesFor(old)(after.Data[corev1.TLSCertKey]); err == nil {
		t.Error("the new CA vouches for the old certificate, so nothing was shown")
	}
	for _, leaf := range []*x509.Certificate{old, fresh} {
		if err := i.eachBundle(t, vouchesFor(leaf)); err != nil {
			t.Errorf("%v: cainjector has to keep the old CA beside the new one", err)
		}
	}
}

func (i *installation) restores(t *testing.T) {
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "shmkeeper"}}
	if err := i.client.Delete(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
	i.bundlesVouchFor(t, served(t, i.replica))
	restored := get(t, i.cluster, "", "shmkeeper", configuration)
	if got, want := restored.Annotations[annotation], install.Namespace+"/"+servingName; got != want {
		t.Errorf("annotation %s is %q, want %q", annotation, got, want)
	}
	// The CAs from before go as docs/how-to/install.md says. Again and again, since cainjector may be about to write what it has read before.
	authority := get(t, i.cluster, install.Namespace, servingName, &corev1.Secret{}).Data[cmmeta.TLSCAKey]
	eventually(t, func() error {
		live := get(t, i.cluster, "", "shmkeeper", &admissionregistrationv1.MutatingWebhookConfiguration{})
		bundle := &live.Webhooks[0].ClientConfig.CABundle
		if bytes.Equal(*bundle, authority) {
			return nil
		}
		err := fmt.Errorf("caBundle is\n%s\nwant the present CA alone:\n%s", *bundle, authority)
		if len(*bundle) > 0 {
			*bundle = nil
			err = errors.Join(err, i.client.Update(t.Context(), live))
		}
		return err
	})
	if err := i.admit(t.Context(), webPod(shop, "restored")); err != nil {
		t.Error(err)
	}
}

func (i *installation) leavesCertManager(t *testing.T) {
	s := i.stream(t)
	defer s.stop()
	i.apply(t, "default")
	for _, o := range []client.Object{&admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}} {
		if value, found := get(t, i.cluster, "", "shmkeeper", o).GetAnnotations()[annotation]; found {
			t.Errorf("the %T still has the annotation %s: %s", o, annotation, value)
		}
	}
	// Until then it leaves the requests to the replica that it replaces.
	i.rollOut(t, s, i.start(t, "self-managed", "--ca-settle=2s"))
}

func (i *installation) returnsToCertManager(t *testing.T) {
	// A CA that nobody trusts yet.
	before := get(t, i.cluster, install.Namespace, authorityName, &corev1.Secret{})
	i.deleteSecret(t, authorityName)
	i.reissued(t, authorityName, issued(t, before))
	leaf := issued(t, get(t, i.cluster, install.Namespace, servingName, &corev1.Secret{}))
	i.deleteSecret(t, servingName)
	secret := i.reissued(t, servingName, leaf)
	fresh := issued(t, secret)
	if err := i.eachBundle(t, vouchesFor(fresh)); err == nil {
		t.Fatal("the CA is trusted already, so nothing would be shown")
	}

	s := i.stream(t)
	defer s.stop()
	i.apply(t, "cert-manager")
	i.bundlesVouchFor(t, fresh)
	i.bundlesVouchFor(t, served(t, i.replica))
	generation := func() int64 {
		return get(t, i.cluster, "", "shmkeeper", &admissionregistrationv1.MutatingWebhookConfiguration{}).Generation
	}
	settled := generation()
	i.volume.write(t, secret.Data)
	i.rollOut(t, s, i.start(t, "again", i.fromFolder()...))
	if got := generation(); got != settled {
		t.Errorf("the webhook configuration was written %d times more", got-settled)
	}
}

// rollOut puts a replica in the place of the one that there is.
func (i *installation) rollOut(t *testing.T, s *stream, fresh *install.Replica) {
	t.Helper()
	old := i.replica
	i.replica = fresh
	defer func() {
		if err := old.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, replicas := range [][]*install.Replica{{old, fresh}, {fresh}} {
		s.serve(replicas...)
		s.more(t)
	}
}

// eachBundle checks the caBundle of each webhook.
func (i *installation) eachBundle(t *testing.T, check func(bundle []byte) error) error {
	t.Helper()
	bundles := map[string][]byte{}
	var mutating admissionregistrationv1.MutatingWebhookConfiguration
	var validating admissionregistrationv1.ValidatingWebhookConfiguration
	for _, o := range []client.Object{&mutating, &validating} {
		if err := i.client.Get(t.Context(), client.ObjectKey{Name: "shmkeeper"}, o); err != nil {
			return err
		}
	}
	for n := range mutating.Webhooks {
		bundles[mutating.Webhooks[n].Name] = mutating.Webhooks[n].ClientConfig.CABundle
	}
	for n := range validating.Webhooks {
		bundles[validating.Webhooks[n].Name] = validating.Webhooks[n].ClientConfig.CABundle
	}
	if len(bundles) != 6 {
		return fmt.Errorf("there are %d webhooks, want 6: let this test follow the manifests", len(bundles))
	}
	for name, bundle := range bundles {
		if err := check(bundle); err != nil {
			return fmt.Errorf("caBundle of %s: %w", name, err)
		}
	}
	return nil
}

// bundlesVouchFor waits until the API server can verify the certificate at every webhook.
func (i *installation) bundlesVouchFor(t *testing.T, leaf *x509.Certificate) {
	t.Helper()
	eventually(t, func() error { return i.eachBundle(t, vouchesFor(leaf)) })
}

// vouchesFor verifies the certificate by a bundle as the API server does.
func vouchesFor(leaf *x509.Certificate) func(bundle []byte) error {
	return func(bundle []byte) error {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(bundle)
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: install.Service + "." + install.Namespace + ".svc", Roots: roots})
		return err
	}
}

// served returns the certificate that a replica serves now.
func served(t *testing.T, replica *install.Replica) *x509.Certificate {
	t.Helper()
	// Who vouches for it is for the caller to judge.
	conn, err := tls.Dial("tcp", replica.Webhooks, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // nothing was sent
	return conn.ConnectionState().PeerCertificates[0]
}

// issued returns the certificate in a Secret.
func issued(t *testing.T, secret *corev1.Secret) *x509.Certificate {
	t.Helper()
	certificate, err := pki.DecodeX509CertificateBytes(secret.Data[corev1.TLSCertKey])
	if err != nil {
		t.Fatalf("Secret %q: %v", secret.Name, err)
	}
	return certificate
}

// renew does what `cmctl renew` does.
func (c *cluster) renew(t *testing.T, name string) {
	t.Helper()
	eventually(t, func() error {
		certificate := get(t, c, install.Namespace, name, &cmapi.Certificate{})
		util.SetCertificateCondition(certificate, certificate.Generation, cmapi.CertificateConditionIssuing, cmmeta.ConditionTrue, "ManuallyTriggered", "by a test")
		return c.client.Status().Update(t.Context(), certificate)
	})
}

func (c *cluster) deleteSecret(t *testing.T, name string) {
	t.Helper()
	if err := c.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: name}}); err != nil {
		t.Fatal(err)
	}
}

// reissued waits until the Secret of a Certificate holds another certificate than the old one.
func (c *cluster) reissued(t *testing.T, name string, old *x509.Certificate) *corev1.Secret {
	t.Helper()
	var secret corev1.Secret
	eventually(t, func() error {
		if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: name}, &secret); err != nil {
			return err
		}
		if issued(t, &secret).Equal(old) {
			return fmt.Errorf("Secret %q holds the old certificate", name)
		}
		return nil
	})
	return &secret
}
