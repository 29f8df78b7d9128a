package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/shmkeeper/shmkeeper/certs"
	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
	"github.com/shmkeeper/shmkeeper/webhook"
)

// ownRegistry gives a test a registry of its own, since no metric can be registered twice.
func ownRegistry(t *testing.T) *prometheus.Registry {
	t.Helper()
	before, own := metrics.Registry, prometheus.NewRegistry()
	metrics.Registry = own
	t.Cleanup(func() { metrics.Registry = before })
	return own
}

// withoutPorts are the options that the flags give, without the ports for metrics and probes.
func withoutPorts(t *testing.T, flags ...string) *Options {
	t.Helper()
	o, _ := parsed(t, append(flags, "--metrics-bind-address=0", "--health-probe-bind-address=0")...)
	return o
}

// fixedSource serves one certificate.
type fixedSource struct {
	certs.Source
	certificate tls.Certificate
}

// GetCertificate implements certs.Source.
func (s *fixedSource) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &s.certificate, nil
}

// The flags say whose requests are answered.
func TestNewServer_ClientCertificates(t *testing.T) {
	ownRegistry(t)
	trusted, file := newAuthority(t), filepath.Join(t.TempDir(), "ca.crt")
	trusted.write(t, file)
	o := withoutPorts(t, "--webhook-host=127.0.0.1", fmt.Sprint("--webhook-port=", freePort(t)), "--client-ca-file="+file, "--client-names=apiserver")
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	source := &fixedSource{certificate: newAuthority(t).leaf(t, "webhooks", x509.ExtKeyUsageServerAuth)}
	mgr, err := newServer(&rest.Config{Host: "127.0.0.1:1"}, scheme, cluster.NewWatches(scheme, logr.Discard()), source, *o)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := mgr.GetWebhookServer().(*webhookServer)
	if !ok {
		t.Fatalf("the server is a %T", mgr.GetWebhookServer())
	}
	s.Register("/", http.HandlerFunc(echo))
	startServer(t, s)
	for name, c := range map[string]struct {
		certificates []tls.Certificate
		want         bool
	}{
		"without a certificate":       {nil, false},
		"with a certificate":          {[]tls.Certificate{trusted.leaf(t, "apiserver", x509.ExtKeyUsageClientAuth)}, true},
		"with one for another name":   {[]tls.Certificate{trusted.leaf(t, "somebody", x509.ExtKeyUsageClientAuth)}, false},
		"with one that others signed": {[]tls.Certificate{newAuthority(t).leaf(t, "apiserver", x509.ExtKeyUsageClientAuth)}, false},
	} {
		if got := answersTo(t, s, c.certificates); got != c.want {
			t.Errorf("a client %s is answered: %t, want %t", name, got, c.want)
		}
	}
}

// assembled returns the manager that serves admission, as Run makes it.
func assembled(t *testing.T, config *rest.Config, ending *drain, flags ...string) manager.Manager {
	t.Helper()
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	o := withoutPorts(t, append(flags, "--cert-source=directory", "--cert-dir="+t.TempDir())...)
	mgr, _, err := newManagers(config, kube, *o, ending, &permissionCheck{})
	if err != nil {
		t.Fatal(err)
	}
	return mgr
}

// Each webhook has its answers close their connections once the server drains.
func TestNewManagers_AnswersOfADrainCloseConnections(t *testing.T) {
	ownRegistry(t)
	ending := &drain{stopping: t.Context()}
	ending.begun.Store(true)
	mux := assembled(t, &rest.Config{Host: "127.0.0.1:1"}, ending).GetWebhookServer().WebhookMux()
	for at := range webhook.Handlers(webhook.Options{}) {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, at, http.NoBody))
		if got := answer.Header().Get("Connection"); got != "close" || answer.Code == http.StatusNotFound {
			t.Errorf("%s: status %d, Connection: %q; want close", at, answer.Code, got)
		}
	}
}

// apiServerWith is an API server that has the namespace team, and a policy until it is deleted.
type apiServerWith struct {
	policy  *v1alpha1.SharedMemoryPolicy
	deleted chan struct{} // closed when the policy is
}

// kindsOfLists are the kinds of the lists that are asked for, by resource.
var kindsOfLists = map[string]metav1.TypeMeta{
	"sharedmemorypolicies":            {APIVersion: "shmkeeper.dev/v1alpha1", Kind: "SharedMemoryPolicyList"},
	"namespaces":                      {APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"},
	"limitranges":                     {APIVersion: "v1", Kind: "LimitRangeList"},
	"resourcequotas":                  {APIVersion: "v1", Kind: "ResourceQuotaList"},
	"mutatingwebhookconfigurations":   {APIVersion: "admissionregistration.k8s.io/v1", Kind: "MutatingWebhookConfigurationList"},
	"validatingwebhookconfigurations": {APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfigurationList"},
}

// ServeHTTP implements http.Handler. It begins no watch with a list, as Kubernetes 1.30 does not.
func (a *apiServerWith) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	resource, query := path.Base(r.URL.Path), r.URL.Query()
	kind, known := kindsOfLists[resource]
	write := func(v any) {
		if err := json.NewEncoder(w).Encode(v); err != nil {
			return // the client has gone
		}
		_ = http.NewResponseController(w).Flush()
	}
	switch {
	case r.Method != http.MethodGet || !known:
		w.WriteHeader(http.StatusNotFound)
	case query.Has("sendInitialEvents"):
		w.WriteHeader(http.StatusUnprocessableEntity)
		write(metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonInvalid, Code: http.StatusUnprocessableEntity})
	case !query.Has("watch"):
		items := []any{}
		switch resource {
		case "sharedmemorypolicies":
			items = append(items, a.policy)
		case "namespaces":
			items = append(items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "team", ResourceVersion: "1"}})
		}
		write(map[string]any{"apiVersion": kind.APIVersion, "kind": kind.Kind, "metadata": map[string]string{"resourceVersion": "1"}, "items": items})
	default:
		_ = http.NewResponseController(w).Flush() // the watch has begun
		if resource == "sharedmemorypolicies" {
			select {
			case <-a.deleted:
				write(map[string]any{"type": "DELETED", "object": a.policy})
			case <-r.Context().Done():
			}
		}
		<-r.Context().Done()
	}
}

// A Pod of the app "a", as an API server sends it for review.
const review = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","namespace":"team","operation":"CREATE",` +
	`"kind":{"version":"v1","kind":"Pod"},"object":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"app","image":"a"}]}}}}`

// The counters have no series for a policy that was deleted.
func TestNewManagers_CountersForgetDeletedPolicies(t *testing.T) {
	registry := ownRegistry(t)
	a := &apiServerWith{policy: policytest.AppPolicy("gone", "a"), deleted: make(chan struct{})}
	a.policy.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.Kind}
	a.policy.ResourceVersion = "1"
	api := httptest.NewServer(a)
	t.Cleanup(func() { api.CloseClientConnections(); api.Close() }) // watches that have not ended yet
	mgr := assembled(t, &rest.Config{Host: api.URL}, &drain{stopping: t.Context()}, "--audit-interval=0", "--webhook-host=127.0.0.1", fmt.Sprint("--webhook-port=", freePort(t)))
	runUntilEnd(t, mgr.Start)
	waitFor(t, func() error {
		request := httptest.NewRequest(http.MethodPost, webhook.PathReportPods, strings.NewReader(review))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		mgr.GetWebhookServer().WebhookMux().ServeHTTP(answer, request)
		if n := seriesOf(t, registry, "gone"); n == 0 {
			return fmt.Errorf("a Pod that the policy matches is not counted: %d, %s", answer.Code, answer.Body)
		}
		return nil
	})
	close(a.deleted)
	waitFor(t, func() error {
		if n := seriesOf(t, registry, "gone"); n > 0 {
			return fmt.Errorf("the counters have %d series of a policy that was deleted, want 0", n)
		}
		return nil
	})
}

// seriesOf returns how many series of admission name a policy.
func seriesOf(t *testing.T, from prometheus.Gatherer, policy string) (n int) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.HasPrefix(f.GetName(), "shmkeeper_admission_") && l.GetName() == "policy" && l.GetValue() == policy {
					n++
				}
			}
		}
	}
	return n
}
