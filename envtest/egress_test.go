package envtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// refuser is a webhook that refuses everything in its own words and counts what it was asked.
type refuser struct {
	words string
	calls atomic.Int64
	names atomic.Value // the server name that the caller asked for, a string
}

func (f *refuser) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.calls.Add(1)
	f.names.Store(r.TLS.ServerName)
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: f.words, Code: http.StatusForbidden}}
	review.Request = nil
	if err := json.NewEncoder(w).Encode(review); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// serve runs the webhook with a certificate for the name and returns its address. With keepAlives the caller may keep its connection.
func (f *refuser) serve(t *testing.T, name string, keepAlives bool) string {
	t.Helper()
	certPEM, keyPEM, err := plane.pki.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(f)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.Config.SetKeepAlivesEnabled(keepAlives)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// webhookFor has the API server ask the Service about every ConfigMap in the namespace.
func webhookFor(t *testing.T, client kubernetes.Interface, ns, service string) {
	t.Helper()
	_, err := client.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: service},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": service}, Ports: []corev1.ServicePort{{Port: 443}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hooks := client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err = hooks.Create(t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "refuser.example.test",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				Service:  &admissionregistrationv1.ServiceReference{Namespace: ns, Name: service},
				CABundle: plane.pki.pem,
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
			AdmissionReviewVersions: []string{"v1"},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hooks.Delete(context.Background(), ns, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// ask creates a ConfigMap, if it is let, and returns why not.
func ask(t *testing.T, client kubernetes.Interface, ns string) error {
	t.Helper()
	_, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "asked-"}}, metav1.CreateOptions{})
	return err
}

// wantRefusal waits until the API server refuses with these words.
func wantRefusal(t *testing.T, client kubernetes.Interface, ns, words string) {
	t.Helper()
	eventually(t, "the refusal", func() error {
		err := ask(t, client, ns)
		if err == nil {
			return errors.New("the ConfigMap was let in")
		}
		if !strings.Contains(err.Error(), words) {
			return fmt.Errorf("it is %w; want %q in it", err, words)
		}
		return nil
	})
}

func TestServeService_WebhookIsReachedByName(t *testing.T) {
	client := clientFor(t, plane.Config)
	ns := namespace(t, client)
	webhookFor(t, client, ns, "refuser")
	wantRefusal(t, client, ns, "502 nobody answers at refuser."+ns+".svc:443")

	f := &refuser{words: "it is the wrong colour; paint it"}
	plane.ServeService(ns, "refuser", 443, f.serve(t, "refuser."+ns+".svc", true))
	wantRefusal(t, client, ns, `admission webhook "refuser.example.test" denied the request: it is the wrong colour; paint it`)
	if got, want := f.names.Load(), "refuser."+ns+".svc"; got != want {
		t.Errorf("the API server asked for the server name %q, want %q", got, want)
	}
}

func TestServeService_AnotherNameIsNotTrusted(t *testing.T) {
	client := clientFor(t, plane.Config)
	ns := namespace(t, client)
	webhookFor(t, client, ns, "refuser")
	f := &refuser{}
	plane.ServeService(ns, "refuser", 443, f.serve(t, "impostor.svc", true))
	wantRefusal(t, client, ns, "certificate is valid for impostor.svc, not refuser."+ns+".svc")
	if n := f.calls.Load(); n != 0 {
		t.Errorf("it was sent %d requests", n)
	}
}

func TestServeService_ServersTakeTurns(t *testing.T) {
	client := clientFor(t, plane.Config)
	ns := namespace(t, client)
	webhookFor(t, client, ns, "refuser")
	name := "refuser." + ns + ".svc"
	one, two := &refuser{words: "no, says one"}, &refuser{words: "no, says two"}
	plane.ServeService(ns, "refuser", 443, one.serve(t, name, false), two.serve(t, name, false))
	wantRefusal(t, client, ns, "no, says one")
	wantRefusal(t, client, ns, "no, says two")
	wantRefusal(t, client, ns, "no, says one")
}

// servedRefuser serves a refuser as a webhook of a namespace, and returns when it is called.
func servedRefuser(t *testing.T, client kubernetes.Interface) (f *refuser, ns, addr string) {
	t.Helper()
	ns = namespace(t, client)
	webhookFor(t, client, ns, "refuser")
	f = &refuser{words: "no"}
	addr = f.serve(t, "refuser."+ns+".svc", true)
	plane.ServeService(ns, "refuser", 443, addr)
	wantRefusal(t, client, ns, "denied the request: no")
	return f, ns, addr
}

func TestServeService_NoServersCutOpenConnections(t *testing.T) {
	client := clientFor(t, plane.Config)
	f, ns, addr := servedRefuser(t, client)
	asked := f.calls.Load()

	plane.ServeService(ns, "refuser", 443)
	if err, want := ask(t, client, ns), "502 nobody answers at refuser."+ns+".svc:443"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the first request after the cut: %v; want %q in it", err, want)
	}
	if n := f.calls.Load() - asked; n != 0 {
		t.Errorf("it was asked %d times after its Service had no servers", n)
	}

	plane.ServeService(ns, "refuser", 443, addr)
	wantRefusal(t, client, ns, "denied the request: no")
}

func TestServiceNetwork_ACutReturnsWhenTheClientHasClosed(t *testing.T) {
	// A folder with a path that is short enough for a socket.
	dir, err := os.MkdirTemp("", "shmkeeper-cut-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// pair returns both ends of a connection.
	pair := func(network, address string) (ours, theirs net.Conn) {
		t.Helper()
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		if theirs, err = net.Dial(network, l.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if ours, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
		return ours, theirs
	}
	client, caller := pair("unix", filepath.Join(dir, "s"))
	server, _ := pair("tcp", "127.0.0.1:0")
	s := servicePort{"ns", "name", 443}
	n := &serviceNetwork{backends: map[servicePort]*backend{}}
	n.serve(s, []string{"somebody"})
	go n.forward(s, &tunnel{client: client, server: server, ended: make(chan struct{})}, client)
	eventually(t, "the connection is open", func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.backends[s].tunnels) == 0 {
			return errors.New("there is none")
		}
		return nil
	})

	var noticed atomic.Bool
	go func() {
		_, _ = caller.Read(make([]byte, 1)) // until it is cut
		time.Sleep(50 * time.Millisecond)   // a client that is slow
		noticed.Store(true)
		_ = caller.Close()
	}()
	n.serve(s, nil)
	if !noticed.Load() {
		t.Error("it returned before the client had closed its end")
	}
}

func TestServeService_NoRequestIsLostToAConnectionThatWasCut(t *testing.T) {
	client := clientFor(t, plane.Config)
	_, ns, addr := servedRefuser(t, client)
	for range 100 {
		plane.ServeService(ns, "refuser", 443)
		plane.ServeService(ns, "refuser", 443, addr)
		if err := ask(t, client, ns); err == nil || !strings.Contains(err.Error(), "denied the request: no") {
			t.Fatalf("a request right after the cut: %v; want the webhook's refusal", err)
		}
	}
}
