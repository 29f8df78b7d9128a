//go:build linux && node

package incident

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest"
	measure "github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/internal/usage/kubelet"
	"github.com/shmkeeper/shmkeeper/internal/usage/learn"
	"github.com/shmkeeper/shmkeeper/test/node/cluster"
)

// usageReader asks the kubelet as the server does: with no rights but those of manifests/usage.
var usageReader = sync.OnceValues(func() (*kubelet.Reader, error) {
	ctx := context.Background()
	root, err := envtest.Root(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := node.Kubectl(ctx, "apply", "-f", filepath.Join(root, "manifests", "usage", "clusterrole.yaml")); err != nil {
		return nil, err
	}
	const user = "usage-reader"
	_, err = node.Client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "shmkeeper-usage"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	config, err := node.User(user)
	if err != nil {
		return nil, err
	}
	// The kubelet has made its certificate itself: see TestKubelet_CertificateOfItsOwn.
	return kubelet.New(config, kubelet.Options{InsecureTLS: true})
})

// theNode returns where the kubelet listens, by the status of its node.
func theNode(ctx context.Context) (kubelet.Node, error) {
	n, err := node.Client.CoreV1().Nodes().Get(ctx, cluster.NodeName, metav1.GetOptions{})
	if err != nil {
		return kubelet.Node{}, err
	}
	return kubelet.NodeOf(n)
}

// askKubelet returns what the kubelet says.
func askKubelet(ctx context.Context) (measure.Summary, error) {
	r, err := usageReader()
	if err != nil {
		return measure.Summary{}, err
	}
	n, err := theNode(ctx)
	if err != nil {
		return measure.Summary{}, err
	}
	a := r.Read(ctx, []kubelet.Node{n})[0]
	return a.Summary, a.Err
}

// sampleOf returns the newest sample of the Pod's volume of a name.
func (o *outpost) sampleOf(ctx context.Context, volume string) (measure.Sample, error) {
	s, err := askKubelet(ctx)
	if err != nil {
		return measure.Sample{}, err
	}
	key := measure.VolumeKey{PodUID: string(o.pod.UID), Volume: volume}
	for i := range s.Pods {
		for j := range s.Pods[i].Volumes {
			if v := &s.Pods[i].Volumes[j]; v.VolumeKey == key {
				return v.Sample, nil
			}
		}
	}
	return measure.Sample{}, fmt.Errorf("the kubelet says nothing of volume %q of Pod %q", volume, o.pod.Name)
}

// dayZero is when loads begin, in the incident's time.
var dayZero = time.Date(2026, 4, 11, 0, 0, 0, 0, time.UTC)

// watchUsage reads the kubelet while a load runs, until the returned function is called, which
// returns the samples in the incident's time.
func (o *outpost) watchUsage(t *testing.T, l *load, volume string) (stop func() []measure.Sample) {
	ctx, cancel := context.WithCancel(t.Context())
	watched := *o
	var all []measure.Sample
	var last error
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(time.Second); ; {
			s, err := watched.sampleOf(ctx, volume)
			if err == nil {
				// A kubelet tells whole seconds: half a one is what is left out on average.
				s.Time = s.Time.Add(500 * time.Millisecond)
				if s.Time.After(l.start) && (len(all) == 0 || s.Time.After(all[len(all)-1].Time)) {
					all = append(all, s)
				}
			} else if ctx.Err() == nil {
				last = err
			}
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	stop = sync.OnceValue(func() []measure.Sample {
		cancel()
		wg.Wait()
		if len(all) == 0 {
			t.Fatalf("the kubelet has said nothing of volume %q: %v", volume, last)
		}
		for i := range all {
			all[i].Time = dayZero.Add(l.passed(all[i].Time.Sub(l.start)))
		}
		return all
	})
	t.Cleanup(cancel)
	return stop
}

// mustLearn returns what is learned of samples, and holds the rate against what was sent.
func (p place) mustLearn(samples []measure.Sample) learn.Estimate {
	t := p.t
	t.Helper()
	s := measure.NewSeries(dayZero, measure.DefaultPoints)
	for _, x := range samples {
		s.Add(x)
	}
	e := learn.From(s, learn.Declared{BytesPerFile: pageSize, SweepInterval: p.sweepInterval})
	t.Logf("learned from %d samples of the kubelet over %s: %s, %.2f files a minute (%.2f to %.2f) of %.0f bytes, kept %s (%s to %s)", len(samples), span(e.Observed),
		e.Phase, e.CreatedPerMinute, e.Rate.Low, e.Rate.High, e.BytesPerFile, span(e.Retention), span(e.RetentionInterval[0]), span(e.RetentionInterval[1]))
	if !(e.Rate.Low <= createdPerMinute && createdPerMinute <= e.Rate.High) {
		t.Errorf("the learned rate is %.2f to %.2f files a minute; want an interval with %d in it", e.Rate.Low, e.Rate.High, createdPerMinute)
	}
	if off := math.Abs(e.CreatedPerMinute/createdPerMinute - 1); !(off <= 0.1) {
		t.Errorf("the learned rate is %.2f files a minute; want %d within a tenth", e.CreatedPerMinute, createdPerMinute)
	}
	if e.BytesPerFile != pageSize {
		t.Errorf("a file is said to occupy %.0f bytes; want a page", e.BytesPerFile)
	}
	return e
}

// mustLearnAll holds the retention too against what the writer does. The week runs so fast that the kubelet has three samples from
// after the first expiry: enough to see that the slope has ended, and too few to say how old files get.
func (p place) mustLearnAll(samples []measure.Sample) {
	p.t.Helper()
	e := p.mustLearn(samples)
	if p.workload != shift {
		return
	}
	if off := math.Abs(e.Retention.Hours()/p.retention.Hours() - 1); !(off <= 0.15) {
		p.t.Errorf("files are said to be kept %s; want %s within 15 %%", e.Retention, p.retention)
	}
}

// mustForecast holds the forecasts from half full on against when the volume was full. When it had
// what the kubelet tells is from the samples that were taken by statfs.
func mustForecast(t *testing.T, told []measure.Sample, seen series, full time.Duration, sweep time.Duration) {
	t.Helper()
	s := measure.NewSeries(dayZero, measure.DefaultPoints)
	checked := 0
	for _, x := range told {
		s.Add(x)
		i := slices.IndexFunc(seen, func(s sample) bool { return s.used >= x.Used })
		if i < 1 || x.Used < x.Capacity/2 || x.Capacity-x.Used < pageSize {
			continue
		}
		before, after := seen[i-1], seen[i]
		at := before.at + time.Duration(float64(after.at-before.at)*float64(x.Used-before.used)/float64(max(1, after.used-before.used)))
		left := (full - at).Seconds()
		f := s.Forecast(measure.Outlook{Retention: week.retention, SweepInterval: sweep})
		ratio := f.SecondsUntilFull / left
		t.Logf("with %4.0f %% in use: full in %5.1f hours, and it was after %5.1f: %.3f", 100*float64(x.Used)/float64(x.Capacity), f.SecondsUntilFull/3600, left/3600, ratio)
		if !(ratio >= 0.85 && ratio <= 1.15) {
			t.Errorf("with %d of %d bytes in use, the volume is said to be full in %.0f s; it was after %.0f", x.Used, x.Capacity, f.SecondsUntilFull, left)
		}
		checked++
	}
	if checked < 3 {
		t.Errorf("only %d samples from half full on; want at least 3", checked)
	}
}

// mustTell waits until the kubelet tells what statfs does.
func (o *outpost) mustTell(t *testing.T, volume string) {
	t.Helper()
	eventually(t, time.Minute, func(ctx context.Context) error {
		told, err := o.sampleOf(ctx, volume)
		if err != nil {
			return err
		}
		is, err := o.volume(ctx)
		if err != nil {
			return err
		}
		if told.Used != is.UsedBytes || told.Capacity != is.SizeBytes || told.InodesUsed != is.InodesUsed {
			return fmt.Errorf("the kubelet tells %+v; statfs %+v", told, is)
		}
		return nil
	})
}

// A kubelet's certificate is its own making as a rule: the cluster's CA does not vouch for it, and
// the server says so and sends no token.
func TestKubelet_CertificateOfItsOwn(t *testing.T) {
	t.Parallel()
	config, err := node.User("usage-reader")
	if err != nil {
		t.Fatal(err)
	}
	r, err := kubelet.New(config, kubelet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := theNode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Read(t.Context(), []kubelet.Node{n})[0]; a.Err == nil || !strings.Contains(a.Err.Error(), "tls: failed to verify certificate") {
		t.Errorf("the answer is %v; want that nobody vouches for the kubelet", a.Err)
	}
}

// Without get nodes/stats the kubelet says nothing, and with it nothing else.
func TestKubelet_Rights(t *testing.T) {
	t.Parallel()
	if _, err := askKubelet(t.Context()); err != nil {
		t.Fatal(err)
	}
	config, err := node.User("somebody")
	if err != nil {
		t.Fatal(err)
	}
	r, err := kubelet.New(config, kubelet.Options{InsecureTLS: true})
	if err != nil {
		t.Fatal(err)
	}
	n, err := theNode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Read(t.Context(), []kubelet.Node{n})[0]; a.Err == nil || !strings.Contains(a.Err.Error(), "403 Forbidden") {
		t.Errorf("somebody without the right is answered %v; want 403", errors.Join(a.Err))
	}
	for _, resource := range []string{"nodes/proxy", "nodes/log", "nodes/exec", "pods/exec", "secrets"} {
		out, err := node.Kubectl(t.Context(), "auth", "can-i", "get", resource, "--as=system:serviceaccount:shmkeeper-system:shmkeeper", "--all-namespaces")
		if strings.TrimSpace(out) == "yes" || err == nil {
			t.Errorf("the server may get %s: %q", resource, out)
		}
	}
}
