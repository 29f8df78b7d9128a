package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	toolscache "k8s.io/client-go/tools/cache"
)

// apiServer answers lists and watches, or fails.
type apiServer struct {
	mu     sync.Mutex
	err    error
	stream *watch.FakeWatcher
	older  bool // begins no watch with a list
}

// set has all that is asked from now on fail, and ends the watch that runs; nil has it answered.
func (a *apiServer) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	if a.stream != nil {
		a.stream.Stop()
	}
}

func (a *apiServer) listWatch() *toolscache.ListWatch {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (runtime.Object, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			return &corev1.LimitRangeList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, a.err
		},
		WatchFuncWithContext: func(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.err != nil {
				return nil, a.err
			}
			if a.older && o.SendInitialEvents != nil {
				return nil, apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: "ListOptions"}, "", field.ErrorList{
					field.Forbidden(field.NewPath("sendInitialEvents"), "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"),
				})
			}
			a.stream = watch.NewFake()
			if o.SendInitialEvents != nil && *o.SendInitialEvents {
				stream := a.stream
				end := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{
					ResourceVersion: "1", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"},
				}}
				go stream.Action(watch.Bookmark, end)
			}
			return a.stream, nil
		},
	}
}

func TestWatches_SayForHowLongTheyAreInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatches(clientgoscheme.Scheme, logr.Discard())
		server := &apiServer{err: errors.New("no CRD")}
		informer := w.NewInformer(server.listWatch(), &corev1.LimitRange{}, 0, toolscache.Indexers{})
		// The usual one waits for as long as its own clock is ahead of the test's.
		if err := informer.SetWatchErrorHandlerWithContext(func(context.Context, *toolscache.Reflector, error) {}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() { defer close(stopped); informer.RunWithContext(ctx) }()
		defer func() { cancel(); <-stopped }()

		interrupted := func(least, most time.Duration, failures string) {
			t.Helper()
			synctest.Wait()
			seconds := testutil.ToFloat64(w)
			if seconds < least.Seconds() || seconds > most.Seconds() {
				t.Errorf("interrupted for %v s, want %v to %v", seconds, least, most)
			}
			if got := w.Failures(); got != failures {
				t.Errorf("failures: %q, want %q", got, failures)
			}
		}
		time.Sleep(2 * time.Minute)
		interrupted(2*time.Minute, 2*time.Minute, "watching LimitRange: no CRD")
		if informer.HasSynced() {
			t.Error("synced without an answer")
		}
		server.set(nil)
		time.Sleep(2 * time.Second)
		interrupted(0, 0, "")
		if !informer.HasSynced() {
			t.Error("not synced with an answer")
		}
		server.set(errors.New("gone"))
		time.Sleep(5 * time.Minute)
		interrupted(5*time.Minute-10*time.Second, 5*time.Minute, "watching LimitRange: gone")
		if got := w.Settling(); got != 0 {
			t.Errorf("settling for %s while the watch is interrupted, want 0: this replica knows no more than others", got)
		}
		server.set(nil)
		time.Sleep(2 * time.Second)
		interrupted(0, 0, "")
		if got := w.Settling(); got < 3*time.Second || got > 5*time.Second {
			t.Errorf("settling for %s since the watch runs again, want what is left of 5 s", got)
		}
		time.Sleep(5 * time.Second)
		if got := w.Settling(); got != 0 {
			t.Errorf("settling for %s long after the watch runs again", got)
		}
	})
}

// What an API server answers is for the reflector to deal with: it waits longer each time.
func TestNewInformer_AsksAgainWhenNobodyAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		err         error
		least, most int // requests in a minute
	}{
		"nobody answers":     {errors.New("connection refused"), 30, 60},
		"no etcd":            {fmt.Errorf("list: %w", apierrors.NewInternalError(errors.New("etcdserver: no leader"))), 30, 60},
		"not available":      {apierrors.NewServiceUnavailable("starting"), 30, 60},
		"forbidden":          {apierrors.NewForbidden(schema.GroupResource{}, "", nil), 1, 20},
		"too many requests":  {apierrors.NewTooManyRequestsError("later"), 1, 20},
		"no such definition": {apierrors.NewNotFound(schema.GroupResource{}, ""), 1, 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				source := &toolscache.ListWatch{
					ListWithContextFunc:  func(context.Context, metav1.ListOptions) (runtime.Object, error) { requests++; return nil, c.err },
					WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) { requests++; return nil, c.err },
				}
				informer := NewInformer(source, &corev1.LimitRange{}, 0, toolscache.Indexers{})
				if err := informer.SetWatchErrorHandlerWithContext(func(context.Context, *toolscache.Reflector, error) {}); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				informer.RunWithContext(ctx)
				if requests < c.least || requests > c.most {
					t.Errorf("%d requests in a minute, want %d to %d", requests, c.least, c.most)
				}
			})
		})
	}
}

// An API server that begins no watch with a list, such as 1.30's, is asked for both, and nothing is logged as a fault.
func TestWatches_ListAndWatchOfAnOlderAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged []string
		w := NewWatches(clientgoscheme.Scheme, funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{}))
		informer := w.NewInformer((&apiServer{older: true}).listWatch(), &corev1.LimitRange{}, 0, toolscache.Indexers{})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() { defer close(stopped); informer.RunWithContext(ctx) }()
		time.Sleep(time.Second) // by the clock of the test
		synctest.Wait()
		if seconds := testutil.ToFloat64(w); !informer.HasSynced() || seconds != 0 || w.Failures() != "" {
			t.Errorf("synced %t, interrupted for %v s, failures %q; want it synced and nothing interrupted", informer.HasSynced(), seconds, w.Failures())
		}
		cancel()
		<-stopped
		if len(logged) > 0 {
			t.Errorf("logged: %q, want nothing", logged)
		}
	})
}

func TestWatches_MetricNamesTheKind(t *testing.T) {
	w := NewWatches(clientgoscheme.Scheme, logr.Discard())
	w.now = func() time.Time { return time.Unix(100, 0) }
	w.NewInformer((&apiServer{}).listWatch(), &corev1.LimitRange{}, 0, toolscache.Indexers{})
	w.runs("LimitRange")
	w.NewInformer((&apiServer{}).listWatch(), namespaceMetadata(), 0, toolscache.Indexers{})
	w.now = func() time.Time { return time.Unix(130, 0) }
	const want = `
# HELP shmkeeper_watch_interrupted_seconds How long this replica has not been told of changes of a kind; 0 while its watch runs.
# TYPE shmkeeper_watch_interrupted_seconds gauge
shmkeeper_watch_interrupted_seconds{kind="LimitRange"} 0
shmkeeper_watch_interrupted_seconds{kind="Namespace"} 30
`
	if err := testutil.CollectAndCompare(w, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
