package top

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// testPage writes the page about volumes.
func (o *options) testPage(t *testing.T, c *live.Cluster, volumes ...*volume) clitest.Page {
	t.Helper()
	scan := &scanner{cluster: c, volumes: map[key]*volume{}}
	for _, v := range volumes {
		scan.volumes[key{v.namespace + v.pod, v.Volume}] = v
	}
	o.output.Value = "html"
	var out, errOut bytes.Buffer
	if err := o.write(cli.Streams{Out: &out, ErrOut: &errOut}, scan); err != nil || errOut.Len() > 0 {
		t.Fatalf("%v, standard error %q", err, errOut.String())
	}
	return clitest.ParsePage(t, out.String(), 0)
}

func TestPage_WhatFillsFirst(t *testing.T) {
	const mib64 = 64 * sizing.MiB
	own, unread := seen("full", mib64, sizing.GiB, 16384, 16384), seen("unread", 0, 0)
	own.Volume = ""
	unread.err = errors.New("the container cannot run a shell")
	idle := seen("idle", mib64, sizing.GiB, 0, 0)
	idle.Volume = ""
	page := (&options{}).testPage(t, &live.Cluster{Namespace: "shop", Config: &rest.Config{Host: "https://kubernetes.example.org"}},
		seen("calm", mib64, sizing.GiB, 8192, 8192), own, seen("soon", mib64, sizing.GiB, 8092, 8192), unread, idle,
		seen("once", mib64, 0, 100), seen("slow", sizing.GiB*1024, 0, 8192, 8193), seen("killed", 256*sizing.MiB, 256*sizing.MiB, 8192, 8292), seen("nearly", mib64, sizing.GiB, 15000, 15000))
	want := [][]string{
		{"state", "Pod", "in use", "files", "growth", "full in", "memory limit", "OOM first"},
		{"full", "full shop · /dev/shm (the container runtime's own) · container web", "100 % 64Mi of 64Mi", "16,384", "0", "full", "1Gi 80Mi charged", "no"},
		{"within 24 h", "soon shop · /dev/shm (volume shm) · container web", "50 % 32Mi of 64Mi", "8,192", "+2.3Mi/min", "13 min 39 s", "1Gi 40Mi charged", "no"},
		{"OOM first", "killed shop · /dev/shm (volume shm) · container web", "12 % 32.4Mi of 256Mi", "8,292", "+2.3Mi/min", "1 h 35 min", "256Mi 40.5Mi charged", "yes, in 1 h 10 min"},
		{"fills", "slow shop · /dev/shm (volume shm) · container web", "0 % 32.0Mi of 1024Gi", "8,193", "+1.4Mi/h", "over a year", "none", "no"},
		{"over 80 %", "nearly shop · /dev/shm (volume shm) · container web", "91 % 58.6Mi of 64Mi", "15,000", "0", "-", "1Gi 73.2Mi charged", "no"},
		{"does not grow", "calm shop · /dev/shm (volume shm) · container web", "50 % 32Mi of 64Mi", "8,192", "0", "-", "1Gi 40Mi charged", "no"},
		{"growth unknown", "once shop · /dev/shm (volume shm) · container web", "0 % 409600 B of 64Mi", "100", "?", "?", "none", "no"},
	}
	if diff := cmp.Diff(want, page.Rows()); diff != "" {
		t.Errorf("the rows (-want +got):\n%s", diff)
	}
	text := strings.Join(page.Texts("main"), "")
	for _, part := range []string{
		`How full /dev/shm is in namespace "shop"`, "growth measured over 10 s · https://kubernetes.example.org · ",
		"1 full: nothing more fits", "1 OOM-killed before full", "1 full within 24 hours", "1 over 80 % in use",
		"Time left at the present growth 10 min 1 h 1 day 1 week 30 days soon 13 min 39 s killed 1 h 10 min, then OOM-killed slow over a year",
		"1 Pod with nothing in the runtime's own /dev/shm left out: --all shows them",
		"What could not be read shop/unread /dev/shm : the container cannot run a shell",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %q in\n%s", part, text)
		}
	}
}

func TestPage_NothingThere(t *testing.T) {
	page := (&options{}).testPage(t, &live.Cluster{})
	if want := "No Pod with a /dev/shm of its own runs in all namespaces."; page.Count(want) != 1 || len(page.Rows()) > 0 {
		t.Errorf("there is no %q, or there are rows: %v", want, page.Rows())
	}
}

// What tenants write is text in the page, wherever it stands, and the page loads nothing.
func TestPage_HostileTexts(t *testing.T) {
	v, unread := seen(clitest.Hostile, 64*sizing.MiB, sizing.GiB, 8092, 8192), seen(clitest.Hostile+"2", 0, 0)
	v.namespace, v.container, v.Volume, v.Path = clitest.Hostile, clitest.Hostile, clitest.Hostile, "/"+clitest.Hostile
	unread.err = errors.New(clitest.Hostile)
	page := (&options{}).testPage(t, &live.Cluster{Namespace: clitest.Hostile, Config: &rest.Config{Host: clitest.Hostile}}, v, unread)
	if n := page.Count("evil.example"); n < 9 {
		t.Errorf("the text is there %d times, want it at least 9 times", n)
	}
}
