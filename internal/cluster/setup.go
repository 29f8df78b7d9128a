package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Options say what Setup keeps, and where.
type Options struct {
	// Mutating and Validating are the webhook configurations as they ship. Without
	// them none is kept, and a policy is accepted as soon as it is in force.
	Mutating, Validating []byte
	// Namespace and Deployment are this server's own. While one of them is missing
	// or going nothing is restored.
	Namespace, Deployment string
	// KeepEdits leaves the configurations as they are found, but for the match
	// condition: nothing is restored.
	KeepEdits bool
	// AnyFailurePolicy leaves failurePolicy to the operator. It is for a server
	// that refuses nothing (--max-mode below enforce).
	AnyFailurePolicy bool
	// CABundle is what the API server verifies this server by, and is put on what
	// is restored; it may be nil, and may return nil while it is not known.
	CABundle func() []byte
	// RestoreDelay is how long damage lasts before it is mended; 0 stands for 2 s.
	RestoreDelay time.Duration
	// Registerer takes the metrics; nil stands for the one that the manager serves.
	Registerer prometheus.Registerer
}

// Setup makes the view and adds to the manager what fills it, on every replica,
// and what writes, on the leader. The manager's cache must be made with
// CacheOptions and its scheme know v1alpha1. An error says what the manager
// refused, or that a manifest is not one.
func Setup(mgr manager.Manager, o Options) (*View, error) {
	if o.Registerer == nil {
		o.Registerer = ctrlmetrics.Registry
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics of policies: %w; give each manager a registry of its own", err)
	}
	view := &View{}
	if view.namespaces, err = informerFor(mgr, namespaceMetadata()); err != nil {
		return nil, err
	}
	if view.limitRanges, err = informerFor(mgr, &corev1.LimitRange{}); err != nil {
		return nil, err
	}
	if view.resourceQuotas, err = informerFor(mgr, &corev1.ResourceQuota{}); err != nil {
		return nil, err
	}
	keepers, err := newKeepers(mgr, o)
	if err != nil {
		return nil, err
	}
	catalog, covered := newCatalog(), newCoverage()
	for _, k := range keepers {
		k.catalog, k.coverage, k.ready = catalog, covered, view.synced.Load
		covered.set(k.kind, -1)
	}
	if err := follow(mgr, &follower{
		catalog: catalog, view: view, metrics: m, wake: make(chan struct{}, 1),
		log: mgr.GetLogger().WithName("policies"),
	}, keepers); err != nil {
		return nil, err
	}
	w := &statusWriter{client: mgr.GetClient(), catalog: catalog, coverage: covered, now: time.Now}
	if err := builder.ControllerManagedBy(mgr).Named("policy-status").For(&v1alpha1.SharedMemoryPolicy{}).Complete(w); err != nil {
		return nil, err
	}
	return view, nil
}

// informerFor starts, with the manager, to watch a type. It does not wait.
func informerFor(mgr manager.Manager, object client.Object) (toolscache.SharedIndexInformer, error) {
	i, err := mgr.GetCache().GetInformer(context.Background(), object, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching %T: %w", object, err)
	}
	shared, ok := i.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("the cache of %T is a %T, which cannot be read: make the manager's cache with CacheOptions", object, i)
	}
	return shared, nil
}

// follow has the follower take policies, and the keepers told of each change.
func follow(mgr manager.Manager, f *follower, keepers []*keeper) error {
	policies, err := informerFor(mgr, &v1alpha1.SharedMemoryPolicy{})
	if err != nil {
		return err
	}
	registration, err := policies.AddEventHandler(f)
	if err != nil {
		return err
	}
	f.hasSynced = registration.HasSynced
	var told []chan event.GenericEvent
	for _, k := range keepers {
		changes := make(chan event.GenericEvent, 1)
		told = append(told, changes)
		if err := k.setup(mgr, changes); err != nil {
			return err
		}
	}
	f.changed = func() {
		for _, c := range told {
			select {
			case c <- event.GenericEvent{}:
			default: // one is waiting, and will find all changes
			}
		}
	}
	if err := mgr.Add(f); err != nil {
		return err
	}
	if len(keepers) == 0 {
		return nil
	}
	return mgr.Add(&leaver{keepers: keepers, log: mgr.GetLogger().WithName("webhook-configurations")})
}

func newKeepers(mgr manager.Manager, o Options) ([]*keeper, error) {
	if o.RestoreDelay == 0 {
		o.RestoreDelay = 2 * time.Second
	}
	if o.CABundle == nil {
		o.CABundle = func() []byte { return nil }
	}
	var out []*keeper
	for _, m := range []struct {
		kind string
		text []byte
	}{{mutatingKind, o.Mutating}, {validatingKind, o.Validating}} {
		if len(m.text) == 0 {
			continue
		}
		wanted, err := readManifest(m.text, m.kind, o.Namespace)
		if err != nil {
			return nil, err
		}
		out = append(out, &keeper{
			kind: m.kind, wanted: wanted,
			client: mgr.GetClient(), direct: mgr.GetAPIReader(), events: mgr.GetEventRecorder("shmkeeper"),
			namespace: o.Namespace, deployment: o.Deployment,
			failurePolicies: !o.AnyFailurePolicy, restores: !o.KeepEdits, delay: o.RestoreDelay,
			caBundle: o.CABundle, now: time.Now,
		})
	}
	return out, nil
}

// setup has the keeper look at its configuration whenever that or the policies
// change. There is one request, so it works in one goroutine.
func (k *keeper) setup(mgr manager.Manager, changes <-chan event.GenericEvent) error {
	only := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(k.wanted)}
	enqueue := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{only}
	})
	return builder.ControllerManagedBy(mgr).Named(controllerName(k.kind)).
		Watches(newConfiguration(k.kind), enqueue).
		WatchesRawSource(source.Channel(changes, enqueue)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(k)
}

func controllerName(kind string) string {
	if kind == mutatingKind {
		return "mutating-webhooks"
	}
	return "validating-webhooks"
}
