//go:build chromium

package recommend

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// showcase returns what a cluster might have: workloads of each verdict.
func showcase() []recommendation {
	of := func(r recommendation, namespace, workload, volume, policy string, pods int) recommendation {
		r.Namespace, r.Workload, r.Volume, r.Policy, r.Pods = namespace, workload, volume, policy, pods
		return r
	}
	files := func(n int64, each sizing.Bytes) *inspect.Listing {
		return &inspect.Listing{Patterns: []inspect.Pattern{{Files: n, Content: each.Times(n), Pages: each.Times(n), Oldest: 26 * time.Hour}}}
	}
	const mib64 = 64 * sizing.MiB
	return []recommendation{
		of(seen(mib64, sessions(31, 9*time.Hour), 9*time.Hour, 0), "partners", "Deployment/ak-outpost-partners", "", "", 2),
		of(seen(mib64, sessions(18, week), 3*week, 0), "auth", "Deployment/ak-outpost-authentik-embedded-outpost", "", "authentik-proxy-outposts", 2),
		of(seen(4*sizing.GiB, files(12, 30*sizing.MiB), week, 0), "models", "Deployment/chat", "shm", "vllm", 4),
		of(seen(2*sizing.GiB, sessions(7, 24*time.Hour), week, 0), "sso", "Deployment/ak-outpost-intranet", "shm", "", 1),
		of(seen(256*sizing.MiB, files(12, 20*sizing.MiB), week, 0), "reports", "Deployment/pdf", "shm", "puppeteer", 3),
		of(seen(256*sizing.MiB, files(3, 60*sizing.MiB), week, 0), "shop", "StatefulSet/postgres", "dshm", "postgresql", 3),
		of(seen(sizing.GiB, sessions(18, week), 3*week, 0), "sso", "Deployment/ak-outpost-public", "shm", "authentik-proxy-outposts", 2),
	}
}

func TestPage_InABrowser(t *testing.T) {
	var o options
	o.output.Value = "html"
	var out bytes.Buffer
	notes := []string{`Pod shop/cart-0, /dev/shm (the container runtime's own): the container cannot run a shell: allow an ephemeral container with --allow-ephemeral-container`}
	c := &live.Cluster{Config: &rest.Config{Host: "https://kubernetes.example.org"}}
	if err := o.write(cli.Streams{Out: &out}, c, showcase(), notes); err != nil {
		t.Fatal(err)
	}
	if dom := clitest.Open(t, "recommend", out.String(), 1200); strings.Count(dom, "<tr class=") != 7 {
		t.Errorf("there are %d rows, want 7", strings.Count(dom, "<tr class="))
	}
}
