// Package workloadevents writes events about the workloads that own Pods, where kubectl describe
// shows them: what happened to a Pod as it was created, and what an audit has found.
//
// FAILS OPEN: nobody waits for an event. One that cannot be written is dropped and counted.
//
// # Permissions
//
//	""      events        create, patch
//	apps    replicasets   get
//	batch   jobs          get
package workloadevents

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/shmkeeper/shmkeeper/policy"
)

// Event represents an event about a workload.
type Event struct {
	Namespace string
	// Controller is the owner that controls the Pods; it may be a Pod itself. If it is a ReplicaSet or
	// a Job that has a controller of its own, the event is about that one.
	Controller policy.OwnerView
	// Workload names the workload as Kind/name, as policy.TopWorkloadOf does.
	Workload string
	// Type is corev1.EventTypeNormal or corev1.EventTypeWarning.
	Type, Reason, Note string
	// Topic is what events say in common that need not be repeated: those of one workload, reason and
	// topic are written once in Quiet.
	Topic string
	Quiet time.Duration
}

const (
	// Component is the component and the reporting controller of the events.
	Component = "shmkeeper"

	// mostQueued bounds the events that wait, and longestNote each of their notes in bytes, for which
	// an API server allows 1,024.
	mostQueued  = 1024
	longestNote = 1000
	// longestName bounds the names of a controller, which somebody may have made up.
	longestName = 253
	// mostKnown bounds what is remembered of workloads, events and namespaces.
	mostKnown = 8192
	// perSecond and burst bound the events that are written.
	perSecond, burst = 5, 200
	// requestTimeout bounds one request to the API server.
	requestTimeout = 10 * time.Second
)

// Recorder writes events. It is a manager.Runnable: before it is started, events wait.
type Recorder struct {
	kube    kubernetes.Interface
	log     logr.Logger
	queue   chan *Event
	limit   flowcontrol.RateLimiter
	said    *cache.LRUExpireCache // of a saying
	owners  *cache.LRUExpireCache // corev1.ObjectReference, by the UID of what they own
	dropped prometheus.Counter
}

// saying is what is not repeated.
type saying struct {
	namespace, workload, reason string
	topic                       uint64 // its hash: it can be long
}

var seed = maphash.MakeSeed()

// New returns a Recorder that asks the API server of config, with a pace of its own, and counts in r
// what it drops.
func New(config *rest.Config, log logr.Logger, r prometheus.Registerer) (*Recorder, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst, config.Timeout = 2*perSecond, 2*burst, requestTimeout
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the client of events: %w", err)
	}
	out := &Recorder{
		kube: kube, log: log, queue: make(chan *Event, mostQueued),
		limit: flowcontrol.NewTokenBucketRateLimiter(perSecond, burst),
		said:  cache.NewLRUExpireCache(mostKnown), owners: cache.NewLRUExpireCache(mostKnown),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shmkeeper_workload_events_dropped_total",
			Help: "Events about workloads that were not written: too many at a time, or the API server did not take them.",
		}),
	}
	return out, r.Register(out.dropped)
}

// Record reports whether an event is new, and is taken to be written: one that was taken before within
// its Quiet, or finds no room, is not. It returns at once.
func (r *Recorder) Record(e *Event) bool {
	c := &e.Controller
	if c.Name == "" || c.UID == "" || max(len(c.APIVersion), len(c.Kind), len(c.Name), len(c.UID)) > longestName {
		return false
	}
	key := saying{e.Namespace, e.Workload, e.Reason, maphash.String(seed, e.Topic)}
	if _, found := r.said.Get(key); found {
		return false
	}
	// Texts of a request share its memory, and these outlive it by hours.
	key.namespace, key.workload = strings.Clone(key.namespace), strings.Clone(key.workload)
	kept := &Event{
		Namespace: key.namespace, Workload: key.workload, Type: e.Type, Reason: e.Reason, Note: strings.Clone(shorten(e.Note)),
		Controller: policy.OwnerView{
			APIVersion: strings.Clone(c.APIVersion), Kind: strings.Clone(c.Kind), Name: strings.Clone(c.Name), UID: types.UID(strings.Clone(string(c.UID))),
		},
	}
	select {
	case r.queue <- kept:
		r.said.Add(key, true, e.Quiet)
		return true
	default:
		r.dropped.Inc()
		return false
	}
}

// NeedLeaderElection reports whether only the leader writes events: each replica writes its own.
func (*Recorder) NeedLeaderElection() bool { return false }

// Start writes events until ctx is done. Those that still wait then are lost.
func (r *Recorder) Start(ctx context.Context) error {
	// client-go counts repeated events up, combines similar ones and bounds those about one object.
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(newSink(ctx, r.kube.CoreV1().Events(""), r.log, r.dropped))
	recorder := broadcaster.NewRecorder(runtime.NewScheme(), corev1.EventSource{Component: Component})
	for {
		var e *Event
		select {
		case <-ctx.Done():
			return nil
		case e = <-r.queue:
		}
		if r.limit.Wait(ctx) != nil { // ctx is done
			return nil
		}
		if about, ok := r.workloadOf(ctx, e); ok {
			recorder.Event(about, e.Type, e.Reason, e.Note)
		}
	}
}

// shorten returns the beginning of a text that is too long for an event.
func shorten(text string) string {
	if len(text) <= longestNote {
		return text
	}
	end := longestNote - len("...")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}
