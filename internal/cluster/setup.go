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

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Options say what Setup keeps, and where.
type Options struct {
	// Mutating and Validating are the webhook configurations as they ship. Without
	// them none is kept, and a policy is covered as soon as it is in force.
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
	// RestoreDelay is how long damage lasts before it is repaired; 0 stands for 2 s.
	RestoreDelay time.Duration
	// ImageMirrors says which images count as others, for the policies and for the match
	// condition.
	ImageMirrors policy.Mirrors
	// Leader says when this replica writes; nil stands for one that is alone.
	Leader Leader
	// Registerer takes the metrics; nil stands for the one that the manager serves.
	Registerer prometheus.Registerer
}

// Setup makes the view and adds to the manager what fills it, on every replica,
// and what writes, which rests where another replica leads. The manager's cache must be
// made with CacheOptions, its scheme know v1alpha1, and it must elect nobody itself: a
// manager that loses an election ends. An error says what the manager
// refused, or that a manifest is not one.
func Setup(mgr manager.Manager, o Options) (*View, error) {
	if o.Registerer == nil {
		o.Registerer = ctrlmetrics.Registry
	}
	if o.Leader == nil {
		o.Leader = alone{}
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
	catalog, covered := newCatalog(o.ImageMirrors), newCoverage()
	for _, k := range keepers {
		k.catalog, k.coverage, k.ready = catalog, covered, view.synced.Load
		covered.set(k.kind, -1)
	}
	if err := follow(mgr, &follower{
		catalog: catalog, view: view, metrics: m, wake: make(chan struct{}, 1),
		log: mgr.GetLogger().WithName("policies"),
	}, keepers, o.Leader); err != nil {
		return nil, err
	}
	w := &statusWriter{client: mgr.GetClient(), catalog: catalog, coverage: covered, now: time.Now}
	terms := make(chan event.GenericEvent, 1)
	if err := w.setup(mgr, o.Leader, terms); err != nil {
		return nil, err
	}
	o.Leader.OnChange(onChange(covered, keepers, terms))
	return view, nil
}

// setup has the writer look at a policy whenever that changes, and at all of them when
// a term begins or ends.
func (w *statusWriter) setup(mgr manager.Manager, leader Leader, terms <-chan event.GenericEvent) error {
	all := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []reconcile.Request {
		var policies v1alpha1.SharedMemoryPolicyList
		if err := w.client.List(ctx, &policies); err != nil {
			mgr.GetLogger().Error(err, "the status of policies may be stale until they change", "controller", "policy-status")
			return nil
		}
		out := make([]reconcile.Request, len(policies.Items))
		for i := range policies.Items {
			out[i] = reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&policies.Items[i])}
		}
		return out
	})
	return builder.ControllerManagedBy(mgr).Named("policy-status").
		For(&v1alpha1.SharedMemoryPolicy{}).
		WatchesRawSource(source.Channel(terms, all)).
		Complete(&whileLeading{leader: leader, reconciler: w, begin: w.begin})
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
func follow(mgr manager.Manager, f *follower, keepers []*keeper, leader Leader) error {
	policies, err := informerFor(mgr, &v1alpha1.SharedMemoryPolicy{})
	if err != nil {
		return err
	}
	registration, err := policies.AddEventHandler(f)
	if err != nil {
		return err
	}
	f.hasSynced = registration.HasSynced
	for _, k := range keepers {
		if err := k.setup(mgr, leader); err != nil {
			return err
		}
	}
	f.changed = func() {
		for _, k := range keepers {
			wake(k.changes)
		}
	}
	if err := mgr.Add(f); err != nil {
		return err
	}
	if len(keepers) == 0 {
		return nil
	}
	return mgr.Add(&leaver{keepers: keepers, leader: leader, log: mgr.GetLogger().WithName("webhook-configurations")})
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
			caBundle: o.CABundle, now: time.Now, changes: make(chan event.GenericEvent, 1),
		})
	}
	return out, nil
}

// setup has the keeper look at its configuration whenever that or the policies
// change, or a term begins or ends. There is one request, so it works in one goroutine.
func (k *keeper) setup(mgr manager.Manager, leader Leader) error {
	only := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(k.wanted)}
	enqueue := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{only}
	})
	return builder.ControllerManagedBy(mgr).Named(controllerName(k.kind)).
		Watches(newConfiguration(k.kind), enqueue).
		WatchesRawSource(source.Channel(k.changes, enqueue)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(k.whileLeading(leader))
}

func controllerName(kind string) string {
	if kind == mutatingKind {
		return "mutating-webhooks"
	}
	return "validating-webhooks"
}
