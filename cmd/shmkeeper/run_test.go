package main

import (
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
)

func TestReady_CachesNotSynced(t *testing.T) {
	const want = "the policies, namespaces, limit ranges and resource quotas are not all known yet: wait for the API server's answer"
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	if err := cachesSynced(&cluster.View{}, cluster.NewWatches(scheme, logr.Discard()))(nil); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The cache watches each kind of which the server knows the resource without asking.
func TestMapper_KnowsWhatTheCacheSelects(t *testing.T) {
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := newMapper(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for object := range cluster.CacheOptions(configurationName).ByObject {
		gvk, err := apiutil.GVKForObject(object, scheme)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
			t.Error(err)
		}
	}
}
