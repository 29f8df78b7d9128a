package cluster

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// catalog holds the policies of the cluster by name, each compiled once for each
// of its versions.
type catalog struct {
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

	compiled policy.Policy
	source   *v1alpha1.SharedMemoryPolicy // of compiled; nil where none is in force
}

// verdict is what there is to say about one version of a policy.
type verdict struct {
	errs     field.ErrorList
	compiled policy.Policy
	inForce  bool  // a version of it is
	since    int64 // revision of the catalog
	taken    time.Time
}

func newCatalog() *catalog { return &catalog{byName: make(map[string]*entry)} }

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

// set makes a Set of the policies in force.
func (c *catalog) set() policy.Set {
	c.mu.Lock()
	inForce := make([]policy.Policy, 0, len(c.byName))
	for _, e := range c.byName {
		if e.source != nil {
			inForce = append(inForce, e.compiled)
		}
	}
	c.mu.Unlock()
	return policy.NewSet(inForce...)
}

// sources are all versions that are in force, or will be once they compile
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

// about is the verdict on a policy as it stands; ok is false for a version that
// has not been taken yet.
func (c *catalog) about(p *v1alpha1.SharedMemoryPolicy) (v verdict, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byName[p.Name]
	if e == nil || e.uid != p.UID || e.generation != p.Generation {
		return verdict{}, false
	}
	return verdict{errs: e.errs, compiled: e.compiled, inForce: e.source != nil, since: e.revision, taken: e.taken}, true
}

// count is how many policies compile as they stand, and how many do not.
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
