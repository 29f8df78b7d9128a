package webhookconfig

import (
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/event"
)

// MatchCondition says how far the match condition in the configurations covers the
// policies, as far as one term of a leader knows.
type MatchCondition struct {
	changes chan event.GenericEvent // of one

	mu     sync.Mutex
	byKind map[string]coverage
}

// coverage is what is known of one configuration.
type coverage struct {
	revision  int64 // of the policies that it covers; -1: not known, or none
	contested bool
}

func newMatchCondition() *MatchCondition {
	return &MatchCondition{changes: make(chan event.GenericEvent, 1), byKind: map[string]coverage{Mutating: {revision: -1}, Validating: {revision: -1}}}
}

// set says what is known of a configuration.
func (c *MatchCondition) set(kind string, now coverage) {
	c.mu.Lock()
	changed := c.byKind[kind] != now
	c.byKind[kind] = now
	c.mu.Unlock()
	if !changed {
		return
	}
	select {
	case c.changes <- event.GenericEvent{}:
	default: // one is waiting, and its reader will find all changes
	}
}

// Covers reports whether both configurations cover the policies up to a revision, and
// whether somebody else keeps changing one of them.
func (c *MatchCondition) Covers(revision int64) (covered, contested bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	covered = true
	for _, known := range c.byKind {
		covered, contested = covered && known.revision >= revision, contested || known.contested
	}
	return covered, contested
}

// Changes returns a channel that gets an event whenever Covers may return something else.
func (c *MatchCondition) Changes() <-chan event.GenericEvent { return c.changes }
