package workloadevents

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/cache"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

const (
	// forbiddenFor is how long nothing is written to a namespace whose events the server may not
	// write, and brokenFor how long nothing is written anywhere after the API server did not answer.
	forbiddenFor, brokenFor = 10 * time.Minute, 30 * time.Second
	// loggedFor is how long it is not said again that events cannot be written.
	loggedFor = time.Hour
)

// sink is where client-go's recorder writes events to. It says itself what goes wrong, once an hour:
// client-go would log each event in full, and hold up the others while it tries again. Its methods
// are called one after the other.
type sink struct {
	ctx     context.Context
	events  typedcorev1.EventInterface
	log     logr.Logger
	dropped prometheus.Counter

	forbidden *cache.LRUExpireCache // namespaces
	broken    time.Time             // until when nothing is written
	logged    time.Time
}

var _ record.EventSink = (*sink)(nil)

func newSink(ctx context.Context, events typedcorev1.EventInterface, log logr.Logger, dropped prometheus.Counter) *sink {
	return &sink{ctx: ctx, events: events, log: log, dropped: dropped, forbidden: cache.NewLRUExpireCache(mostKnown)}
}

// Create implements record.EventSink.
func (s *sink) Create(e *corev1.Event) (*corev1.Event, error) {
	return s.write(e, func() (*corev1.Event, error) { return s.events.CreateWithEventNamespaceWithContext(s.ctx, e) })
}

// Update implements record.EventSink. The recorder does not call it.
func (s *sink) Update(e *corev1.Event) (*corev1.Event, error) { return s.Create(e) }

// Patch implements record.EventSink. An event that is gone is an error: the recorder then creates it.
func (s *sink) Patch(e *corev1.Event, patch []byte) (*corev1.Event, error) {
	gone := error(nil)
	out, err := s.write(e, func() (*corev1.Event, error) {
		out, err := s.events.PatchWithEventNamespaceWithContext(s.ctx, e, patch)
		if apierrors.IsNotFound(err) {
			gone, err = err, nil
		}
		return out, err
	})
	if gone != nil {
		return nil, gone
	}
	return out, err
}

// write returns the event as it was written, or as it was to be written if that failed.
func (s *sink) write(e *corev1.Event, write func() (*corev1.Event, error)) (*corev1.Event, error) {
	if _, found := s.forbidden.Get(e.Namespace); found || time.Now().Before(s.broken) {
		s.dropped.Inc()
		return e, nil
	}
	out, err := write()
	if err == nil {
		return out, nil
	}
	s.dropped.Inc()
	switch {
	case s.ctx.Err() != nil, apierrors.IsAlreadyExists(err), apierrors.IsInvalid(err), apierrors.IsNotFound(err),
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		// It is about an object that is going, or that somebody has made up.
		return e, nil
	case apierrors.IsForbidden(err):
		s.forbidden.Add(e.Namespace, true, forbiddenFor)
	default:
		s.broken = time.Now().Add(brokenFor)
	}
	if now := time.Now(); now.Sub(s.logged) >= loggedFor {
		s.logged = now
		s.log.Info("Events about workloads are not written; nothing else depends on them. Grant create and patch on events, as the ClusterRole shmkeeper-events does, if you want them",
			"namespace", e.Namespace, "because", err.Error())
	}
	return e, nil
}
