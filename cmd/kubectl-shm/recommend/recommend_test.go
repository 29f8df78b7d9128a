package recommend

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/lint"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// sessions returns what a container lists of session files that came at a rate and are kept for a time.
func sessions(perMinute float64, kept time.Duration) *inspect.Listing {
	in := func(age time.Duration) int64 { return int64(perMinute * min(age, kept).Minutes()) }
	all := in(kept)
	l := &inspect.Listing{Patterns: []inspect.Pattern{{
		Name: "session_*", Files: all, Content: sizing.Bytes(1500 * all), Pages: sizing.Bytes(4096 * all), Largest: 1500, Oldest: kept,
	}}}
	for _, age := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 72 * time.Hour, 168 * time.Hour} {
		l.Younger = append(l.Younger, inspect.Younger{Age: age, Files: in(age), Pages: sizing.Bytes(4096 * in(age))})
	}
	return l
}

// seen returns what is recommended for one Pod of a workload, which has run for so long.
func seen(size sizing.Bytes, l *inspect.Listing, running, declared time.Duration) recommendation {
	known := l.Learn(running)
	o := observe(&inspect.Usage{Size: size, Used: min(size, known.PagesEach.Times(known.Files))}, l, running)
	w := &workload{observation: o, pods: 1, path: "/dev/shm", writers: []string{"proxy"}, labels: map[string]string{"app": "outpost"}, policy: "outposts", declared: declared}
	return recommend(subject{Workload: live.Workload{Kind: "Deployment", Namespace: "authentik", Name: "outpost"}}, w)
}

const week = 168 * time.Hour

func TestRecommend(t *testing.T) {
	for name, c := range map[string]struct {
		got        recommendation
		verdict    verdict
		confidence confidence
		least      sizing.Bytes
		most       sizing.Bytes
	}{
		// The incident's figures: 18 a minute for a week need 897Mi (facts of docs/explanation/incident.md).
		"a steady week in 64 MiB":                           {seen(64*sizing.MiB, sessions(18, week), 3*week, 0), tooSmall, high, 890 * sizing.MiB, 905 * sizing.MiB},
		"a steady week in 1Gi":                              {seen(sizing.GiB, sessions(18, week), 3*week, 0), right, high, 890 * sizing.MiB, 905 * sizing.MiB},
		"a steady day in 1Gi":                               {seen(sizing.GiB, sessions(18, 24*time.Hour), week, 0), wasteful, high, 128 * sizing.MiB, 135 * sizing.MiB},
		"15 hours, nothing deleted yet, a policy says when": {seen(64*sizing.MiB, sessions(18, 15*time.Hour), 15*time.Hour, week), tooSmall, medium, 890 * sizing.MiB, 905 * sizing.MiB},
		"nothing deleted, and nobody says when":             {seen(64*sizing.MiB, sessions(18, 15*time.Hour), 15*time.Hour, 0), unbounded, medium, 0, 0},
		"a few large files": {
			seen(sizing.GiB, &inspect.Listing{Patterns: []inspect.Pattern{{Files: 2, Content: 100 * sizing.MiB, Pages: 100 * sizing.MiB, Oldest: time.Hour}}}, week, 0),
			wasteful, low, 125 * sizing.MiB, 125 * sizing.MiB,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.got
			if r.Verdict != c.verdict || r.Confidence != c.confidence {
				t.Errorf("got %q, confidence %q (%s); want %q, %q", r.Verdict, r.Confidence, r.Effect, c.verdict, c.confidence)
			}
			switch {
			case r.RecommendedBytes == nil && c.most == 0:
			case r.RecommendedBytes == nil || *r.RecommendedBytes < c.least || *r.RecommendedBytes > c.most:
				t.Errorf("got %v; want from %s to %s", r.RecommendedBytes, c.least, c.most)
			}
		})
	}
}

func TestMerge_OneSizeHasToDoForAll(t *testing.T) {
	quiet, busy := observation{size: sizing.GiB, used: 5, perMinute: 3, relative: 0.2, fileSize: 1500, retention: time.Hour}, observation{size: sizing.MiB, used: 2, perMinute: 18, relative: 0.1, fileSize: 900, retention: time.Minute}
	for _, got := range []observation{quiet.merge(busy), busy.merge(quiet)} {
		if want := (observation{size: sizing.MiB, used: 5, perMinute: 18, relative: 0.1, fileSize: 1500, retention: time.Hour}); got != want {
			t.Errorf("got %+v; want %+v", got, want)
		}
	}
}

// What is written is a policy that lint has nothing to say against.
func TestPolicies_PassLint(t *testing.T) {
	list := []recommendation{seen(64*sizing.MiB, sessions(18, week), 3*week, 0), seen(64*sizing.MiB, sessions(0.7, 15*time.Hour), 15*time.Hour, week)}
	list[1].Workload = "StatefulSet/Other_Name.1"
	fixed := seen(sizing.GiB, &inspect.Listing{Patterns: []inspect.Pattern{{Files: 2, Content: 100 * sizing.MiB, Pages: 100 * sizing.MiB, Oldest: time.Hour}}}, week, 0)
	fixed.Workload, fixed.Volume, fixed.MountPath = "DaemonSet/cache", "cache", "/cache"
	list = append(list, fixed, seen(64*sizing.MiB, sessions(18, time.Hour), time.Hour, 0))
	var out, errOut bytes.Buffer
	if err := writePolicies(cli.Streams{Out: &out, ErrOut: &errOut}, list); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "kind: SharedMemoryPolicy"); n != 3 {
		t.Errorf("there are %d policies, want 3:\n%s", n, out.String())
	}
	if want := `note: no policy for Deployment/outpost in namespace "authentik": nothing is seen to be deleted`; !strings.HasPrefix(errOut.String(), want) {
		t.Errorf("standard error is %q; want %q", errOut.String(), want)
	}
	if got := clitest.Run(out.String(), []string{"lint", "-f", "-"}, lint.Command); got.Code != cli.ExitOK {
		t.Errorf("lint: exit status %d\n%s%s\n%s", got.Code, got.Out, got.ErrOut, out.String())
	}
	for _, part := range []string{"createdPerMinute: \"18\"", "retention: 168h", "createdPerMinute: \"0.699\"", "size: 125Mi", "name: authentik-other-name-1", "mountPath: /cache"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("there is no %q in\n%s", part, out.String())
		}
	}
}

func TestRounded(t *testing.T) {
	for _, c := range []struct{ f, want float64 }{{18.0123, 18}, {0.12345, 0.123}, {12345, 12300}} {
		if got := rounded(c.f); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("rounded(%v) is %v; want %v", c.f, got, c.want)
		}
	}
	if got := fmt.Sprint(wholeMinutes(90*time.Minute), " ", wholeMinutes(90*time.Second)); got != "90m 2m" {
		t.Errorf("got %q", got)
	}
}
