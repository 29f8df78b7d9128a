package cluster

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// policyStore holds the policies of the cluster by name, each compiled once for each
// of its versions.
type policyStore struct {
	mirrors policy.Mirrors // never changes

	mu       sync.Mutex
	byName   map[string]*storedPolicy
	removed  map[string]bool // since takeRemoved
	revision int64           // counts changes
}

// storedPolicy is a policy in its current version and in the one that is in force, which
// is an older one if the current version does not compile.
type storedPolicy struct {
	uid        types.UID
	generation int64 // of current
	current    *v1alpha1.SharedMemoryPolicy
	inForce    *v1alpha1.SharedMemoryPolicy // nil if no version is
	state      PolicyState                  // of current
}

// PolicyState represents the state of one version of a policy.
type PolicyState struct {
	// Errors says what is wrong with the version.
	Errors field.ErrorList
	// InForce reports whether a version of the policy is in force: this one or, if it is
	// invalid, the last one that was valid.
	InForce bool
	// Compiled is the version in force.
	Compiled policy.Policy
	// Sized reports whether the version in force has sizing.
	Sized bool
	// Narrow reports whether a match condition for this version alone holds Pods back.
	Narrow bool
	// EveryPodSent reports whether the match condition for all policies holds no Pod back.
	EveryPodSent bool
	// Revision is that of the first match condition that covers this version.
	Revision int64
	// Since is when this replica first saw the version.
	Since time.Time
}

func newPolicyStore(mirrors policy.Mirrors) *policyStore {
	return &policyStore{mirrors: mirrors, byName: make(map[string]*storedPolicy), removed: make(map[string]bool)}
}

// observe reports whether the figures that were measured are new and count, and takes them then.
// The version stays: what it matches does not depend on them.
func (s *storedPolicy) observe(p *v1alpha1.SharedMemoryPolicy) bool {
	sizing := p.Spec.Sizing
	if len(s.state.Errors) > 0 || sizing == nil || sizing.Files == nil || sizing.Files.Source != v1alpha1.FilesObserved ||
		equality.Semantic.DeepEqual(s.current.Status.Observed, p.Status.Observed) {
		return false
	}
	compiled, errs := policy.Compile(p)
	if len(errs) > 0 {
		return false
	}
	s.current, s.inForce, s.state.Compiled = p, p, compiled
	return true
}

// add takes a version of a policy. changed is false if the version is known, with the figures that
// count; valid reports whether it compiles.
func (s *policyStore) add(p *v1alpha1.SharedMemoryPolicy) (changed, valid bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.byName[p.Name]
	if old != nil && old.uid == p.UID && old.generation == p.Generation {
		return old.observe(p), len(old.state.Errors) == 0
	}
	s.revision++
	added := &storedPolicy{uid: p.UID, generation: p.Generation, current: p}
	added.state.Revision, added.state.Since = s.revision, time.Now()
	_, added.state.Narrow = matchcondition.Expression([]*v1alpha1.SharedMemoryPolicy{p}, imageMirrors(s.mirrors))
	compiled, errs := policy.Compile(p)
	added.state.Errors = errs
	switch {
	case len(errs) == 0:
		added.state.Compiled, added.inForce = compiled, p
	case old != nil && old.uid == p.UID:
		added.state.Compiled, added.inForce = old.state.Compiled, old.inForce
	}
	if added.inForce != nil {
		added.state.InForce, added.state.Sized = true, added.inForce.Spec.Sizing != nil
	}
	s.byName[p.Name] = added
	return true, len(errs) == 0
}

// remove reports whether there was a policy of the name, and forgets it.
func (s *policyStore) remove(name string) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[name] == nil {
		return false
	}
	s.revision++
	delete(s.byName, name)
	s.removed[name] = true
	return true
}

// takeRemoved returns the names that were removed since the last call and are not there again.
func (s *policyStore) takeRemoved() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.removed {
		if s.byName[name] == nil {
			names = append(names, name)
		}
	}
	clear(s.removed)
	return names
}

// set returns a Set of the policies in force.
func (s *policyStore) set() policy.Set {
	s.mu.Lock()
	inForce := make([]policy.Policy, 0, len(s.byName))
	for _, p := range s.byName {
		if p.inForce != nil {
			inForce = append(inForce, p.state.Compiled)
		}
	}
	s.mu.Unlock()
	return policy.NewSet(inForce...).WithImageMirrors(s.mirrors)
}

// sources returns all versions that are in force, or will be once they compile
// elsewhere: what the match condition has to cover. revision is that of the store at
// this moment.
func (s *policyStore) sources() (policies []*v1alpha1.SharedMemoryPolicy, revision int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	policies = make([]*v1alpha1.SharedMemoryPolicy, 0, len(s.byName))
	for _, p := range s.byName {
		policies = append(policies, p.current)
		if p.inForce != nil && p.inForce != p.current {
			policies = append(policies, p.inForce)
		}
	}
	return policies, s.revision
}

// MatchCondition is the match condition for the policies of one moment.
type MatchCondition struct {
	// Expression is CEL: true for every Pod that a policy could match.
	Expression string
	// Narrow is false if every Pod has to be sent. Expression is "true" then.
	Narrow bool
	// Revision grows with each change of the policies.
	Revision int64
}

// matchCondition returns the match condition that covers all sources.
func (s *policyStore) matchCondition() MatchCondition {
	policies, revision := s.sources()
	expression, narrow := matchcondition.Expression(policies, imageMirrors(s.mirrors))
	if !narrow {
		expression = "true"
	}
	return MatchCondition{Expression: expression, Narrow: narrow, Revision: revision}
}

func imageMirrors(m policy.Mirrors) (out []matchcondition.Mirror) {
	m.Each(func(from, to string) { out = append(out, matchcondition.Mirror{From: from, To: to}) })
	return out
}

// lookup returns the state of a version of a policy; ok is false if the store has
// another one, or none.
func (s *policyStore) lookup(p *v1alpha1.SharedMemoryPolicy) (state PolicyState, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.byName[p.Name]
	if stored == nil || stored.uid != p.UID || stored.generation != p.Generation {
		return PolicyState{}, false
	}
	return stored.state, true
}

// count returns how many policies are valid in their current version, and how many are not.
func (s *policyStore) count() (accepted, rejected int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.byName {
		if len(p.state.Errors) == 0 {
			accepted++
		} else {
			rejected++
		}
	}
	return accepted, rejected
}

// fingerprint returns a number for the versions that are known and those in force. It is the same
// for stores that have the same, and most probably another one for others.
func (s *policyStore) fingerprint() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		p, inForce := s.byName[name], int64(0)
		if p.inForce != nil {
			inForce = p.inForce.Generation
		}
		fmt.Fprintf(hash, "%s %s %d %d\n", name, p.uid, p.generation, inForce)
	}
	return float64(hash.Sum64() >> 11) // the 53 bits that a float holds
}
