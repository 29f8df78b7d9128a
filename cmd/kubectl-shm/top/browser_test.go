//go:build chromium

package top

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// showcase returns what a cluster might have: a volume in each state, and some that cannot be read.
func showcase() map[key]*volume {
	out := map[key]*volume{}
	add := func(namespace, pod, volume string, size, limit sizing.Bytes, files ...int64) *volume {
		v := seen(pod, size, limit, files...)
		v.namespace, v.Volume = namespace, volume
		out[key{pod, volume}] = v
		return v
	}
	const mib64 = 64 * sizing.MiB
	add("auth", "ak-outpost-authentik-embedded-outpost-5ff99d766-fn47x", "", mib64, 256*sizing.MiB, 16384, 16384)
	add("auth", "ak-outpost-partners-7c9d8b6f5-2xk8p", "shm", 256*sizing.MiB, 256*sizing.MiB, 41000, 41012)
	add("shop", "postgres-0", "dshm", 256*sizing.MiB, 2*sizing.GiB, 31000, 31002)
	add("shop", "postgres-1", "dshm", 256*sizing.MiB, 2*sizing.GiB, 56000, 56000)
	add("e2e-tests", "chrome-grid-6b8d9c7f4-qm2vt", "", mib64, 4*sizing.GiB, 14000, 14060)
	add("e2e-tests", "chrome-grid-6b8d9c7f4-zz9xw", "", mib64, 4*sizing.GiB, 15000, 15000)
	add("models", "chat-0", "shm", 2*sizing.GiB, 80*sizing.GiB, 120000, 120000)
	add("models", "embeddings-5c8f7d6b9-8rj4n", "shm", 2*sizing.GiB, 0, 1000, 1001)
	add("reports", "pdf-79d5c4b8d6-kc5hd", "shm", sizing.GiB, 3*sizing.GiB, 20000, 20008)
	add("cameras", "frigate-0", "dshm", 128*sizing.MiB, 4*sizing.GiB, 21000, 21000)
	for _, pod := range []string{"cart-0", "cart-1"} {
		v := add("shop", pod, "", 0, 0)
		v.err = errors.New(`the container cannot run a shell: "sh": executable file not found in $PATH; allow an ephemeral container with --allow-ephemeral-container`)
	}
	add("team-a", "web-0", "", mib64, sizing.GiB, 0, 0)
	return out
}

func TestPage_InABrowser(t *testing.T) {
	scan := &scanner{cluster: &live.Cluster{Config: &rest.Config{Host: "https://kubernetes.example.org"}}, volumes: showcase()}
	var o options
	o.output.Value = "html"
	var out bytes.Buffer
	if err := o.write(cli.Streams{Out: &out}, scan); err != nil {
		t.Fatal(err)
	}
	if dom := clitest.Open(t, "top", out.String(), 1380); strings.Count(dom, "<tr class=") != 10 {
		t.Errorf("there are %d rows, want 10", strings.Count(dom, "<tr class="))
	}
}
