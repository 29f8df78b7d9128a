package recommend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/promql"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// survey looks into the Pods and collects what is known of each workload.
type survey struct {
	cluster    *live.Cluster
	reader     *inspect.Reader
	ephemeral  inspect.Ephemeral
	at         int
	owners     *live.Owners
	namespaces live.Namespaces
	policies   *live.Policies

	// peaks are the most that was in use over window, as far as Prometheus knows.
	peaks  map[promql.Key]sizing.Bytes
	window time.Duration

	mu    sync.Mutex
	found map[subject]*workload
	notes []string
	// refused is why nothing could be read so far, if the user has no right to.
	refused error
}

// subject is a volume of a workload: the runtime's own /dev/shm has no name.
type subject struct {
	live.Workload
	volume string
}

// workload is what is known of the volume.
type workload struct {
	observation
	pods     int
	path     string
	writers  []string
	labels   map[string]string
	policy   string
	declared time.Duration // the retention of the policy
}

// newSurvey reads what is to be known beforehand. source is the Prometheus to ask for peaks; nil for none.
func (o *options) newSurvey(ctx context.Context, c *live.Cluster, s cli.Streams, source *promql.Source) (*survey, error) {
	w := &survey{cluster: c, ephemeral: o.ephemeral, at: o.at, found: map[subject]*workload{}, policies: &live.Policies{}}
	var err error
	if w.reader, err = inspect.NewReader(c.Config, c.Client); err != nil {
		return nil, err
	}
	policies, err := o.policies.Load(ctx, c, s.In)
	switch {
	case err == nil:
		w.policies = policies
	case o.givenPolicies() || ctx.Err() != nil:
		return nil, err
	default:
		w.notes = append(w.notes, fmt.Sprintf("the cluster's policies are not known: %v", err))
	}
	if w.namespaces, err = c.ReadNamespaces(ctx); err != nil {
		return nil, err
	}
	if w.owners, err = c.ReadOwners(ctx); err != nil {
		return nil, err
	}
	if source == nil {
		return w, nil
	}
	w.window = o.window
	w.peaks, err = source.Peaks(ctx, c.Namespace, o.window)
	return w, err
}

// look looks into all Pods.
func (w *survey) look(ctx context.Context, s cli.Streams) error {
	progress := live.NewProgress(s, "Pods looked into")
	defer progress.Done()
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(w.at)
	err := w.cluster.EachPod(ctx, func(pod *corev1.Pod) error {
		if pod.Status.Phase != corev1.PodRunning || inner.Err() != nil {
			return inner.Err()
		}
		g.Go(func() error {
			defer progress.Add(1)
			return w.pod(inner, pod)
		})
		return nil
	})
	if failed := g.Wait(); failed != nil {
		return failed
	}
	if err == nil && len(w.found) == 0 {
		err = w.refused
	}
	return err
}

// pod looks into one Pod.
func (w *survey) pod(ctx context.Context, pod *corev1.Pod) error {
	readings := w.reader.Pod(ctx, pod, w.ephemeral)
	for i := range readings {
		r := &readings[i]
		if r.Err != nil {
			w.failed(ctx, pod, &r.Mount, r.Err)
			continue
		}
		if r.Volume == "" && r.Usage.Inodes == 0 {
			continue // nobody uses it
		}
		l, err := w.reader.Files(ctx, inspect.Target{Namespace: pod.Namespace, Pod: pod.Name, Container: r.Container}, r.Path)
		if err == nil && len(l.Missing) > 0 {
			err = fmt.Errorf("the image has no %s: allow an ephemeral container with --allow-ephemeral-container", strings.Join(l.Missing, ", "))
		}
		if err != nil {
			w.failed(ctx, pod, &r.Mount, err)
			continue
		}
		running := time.Duration(0)
		if pod.Status.StartTime != nil {
			running = time.Since(pod.Status.StartTime.Time)
		}
		o := observe(r.Usage, &l, running)
		if peak, ok := w.peaks[promql.Key{Namespace: pod.Namespace, Pod: pod.Name, Volume: r.Volume}]; ok {
			o = o.withPeak(peak, min(w.window, running))
		}
		w.add(pod, r, o)
	}
	return ctx.Err()
}

// failed notes that a volume could not be read.
func (w *survey) failed(ctx context.Context, pod *corev1.Pod, m *inspect.Mount, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return
	}
	if apierrors.IsForbidden(err) {
		w.refused = err
	}
	const most = 20
	if len(w.notes) < most {
		w.notes = append(w.notes, fmt.Sprintf("Pod %s/%s, %s: %v", pod.Namespace, pod.Name, m, err))
	}
}

// add adds what was read of a volume to its workload.
func (w *survey) add(pod *corev1.Pod, r *inspect.MountReading, o observation) {
	e := w.policies.Set.Evaluate(w.namespaces.Subject(pod))
	k := subject{w.owners.Of(pod), r.Volume}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.found[k]
	if known == nil {
		known = &workload{observation: o, path: r.Path, writers: slices.Clone(r.Containers), labels: lasting(pod.Labels)}
		if e.Outcome != policy.NotMatched {
			known.policy, known.declared = e.Policy, w.retention(e.Policy)
		}
		w.found[k] = known
	} else {
		known.observation = known.merge(o)
	}
	known.pods++
}

// retention returns the retention that a policy declares; 0 for none.
func (w *survey) retention(name string) time.Duration {
	for _, p := range w.policies.Sources {
		if s := p.Spec.Sizing; p.Name == name && s != nil && s.Files != nil && s.Files.Retention != nil {
			d, err := time.ParseDuration(string(*s.Files.Retention))
			if err == nil {
				return d
			}
		}
	}
	return 0
}

// passing are the labels that tell one Pod, or one version, of a workload from another.
var passing = []string{
	"pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
	"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index",
	"app.kubernetes.io/version", "helm.sh/chart", "version",
}

// lasting returns the labels that all Pods of a workload keep.
func lasting(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	maps.DeleteFunc(out, func(name, _ string) bool {
		return slices.Contains(passing, name) || strings.HasPrefix(name, v1alpha1.GroupVersion.Group)
	})
	return out
}
