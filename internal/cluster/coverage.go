package cluster

import (
	"maps"
	"math"
	"sync"
)

// coverage is up to which revision of the catalog the API server sends the Pods
// that policies could govern.
type coverage struct {
	mu     sync.Mutex
	byKind map[string]int64
}

func newCoverage(kinds ...string) *coverage {
	c := &coverage{byKind: make(map[string]int64)}
	for _, kind := range kinds {
		c.byKind[kind] = -1
	}
	return c
}

// set tells that a kind of webhook configuration covers a revision.
func (c *coverage) set(kind string, revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byKind[kind] = revision
}

// forget takes it that no revision is covered until a keeper has looked: another leader
// may write from now on, or may have written.
func (c *coverage) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for kind := range c.byKind {
		c.byKind[kind] = -1
	}
}

// upTo is the revision that every kind covers. Without kinds there is nothing
// that could hold a Pod back.
func (c *coverage) upTo() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	least := int64(math.MaxInt64)
	for revision := range maps.Values(c.byKind) {
		least = min(least, revision)
	}
	return least
}
