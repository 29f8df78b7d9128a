package cluster

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// catalog holds the policies of the cluster by name, each compiled once for each
// of its versions.
type catalog struct {
	mirrors policy.Mirrors // never changes

	mu       sync.Mutex
	byName   map[string]*entry
	revision int64 // counts changes
}

// entry is a policy as it stands and as it is in force: two versions of it where
// the newer one does not compile.
type entry struct {
	uid        types.UID
	generation int64 // of latest
	revision   int64 // of the catalog when it took latest
	taken      time.Time
	latest     *v1alpha1.SharedMemoryPolicy
	errs       field.ErrorList // what is wrong with latest
	narrow     bool            // a match condition for latest alone holds Pods back

	compiled policy.Policy
	source   *v1alpha1.SharedMemoryPolicy // of compiled; nil if none is in force
}

// verdict is what there is to say about one version of a policy.
type verdict struct {
	errs     field.ErrorList
	compiled policy.Policy
	inForce  bool  // a version of it is
	sized    bool  // the version in force has sizing
	narrow   bool  // a match condition for the current version alone holds Pods back
	since    int64 // revision of the catalog
	taken    time.Time
}

func newCatalog(mirrors policy.Mirrors) *catalog {
	return &catalog{mirrors: mirrors, byName: make(map[string]*entry)}
}

// put takes a version of a policy. changed is false for one that is known; valid
// says whether it compiles.
func (c *catalog) put(p *v1alpha1.SharedMemoryPolicy) (changed, valid bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.byName[p.Name]
	if old != nil && old.uid == p.UID && old.generation == p.Generation {
		return false, len(old.errs) == 0
	}
	c.revision++
	e := &entry{uid: p.UID, generation: p.Generation, revision: c.revision, taken: time.Now(), latest: p}
	_, e.narrow = matchcondition.Expression([]*v1alpha1.SharedMemoryPolicy{p}, imageMirrors(c.mirrors))
	compiled, errs := policy.Compile(p)
	switch {
	case len(errs) == 0:
		e.compiled, e.source = compiled, p
	case old != nil && old.uid == p.UID:
		e.errs, e.compiled, e.source = errs, old.compiled, old.source
	default:
		e.errs = errs
	}
	c.byName[p.Name] = e
	return true, len(errs) == 0
}

// remove forgets a policy. changed is false for one that is not known.
func (c *catalog) remove(name string) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byName[name] == nil {
		return false
	}
	c.revision++
	delete(c.byName, name)
	return true
}

// set returns a Set of the policies in force.
func (c *catalog) set() policy.Set {
	c.mu.Lock()
	inForce := make([]policy.Policy, 0, len(c.byName))
	for _, e := range c.byName {
		if e.source != nil {
			inForce = append(inForce, e.compiled)
		}
	}
	c.mu.Unlock()
	return policy.NewSet(inForce...).WithImageMirrors(c.mirrors)
}

// sources returns all versions that are in force, or will be once they compile
// elsewhere: what the match condition has to cover. revision is that of the
// catalog at this moment.
func (c *catalog) sources() (policies []*v1alpha1.SharedMemoryPolicy, revision int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	policies = make([]*v1alpha1.SharedMemoryPolicy, 0, len(c.byName))
	for _, e := range c.byName {
		policies = append(policies, e.latest)
		if e.source != nil && e.source != e.latest {
			policies = append(policies, e.source)
		}
	}
	return policies, c.revision
}

// matchCondition returns the expression that covers all sources; narrow is false if there
// is none, and every Pod has to be sent. revision is the one that it covers.
func (c *catalog) matchCondition() (expression string, narrow bool, revision int64) {
	policies, revision := c.sources()
	expression, narrow = matchcondition.Expression(policies, imageMirrors(c.mirrors))
	return expression, narrow, revision
}

func imageMirrors(m policy.Mirrors) (out []matchcondition.Mirror) {
	m.Each(func(from, to string) { out = append(out, matchcondition.Mirror{From: from, To: to}) })
	return out
}

// about returns the verdict on the current version of a policy; ok is false for one that
// has not been taken yet.
func (c *catalog) about(p *v1alpha1.SharedMemoryPolicy) (v verdict, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byName[p.Name]
	if e == nil || e.uid != p.UID || e.generation != p.Generation {
		return verdict{}, false
	}
	return verdict{
		errs: e.errs, compiled: e.compiled,
		inForce: e.source != nil, sized: e.source != nil && e.source.Spec.Sizing != nil,
		narrow: e.narrow, since: e.revision, taken: e.taken,
	}, true
}

// count returns how many policies are valid in their current version, and how many are not.
func (c *catalog) count() (accepted, rejected int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.byName {
		if len(e.errs) == 0 {
			accepted++
		} else {
			rejected++
		}
	}
	return accepted, rejected
}
