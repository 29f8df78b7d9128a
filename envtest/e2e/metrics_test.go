package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// scraper asks for the metrics of one replica, by TLS, and verifies it as docs/how-to/install.md says that a Prometheus has to.
type scraper struct {
	replica *install.Replica
	url     string
	client  *http.Client
}

// scraper starts a replica with metrics, until the end of the test.
func (s *suite) scraper(t *testing.T) scraper {
	t.Helper()
	address := freeAddress(t)
	// Those of certificates as in runSuite: replicas share the CA.
	replica, err := install.StartReplica(t.Context(), s.cp, s.program, t.TempDir(), "metrics",
		"--metrics-bind-address="+address, "--ca-settle=1s", "--ca-resync=500ms", "--cert-duration=1m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := replica.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s.scraperOf(t, replica, address)
}

// scraperOf returns who asks a replica for its metrics at an address.
func (s *suite) scraperOf(t *testing.T, replica *install.Replica, address string) scraper {
	t.Helper()
	authorities, err := s.kube.CoreV1().ConfigMaps(install.Namespace).Get(t.Context(), "shmkeeper-ca", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authorities.Data["ca.crt"]))
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: roots, ServerName: install.Service + "." + install.Namespace + ".svc", MinVersion: tls.VersionTLS13,
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return scraper{replica, "https://" + address + "/metrics", &http.Client{Transport: transport}}
}

// scrape asks with a token, or without one where it is empty.
func (s scraper) scrape(t *testing.T, token string) (code int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // all of it is read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// token creates a service account and returns a token of it from the API server. Without audiences it is for the API server.
func (s *suite) token(t *testing.T, namespace, account string, audiences ...string) string {
	t.Helper()
	accounts := s.kube.CoreV1().ServiceAccounts(namespace)
	if _, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	request, err := accounts.CreateToken(t.Context(), account, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func TestMetrics_RequireTheRight(t *testing.T) {
	s := shared
	ns := s.namespace(t, "", nil)
	scraper := s.scraper(t)
	for name, c := range map[string]struct {
		token string
		code  int
	}{
		"no token":                    {"", http.StatusUnauthorized},
		"a token whose owner may not": {s.token(t, ns, "stranger"), http.StatusForbidden},
		"a token of an account that may view all else": {s.viewer(t, ns), http.StatusForbidden},
		"an invalid token":                {"word", http.StatusUnauthorized},
		"a token that is for others only": {s.token(t, ns, "elsewhere", "https://example.org"), http.StatusUnauthorized},
	} {
		if code, body := scraper.scrape(t, c.token); code != c.code || strings.Contains(body, "shmkeeper_") {
			t.Errorf("%s: %d %q, want %d and no metrics", name, code, body, c.code)
		}
	}

	s.bindCluster(t, "shmkeeper-metrics-reader", ns, "prometheus")
	token := s.token(t, ns, "prometheus")
	s.policies(t, webPolicy())
	s.serve(t, scraper.replica)
	a, enforce := s.apiClient(t), s.namespace(t, "enforce", nil)
	a.must(t, enforce, webPod("web"), response{Notes: mutated("web")})
	a.create(t, enforce, webPod("disk", onDisk))
	var body string
	eventually(t, func() error {
		var code int
		if code, body = scraper.scrape(t, token); code != http.StatusOK {
			t.Fatalf("with the right: %d %q, want 200", code, body)
		}
		// This replica has a watch of its own on policies, also on those that were deleted.
		if want := `shmkeeper_policies{accepted="true"} 1`; !strings.Contains(body, "\n"+want+"\n") {
			return fmt.Errorf("there is no line %s in:\n%s", want, body)
		}
		return nil
	})
	var got []string
	for _, family := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(body, -1) {
		if name := family[1]; strings.HasPrefix(name, "shmkeeper_") || slices.Contains(frameworks, name) {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(documented(t), got); diff != "" {
		t.Errorf("metrics (-docs/server.md +served):\n%s", diff)
	}
}

// frameworks are the metrics that docs/reference/server.md names and others make.
var frameworks = []string{"controller_runtime_webhook_requests_total", "leader_election_master_status"}

var ofTheLeader = regexp.MustCompile("^shmkeeper_(audit|usage|volume)_")

// documented returns the metrics of docs/reference/server.md, in order.
func documented(t *testing.T) []string {
	t.Helper()
	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "reference", "server.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Clone(frameworks)
	for _, row := range regexp.MustCompile("(?m)^\\| `(shmkeeper_[a-z_]+)` ").FindAllStringSubmatch(string(text), -1) {
		// A replica that does not lead has no other metrics of the audit, and none of usage, which internal/usage/monitor compares.
		if !ofTheLeader.MatchString(row[1]) || row[1] == "shmkeeper_audit_failures_total" {
			names = append(names, row[1])
		}
	}
	slices.Sort(names)
	return names
}

// bindCluster gives a service account a role, as docs/how-to/install.md does for those who read metrics, until the end of the test.
func (s *suite) bindCluster(t *testing.T, role, namespace, account string) {
	t.Helper()
	name := namespace + "-" + account
	if _, err := s.cp.Kubectl(t.Context(), "create", "clusterrolebinding", name, "--clusterrole="+role, "--serviceaccount="+namespace+":"+account); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		if err := s.kube.RbacV1().ClusterRoleBindings().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// viewer returns a token of an account that may look at all usual objects.
func (s *suite) viewer(t *testing.T, namespace string) string {
	t.Helper()
	s.bindCluster(t, "view", namespace, "viewer")
	return s.token(t, namespace, "viewer")
}
