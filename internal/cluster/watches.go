package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Watches knows which watches of a cache are interrupted, and since when. What the cache has is
// used all the same, and grows old. It is a prometheus.Collector.
type Watches struct {
	scheme *runtime.Scheme
	log    logr.Logger
	now    func() time.Time

	mu      sync.Mutex
	byKind  map[string]interruption // zero while the watch runs
	resumed time.Time               // when a watch last ran again
}

// interruption is that of one watch.
type interruption struct {
	since time.Time
	err   error // why; nil before the first attempt
}

// NewWatches returns Watches for the cache that has its NewInformer. scheme knows the types.
func NewWatches(scheme *runtime.Scheme, log logr.Logger) *Watches {
	return &Watches{scheme: scheme, log: log, now: time.Now, byKind: make(map[string]interruption)}
}

// NewInformer makes informers like the function of that name, which say how their watches are.
func (w *Watches) NewInformer(
	from toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers,
) toolscache.SharedIndexInformer {
	kind := fmt.Sprintf("%T", object)
	if gvk, err := apiutil.GVKForObject(object, w.scheme); err == nil {
		kind = gvk.Kind
	}
	w.mu.Lock()
	w.byKind[kind] = interruption{since: w.now()}
	w.mu.Unlock()
	source := toolscache.ToListerWatcherWithContext(from)
	return NewInformer(&toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := source.ListWithContext(ctx, o)
			if err != nil {
				w.failed(kind, err)
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			events, err := source.WatchWithContext(ctx, o)
			switch {
			case err == nil:
				w.runs(kind)
			case o.SendInitialEvents != nil && apierrors.IsInvalid(err):
				// Kubernetes 1.30 cannot begin a watch with a list; the reflector lists first then.
			default:
				w.failed(kind, err)
			}
			return events, err
		},
	}, object, resync, indexers)
}

// failed notes that a watch could not be started.
func (w *Watches) failed(kind string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.byKind[kind]
	if now.err == nil {
		w.log.Error(err, "a watch is interrupted; what is known stays in use", "kind", kind)
	}
	if now.since.IsZero() {
		now.since = w.now()
	}
	w.byKind[kind] = interruption{now.since, err}
}

func (w *Watches) runs(kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.byKind[kind]; now.err != nil {
		w.log.Info("a watch runs again", "kind", kind, "interrupted", w.now().Sub(now.since).Round(time.Second).String())
		w.resumed = w.now()
	}
	w.byKind[kind] = interruption{}
}

// settle bounds how much later than this replica's the watches of another one run again after the API server was away: it asks
// within two seconds, and again if it was told "forbidden" by an API server that had not loaded the permissions yet.
const settle = 5 * time.Second

// Settling returns how long other replicas may still know less than this one, since watches were interrupted; 0 as a rule.
func (w *Watches) Settling() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.resumed.IsZero() {
		return 0
	}
	return max(0, settle-w.now().Sub(w.resumed))
}

// Failures returns why watches are interrupted, by kind, in one line; empty if none has failed.
func (w *Watches) Failures() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(w.byKind)) {
		if err := w.byKind[kind].err; err != nil {
			out = append(out, fmt.Sprintf("watching %s: %v", kind, err))
		}
	}
	return strings.Join(out, "; ")
}

var watchInterrupted = prometheus.NewDesc("shmkeeper_watch_interrupted_seconds",
	"How long this replica has not been told of changes of a kind; 0 while its watch runs.", []string{"kind"}, nil)

// Describe implements prometheus.Collector.
func (*Watches) Describe(descs chan<- *prometheus.Desc) { descs <- watchInterrupted }

// Collect implements prometheus.Collector.
func (w *Watches) Collect(metrics chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for kind, now := range w.byKind {
		seconds := 0.0
		if !now.since.IsZero() {
			seconds = w.now().Sub(now.since).Seconds()
		}
		metrics <- prometheus.MustNewConstMetric(watchInterrupted, prometheus.GaugeValue, seconds, kind)
	}
}
