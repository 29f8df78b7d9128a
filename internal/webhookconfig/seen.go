package webhookconfig

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// LastSeen remembers each configuration as it was last seen fit for use: with a caBundle,
// and not being deleted. Every replica does, so that whichever leads next restores what
// there was, with what an operator has changed of it.
type LastSeen struct{ byKind sync.Map }

// Watch returns a LastSeen that follows the configurations in a cache, which is started by
// others.
func Watch(c cache.Cache) (*LastSeen, error) {
	s := &LastSeen{}
	for _, kind := range Kinds() {
		informer, err := c.GetInformer(context.Background(), newConfiguration(kind), cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watching the %s: %w", kind, err)
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    s.remember,
			UpdateFunc: func(_, object any) { s.remember(object) },
		}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *LastSeen) remember(object any) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok || u.GetDeletionTimestamp() != nil || bundleOf(u) == nil {
		return
	}
	s.byKind.Store(u.GetKind(), u)
}

// get returns the configuration of a kind; nil if none was seen.
func (s *LastSeen) get(kind string) *unstructured.Unstructured {
	value, _ := s.byKind.Load(kind)
	u, _ := value.(*unstructured.Unstructured)
	return u
}
