package e2e

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// A replica that starts before the API server answers, and before the CRD is installed, is alive and
// waits.
func TestStart_WaitsForTheAPIServerAndTheCRD(t *testing.T) {
	s := shared
	config, err := s.cp.ServiceAccount(install.Namespace, install.ServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	config.Host = "https://" + address
	replica, err := install.Launch(config, s.program, t.TempDir(), "early")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Kill() })
	says := func(check string, code int, want string) { t.Helper(); aliveAndSays(t, replica, check, code, want) }
	says("permissions", 500, "the API server has not said yet that the server may do its work")
	says("policies", 500, "watching SharedMemoryPolicy: ")

	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	crd := filepath.Join(root, "manifests", "crd")
	if _, err := s.cp.Kubectl(t.Context(), "delete", "-k", crd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		if _, err := s.cp.Kubectl(ctx, "apply", "-k", crd); err != nil {
			t.Error(err)
		}
	})
	forward(t, address, server.Host)
	says("policies", 500, "watching SharedMemoryPolicy: the server could not find the requested resource")
	says("permissions", 200, "ok")
	if _, err := s.cp.Kubectl(t.Context(), "apply", "-k", crd); err != nil {
		t.Fatal(err)
	}
	if err := replica.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := replica.Stop(); err != nil {
		t.Error(err)
	}
}

// aliveAndSays waits until a check of readiness answers, of a replica that is alive.
func aliveAndSays(t *testing.T, r *install.Replica, check string, code int, want string) {
	t.Helper()
	eventually(t, func() error {
		if status, answer := r.Probe(t.Context(), "/healthz"); status != 200 {
			return fmt.Errorf("it is not alive: %d %s", status, answer)
		}
		if status, answer := r.Probe(t.Context(), "/readyz/"+check); status != code || !strings.Contains(answer, want) {
			return fmt.Errorf("the check %s: %d %s, want %d %q", check, status, answer, code, want)
		}
		return nil
	})
}

// forward listens at an address, until the end of the test, and connects who calls it with another.
func forward(t *testing.T, address, to string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
		}
	}()
}

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}
