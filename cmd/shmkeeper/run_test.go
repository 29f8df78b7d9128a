package main

import (
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
)

func TestAServerThatDoesNotKnowTheClusterIsNotReadyAndSaysWhy(t *testing.T) {
	const want = "the policies, namespaces, limit ranges and resource quotas are not all known yet: see that the server may list and watch them"
	if err := cachesSynced(&cluster.View{})(nil); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
