package certs

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	informers "k8s.io/client-go/informers/admissionregistration/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// Bundle is what an Injector publishes. SelfManaged is one.
type Bundle interface {
	// CABundle is the bundle as last known; nil before it is known.
	CABundle() []byte
	// FreshCABundle is the bundle as it is now for all replicas.
	FreshCABundle(context.Context) ([]byte, error)
	// OnBundleChange has the function called when CABundle has changed.
	OnBundleChange(func())
}

// Injector keeps caBundle of every webhook in the configurations equal to a bundle, by server-side apply of this field only. It acts when the bundle
// changes and when a configuration appears or is edited. A configuration that does not exist is left to whoever installs it. Where cert-manager's injector
// is asked to keep caBundle too, as it is while an installation changes over to it, what it has added stays until it expires.
//
// A webhook that somebody removes from a configuration by server-side apply stays there with the name and the caBundle alone, since the API server keeps
// what another manager owns, and the apply is refused for what is then missing. Whoever works that way replaces the configuration instead.
// A client-side apply and an update remove the webhook.
type Injector struct {
	configurations Configurations
	bundle         Bundle
	log            logr.Logger
	clock          clock.PassiveClock // decides what has expired
	due            chan struct{}
}

// NewInjector publishes bundle in configurations.
func NewInjector(configurations Configurations, bundle Bundle, log logr.Logger) (*Injector, error) {
	switch {
	case configurations.Client == nil:
		return nil, errors.New("the injector has no client: give Configurations.Client")
	case configurations.Name == "":
		return nil, errors.New("the injector has no webhook configuration: give Configurations.Name")
	case bundle == nil:
		return nil, errors.New("the injector has nothing to publish: give a bundle, for instance a SelfManaged")
	}
	i := &Injector{configurations: configurations, bundle: bundle, log: log, clock: clock.RealClock{}, due: make(chan struct{}, 1)}
	bundle.OnBundleChange(i.wake)
	return i, nil
}

// NeedLeaderElection is false: every replica may publish, since all publish the same.
func (*Injector) NeedLeaderElection() bool { return false }

const (
	injectRetryMin = 100 * time.Millisecond
	injectRetryMax = 30 * time.Second
	// injectResync looks again without an event. A watch misses nothing for long; this is for what nobody has thought of.
	injectResync = 10 * time.Minute
)

// Start publishes until ctx is done. A failure to publish is logged and tried again, never returned.
func (i *Injector) Start(ctx context.Context) error {
	if err := i.watch(ctx); err != nil {
		return err
	}
	i.wake()
	retry := injectRetryMin
	timer := time.NewTimer(injectResync)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-i.due:
		case <-timer.C:
		}
		err := i.inject(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			retry = injectRetryMin
			timer.Reset(injectResync)
			continue
		case !apierrors.IsConflict(err): // a conflict is another replica's success
			i.log.Error(err, "The CA bundle could not be published; trying again", "in", retry)
		}
		timer.Reset(retry)
		retry = min(2*retry, injectRetryMax)
	}
}

func (i *Injector) wake() {
	select {
	case i.due <- struct{}{}:
	default:
	}
}

// watch wakes the injector at each event on a configuration of the name.
func (i *Injector) watch(ctx context.Context) error {
	byName := func(options *metav1.ListOptions) {
		options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, i.configurations.Name).String()
	}
	client := i.configurations.Client
	for _, informer := range []cache.SharedIndexInformer{
		informers.NewFilteredMutatingWebhookConfigurationInformer(client, 0, cache.Indexers{}, byName),
		informers.NewFilteredValidatingWebhookConfigurationInformer(client, 0, cache.Indexers{}, byName),
	} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { i.wake() },
			UpdateFunc: func(any, any) { i.wake() },
		}); err != nil {
			return err
		}
		go informer.RunWithContext(ctx)
	}
	return nil
}

// inject publishes the bundle in both configurations, the second even when the first fails.
func (i *Injector) inject(ctx context.Context) error {
	return errors.Join(
		i.injectOne(ctx, i.configurations.mutating, i.configurations.applyMutating),
		i.injectOne(ctx, i.configurations.validating, i.configurations.applyValidating))
}

// injectOne reads the configuration, then the bundle, then applies with the version that was read. So a replica that knows only an older bundle cannot
// put it over a newer one: either it reads the newer one, or the version has moved on.
func (i *Injector) injectOne(ctx context.Context, get getter, put applier) error {
	live, err := get(ctx)
	if err != nil || len(live.hooks) == 0 {
		return err
	}
	if known := i.bundle.CABundle(); known != nil && live.carries(known) {
		return nil
	}
	bundle, err := i.bundle.FreshCABundle(ctx)
	if bundle == nil {
		return errors.Join(err, errNoCertificate)
	}
	if live.carries(bundle) {
		return nil
	}
	wanted, err := live.with(bundle, i.clock.Now())
	if err != nil {
		return err
	}
	if err := put(ctx, wanted); err != nil {
		return err
	}
	i.log.Info("The CA bundle was published", "kind", live.kind, "name", i.configurations.Name, "webhooks", len(live.hooks))
	return nil
}
