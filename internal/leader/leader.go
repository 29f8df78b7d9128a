// Package leader elects, of the replicas of a server, the one that works in the
// background. A replica that loses the election goes on with everything else, and
// stands for election again.
package leader

import (
	"context"
	"errors"
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

// errRanOut ends the term of a replica that could not act for as long as the lease lasts.
var errRanOut = errors.New("the lease ran out before it was renewed")

// Election is the part of one replica in the election.
type Election struct {
	lease   resourcelock.Interface
	config  leaderelection.LeaderElectionConfig
	log     logr.Logger
	changed []func()
	now     func() time.Time

	elector *leaderelection.LeaderElector // of Run's goroutine

	mu      sync.Mutex
	lock    *lock // what the elector has of the lease; written by Run's goroutine alone
	leading bool
	term    context.Context
}

// New stands for election by a lock that the replicas share, under a name that the
// metrics give it. An error says what is wrong with the timing.
func New(l resourcelock.Interface, name string, timing Timing, log logr.Logger) (*Election, error) {
	none, cancel := context.WithCancel(context.Background())
	cancel()
	e := &Election{lease: l, log: log, now: time.Now, term: none}
	e.config = leaderelection.LeaderElectionConfig{
		Name:          name,
		LeaseDuration: timing.Lease, RenewDeadline: timing.Renew, RetryPeriod: timing.Retry,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: e.begin, OnStoppedLeading: e.end},
		// Run does it: by the elector it is done while the term still lasts, for as long as the API server takes.
		ReleaseOnCancel: false,
	}
	if err := e.renewElector(cancel); err != nil {
		return nil, fmt.Errorf("stand for election by the Lease %s: %w: choose other durations", l.Describe(), err)
	}
	return e, nil
}

// renewElector makes an elector that knows of no term, and a lock that calls end when
// the lease is lost. An elector that is ended between two renewals would be counted as
// leading for ever: a new one is not.
func (e *Election) renewElector(end context.CancelFunc) (err error) {
	l := newLock(e.lease, e.log, e.now, end)
	config := e.config
	config.Lock = l
	e.mu.Lock()
	e.lock = l
	e.mu.Unlock()
	e.elector, err = leaderelection.NewLeaderElector(config)
	return err
}

// Term is a context that lasts as long as this replica leads. Where it does not, it
// is done: so it is at once where the process has been paused until the lease ran out.
func (e *Election) Term() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lock.check()
	return e.term
}

// OnChange has f called whenever a term of this replica has begun or ended. It is
// called before Run; f must not block.
func (e *Election) OnChange(f func()) { e.changed = append(e.changed, f) }

// Run stands for election, and again after each term, until ctx is done, and then gives
// up the lease. Whatever only the leader may do must have ended before ctx.
func (e *Election) Run(ctx context.Context) {
	// The elector logs a request that is cancelled as a fault. What went wrong is told by the lock.
	wait.UntilWithContext(logr.NewContext(ctx, logr.Discard()), e.stand, e.config.RetryPeriod)
	e.release(context.WithoutCancel(ctx))
}

// stand stands for election until a term has ended. The elector by itself would try to
// renew a lease that another holds, and lead meanwhile: so the lock ends it.
func (e *Election) stand(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := e.renewElector(cancel); err != nil {
		e.log.Error(err, "This replica cannot lead: restart it", "lease", e.lease.Describe()) // never: New has made one
		return
	}
	defer e.lock.stop()
	e.elector.Run(ctx)
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
	e.log.Info("This replica leads", "lease", e.lease.Describe())
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
	e.log.Info("This replica leads no more", "lease", e.lease.Describe(), "holder", e.elector.GetLeader(), "lastFailure", text(e.lock.lastFailure()))
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
		if record.HolderIdentity != e.lease.Identity() {
			return true, nil
		}
		now := metav1.Now()
		// It may be in conflict with a renewal that was on its way.
		return e.lock.Update(ctx, resourcelock.LeaderElectionRecord{
			LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, RenewTime: now, AcquireTime: now,
		}) == nil, nil
	})
	if err != nil {
		e.log.Info("The lease is not given up and has to run out", "lease", e.lease.Describe(), "lastFailure", text(e.lock.lastFailure()))
	}
}

// lock is a lock as one elector uses it. It calls end once the replica cannot be sure
// any more to hold the lease: when another is seen to hold it, or when nothing was
// written to it for as long as it lasts. It remembers what went wrong last.
type lock struct {
	resourcelock.Interface
	log logr.Logger
	now func() time.Time
	end context.CancelFunc

	mu      sync.Mutex
	until   time.Time // the others leave the lease to this replica until then; zero: it does not hold it
	ranOut  *time.Timer
	lost    error // why end was called
	failure error
}

func newLock(l resourcelock.Interface, log logr.Logger, now func() time.Time, end context.CancelFunc) *lock {
	return &lock{Interface: l, log: log, now: now, end: end}
}

// Get implements resourcelock.Interface.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil && record.HolderIdentity != l.Identity() {
		l.lose(nil) // the holder's name says enough
	}
	return record, raw, l.note("get", err)
}

// Create implements resourcelock.Interface.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, "create", record, l.Interface.Create)
}

// Update implements resourcelock.Interface.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, "update", record, l.Interface.Update)
}

func (l *lock) write(ctx context.Context, verb string, record resourcelock.LeaderElectionRecord, do func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	begun := l.now() // the others count from when they see it, which is later
	err := do(ctx, record)
	if err == nil && record.HolderIdentity == l.Identity() {
		l.hold(begun.Add(time.Duration(record.LeaseDurationSeconds) * time.Second))
	}
	return l.note(verb, err)
}

// hold takes the lease as this replica's for a time.
func (l *lock) hold(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = until
	if l.ranOut != nil {
		l.ranOut.Stop()
	}
	l.ranOut = time.AfterFunc(until.Sub(l.now()), l.check)
}

// check ends the term where the lease has run out.
func (l *lock) check() {
	l.mu.Lock()
	over := !l.until.IsZero() && !l.now().Before(l.until)
	l.mu.Unlock()
	if over {
		l.lose(errRanOut)
	}
}

// lose ends the term, if there is one.
func (l *lock) lose(why error) {
	l.mu.Lock()
	held := !l.until.IsZero()
	if held {
		l.until, l.lost = time.Time{}, why
	}
	l.mu.Unlock()
	if held {
		l.end()
	}
}

// stop has the lock watch the time no longer.
func (l *lock) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Time{}
	if l.ranOut != nil {
		l.ranOut.Stop()
	}
}

func (l *lock) note(verb string, err error) error {
	l.mu.Lock()
	l.failure = err
	l.mu.Unlock()
	if err != nil {
		l.log.V(1).Info("The lease cannot be used", "lease", l.Describe(), "verb", verb, "failure", err.Error())
	}
	return err
}

// lastFailure is why the term was ended, or else what failed last.
func (l *lock) lastFailure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	return l.failure
}

func text(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}
