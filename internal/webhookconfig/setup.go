package webhookconfig

import (
	"context"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
)

// Policies says what the match condition has to be. A cluster.View is one.
type Policies interface {
	// MatchCondition returns the match condition for the policies in force; ok is false
	// until all are in force that there were at the start.
	MatchCondition() (condition cluster.MatchCondition, ok bool)
	// PolicyChanges returns a channel that gets an event at once and whenever MatchCondition
	// may return something else, until ctx is done.
	PolicyChanges(ctx context.Context) <-chan event.GenericEvent
}

// Options say what the configurations have to be, and when they may be restored. All but
// those that say otherwise are required.
type Options struct {
	// Mutating and Validating are the webhook configurations as they ship.
	Mutating, Validating []byte
	// Namespace and Deployment are this server's own. While one of them is missing or
	// going, or the Deployment is being rolled out, nothing is restored.
	Namespace, Deployment string
	Policies              Policies
	// LastSeen is how a configuration that was deleted is restored.
	LastSeen *LastSeen
	Metrics  *Metrics
	// CABundle is what the API server verifies this server by, and is put on what is
	// restored. It may be nil if others publish it, and may return nil while it is not known.
	CABundle func() []byte
	// RestoreDisabled leaves the configurations as they are found, but for the match
	// condition and the owner.
	RestoreDisabled bool
	// IgnoreFailurePolicy leaves failurePolicy to the operator. It is for a server that
	// rejects nothing (--max-mode below enforce).
	IgnoreFailurePolicy bool
	Settings
	// RestoreDelay is how long a change lasts before it is undone; 0 stands for 2 s.
	RestoreDelay time.Duration
	// Stopping is done when this replica stops, and not when its term as the leader ends.
	Stopping context.Context
	// Now is the clock; nil stands for the system's.
	Now func() time.Time
}

// Setup adds to a manager what writes the configurations while the manager leads. The
// manager's client must read unstructured objects from its cache, which must be made with
// cluster.CacheOptions. ctx is done when the manager has ended. The result says what of
// the match condition has been written.
func Setup(ctx context.Context, mgr manager.Manager, o Options) (*MatchCondition, error) {
	if o.RestoreDelay == 0 {
		o.RestoreDelay = 2 * time.Second
	}
	if o.CABundle == nil {
		o.CABundle = func() []byte { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Metrics.reset()
	condition := newMatchCondition()
	c := &cleanup{stopping: o.Stopping, log: mgr.GetLogger().WithName("webhook-configurations")}
	for kind, manifest := range map[string][]byte{Mutating: o.Mutating, Validating: o.Validating} {
		r, err := newReconciler(kind, manifest, o, mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("shmkeeper"))
		if err != nil {
			return nil, err
		}
		r.matchCondition = condition
		c.reconcilers = append(c.reconcilers, r)
		if err := addController(mgr, "webhooks-"+kind, kind, r, controller.Options{}, o.Policies.PolicyChanges(ctx)); err != nil {
			return nil, err
		}
	}
	return condition, mgr.Add(c)
}

func newReconciler(
	kind string, manifest []byte, o Options, c client.Client, direct client.Reader, recorder events.EventRecorder,
) (*reconciler, error) {
	wanted, err := readManifest(manifest, kind, o.Namespace)
	if err != nil {
		return nil, err
	}
	o.apply(wanted)
	return &reconciler{
		Options: o, kind: kind, manifest: wanted, client: c, events: recorder, matchCondition: newMatchCondition(),
		installation: installation{reader: direct, namespace: o.Namespace, deployment: o.Deployment},
	}, nil
}

// addController has a reconciler look at the configuration of a kind whenever that or
// something else changes. There is one request, so it works in one goroutine.
func addController(
	mgr manager.Manager, name, kind string, r reconcile.Reconciler, o controller.Options, changes <-chan event.GenericEvent,
) error {
	enqueue := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{}}
	})
	return builder.ControllerManagedBy(mgr).Named(name).
		Watches(newConfiguration(kind), enqueue).
		WatchesRawSource(source.Channel(changes, enqueue)).
		WithOptions(o).
		Complete(r)
}
