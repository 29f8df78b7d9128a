package recommend

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// testPage writes the page about recommendations.
func (o *options) testPage(t *testing.T, c *live.Cluster, notes []string, list ...recommendation) clitest.Page {
	t.Helper()
	o.output.Value = "html"
	var out, errOut bytes.Buffer
	if err := o.write(cli.Streams{Out: &out, ErrOut: &errOut}, c, list, notes); err != nil || errOut.Len() > 0 {
		t.Fatalf("%v, standard error %q", err, errOut.String())
	}
	return clitest.ParsePage(t, out.String(), 0)
}

// fleet returns a recommendation of each verdict.
func fleet() []recommendation {
	large := seen(sizing.GiB, &inspect.Listing{Patterns: []inspect.Pattern{{Files: 2, Content: 100 * sizing.MiB, Pages: 100 * sizing.MiB, Oldest: time.Hour}}}, week, 0)
	large.Volume, large.Pods, large.Policy = "cache", 3, ""
	return []recommendation{
		seen(64*sizing.MiB, sessions(18, 15*time.Hour), 15*time.Hour, 0),
		seen(64*sizing.MiB, sessions(18, week), 3*week, 0),
		large,
		seen(sizing.GiB, sessions(18, week), 3*week, 0),
	}
}

func TestPage_Verdicts(t *testing.T) {
	page := (&options{}).testPage(t, &live.Cluster{Namespace: "authentik", Config: &rest.Config{Host: "https://kubernetes.example.org"}}, []string{"a note"}, fleet()...)
	own := "Deployment/outpost authentik · /dev/shm (the container runtime's own) · 1 Pod · policy outposts"
	want := [][]string{
		{"verdict", "workload", "today and recommended", "files a minute", "kept", "confidence"},
		{"never enough", own, "today 64Mi needs no size 63.3Mi in use now nothing is seen to be deleted: 64Mi fill in 15 h 10 min from empty", "18 ±3% of 1500 B", "?", "medium ●●○ over 15 h"},
		{"too small", own, "today 64Mi needs 897Mi 64Mi in use now; costs 1163.3Mi of memory when full full after 15 h 10 min from empty", "18 ±1% of 1500 B", "7 d", "high ●●● over 7 d"},
		{"wasteful", "Deployment/outpost authentik · /dev/shm (volume cache) · 3 Pods", "today 1Gi needs 125Mi 100Mi in use now; costs 125.3Mi of memory when full saves 901.1Mi of memory when full, for each Pod", "no file for each request", "?", "low ●○○ over 1 h"},
		{"right", own, "today 1Gi needs 897Mi 708.8Mi in use now; costs 1163.3Mi of memory when full", "18 ±1% of 1500 B", "7 d", "high ●●● over 7 d"},
	}
	if diff := cmp.Diff(want, page.Rows()); diff != "" {
		t.Errorf("the rows (-want +got):\n%s", diff)
	}
	text := strings.Join(page.Texts("main"), "")
	for _, part := range []string{
		`How large /dev/shm should be in namespace "authentik" 4 volumes of workloads · https://kubernetes.example.org · `,
		"1 never enough: nothing is deleted 1 too small 1 wasteful: over twice the need 1 right +833Mi missing where it is too small, all Pods −2703.2Mi of memory to save where it is wasteful, all Pods full",
		"What could not be seen a note",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %q in\n%s", part, text)
		}
	}
}

func TestPage_NothingThere(t *testing.T) {
	page := (&options{}).testPage(t, &live.Cluster{}, nil)
	if want := "No running Pod has anything in its /dev/shm."; page.Count(want) != 1 || len(page.Rows()) > 0 {
		t.Errorf("there is no %q, or there are rows: %v", want, page.Rows())
	}
}

// What tenants write is text in the page, wherever it stands, and the page loads nothing.
func TestPage_HostileTexts(t *testing.T) {
	r := fleet()[0]
	r.Namespace, r.Workload, r.Volume, r.MountPath, r.Policy = clitest.Hostile, clitest.Hostile, clitest.Hostile, "/"+clitest.Hostile, clitest.Hostile
	page := (&options{}).testPage(t, &live.Cluster{Namespace: clitest.Hostile, Config: &rest.Config{Host: clitest.Hostile}}, []string{clitest.Hostile}, r)
	if n := page.Count("evil.example"); n < 9 {
		t.Errorf("the text is there %d times, want it at least 9 times", n)
	}
}
