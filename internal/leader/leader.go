// Package leader elects, of the replicas of a server, the one that works in the
// background. A replica that loses the election goes on with everything else, and
// stands for election again.
package leader

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Timing is how long a lease lasts.
type Timing struct {
	// Lease is how long the others wait for a leader that no longer renews it.
	Lease time.Duration
	// Renew is how long a leader tries to renew it before it stops to lead; less than
	// Lease, so that nobody leads yet when it stops.
	Renew time.Duration
	// Retry is how often it is renewed, or tried for.
	Retry time.Duration
}

// DefaultTiming is that of the programs of Kubernetes.
var DefaultTiming = Timing{Lease: 15 * time.Second, Renew: 10 * time.Second, Retry: 2 * time.Second}

// releaseWithin bounds how long giving up the lease may take.
const releaseWithin = 3 * time.Second

// Election is the part of one replica in the election.
type Election struct {
	lock    *lock
	log     logr.Logger
	retry   time.Duration
	elector *leaderelection.LeaderElector
	changed []func()

	mu      sync.Mutex
	leading bool
	term    context.Context
}

// New stands for election by a lock that the replicas share, under a name that the
// metrics give it. An error says what is wrong with the timing.
func New(l resourcelock.Interface, name string, timing Timing, log logr.Logger) (*Election, error) {
	none, cancel := context.WithCancel(context.Background())
	cancel()
	e := &Election{lock: &lock{Interface: l, log: log}, log: log, retry: timing.Retry, term: none}
	var err error
	e.elector, err = leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: e.lock, Name: name,
		LeaseDuration: timing.Lease, RenewDeadline: timing.Renew, RetryPeriod: timing.Retry,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: e.begin, OnStoppedLeading: e.end},
		// Run does it: by the elector it is done while the term still lasts, for as long as the API server takes.
		ReleaseOnCancel: false,
	})
	if err != nil {
		return nil, fmt.Errorf("stand for election by the Lease %s: %w: choose other durations", l.Describe(), err)
	}
	return e, nil
}

// Term is a context that lasts as long as this replica leads. Where it does not, it
// is done.
func (e *Election) Term() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.term
}

// OnChange has f called whenever a term of this replica has begun or ended. It is
// called before Run; f must not block.
func (e *Election) OnChange(f func()) { e.changed = append(e.changed, f) }

// Run stands for election, and again after each term, until ctx is done, and then gives
// up the lease. Whatever only the leader may do must have ended before ctx.
func (e *Election) Run(ctx context.Context) {
	// The elector logs a request that is cancelled as a fault. What went wrong is told by the lock.
	wait.UntilWithContext(logr.NewContext(ctx, logr.Discard()), e.elector.Run, e.retry)
	e.release(context.WithoutCancel(ctx))
}

func (e *Election) begin(term context.Context) {
	e.mu.Lock()
	over := term.Err() != nil
	if !over {
		e.leading, e.term = true, term
	}
	e.mu.Unlock()
	if over { // before it was told of
		return
	}
	e.log.Info("This replica leads", "lease", e.lock.Describe())
	e.tell()
}

// end is called when the term is done, and when there was none.
func (e *Election) end() {
	e.mu.Lock()
	led := e.leading
	e.leading = false
	e.mu.Unlock()
	if !led {
		return
	}
	e.log.Info("This replica leads no more", "lease", e.lock.Describe(), "holder", e.elector.GetLeader(), "lastFailure", text(e.lock.failure))
	e.tell()
}

func (e *Election) tell() {
	for _, f := range e.changed {
		f()
	}
}

// release gives up the lease, if this replica holds it, so that the next leader need
// not wait for its end.
func (e *Election) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, releaseWithin)
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, releaseWithin/30, true, func(ctx context.Context) (bool, error) {
		record, _, err := e.lock.Get(ctx)
		if err != nil {
			return apierrors.IsNotFound(err), nil
		}
		if record.HolderIdentity != e.lock.Identity() {
			return true, nil
		}
		now := metav1.Now()
		// It may be in conflict with a renewal that was on its way.
		return e.lock.Update(ctx, resourcelock.LeaderElectionRecord{
			LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, RenewTime: now, AcquireTime: now,
		}) == nil, nil
	})
	if err != nil {
		e.log.Info("The lease is not given up and has to run out", "lease", e.lock.Describe(), "lastFailure", text(e.lock.failure))
	}
}

// lock remembers what went wrong with a lock last. It is used by one goroutine.
type lock struct {
	resourcelock.Interface
	log     logr.Logger
	failure error
}

// Get implements resourcelock.Interface.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	return record, raw, l.note("get", err)
}

// Create implements resourcelock.Interface.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.note("create", l.Interface.Create(ctx, record))
}

// Update implements resourcelock.Interface.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.note("update", l.Interface.Update(ctx, record))
}

func (l *lock) note(verb string, err error) error {
	l.failure = err
	if err != nil {
		l.log.V(1).Info("The lease cannot be used", "lease", l.Describe(), "verb", verb, "failure", err.Error())
	}
	return err
}

func text(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}
