package leader

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lease is one in memory, which an API server keeps otherwise.
type lease struct {
	mu      sync.Mutex
	record  *resourcelock.LeaderElectionRecord
	version int
}

var resource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// take writes the lease as somebody else does.
func (l *lease) take(record resourcelock.LeaderElectionRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record = &record
	l.version++
}

func (l *lease) holder() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.record == nil {
		return ""
	}
	return l.record.HolderIdentity
}

// client is the lease as one replica sees it.
type client struct {
	*lease
	identity string
	seen     int           // the version that it last read or wrote
	reads    int           // how often it has read the lease
	away     bool          // this replica cannot reach the API server
	hang     chan struct{} // until it is closed, what this replica writes gets no answer
}

func (c *client) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *client) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return nil, nil, errors.New("the API server is away")
	}
	c.reads++
	if c.record == nil {
		return nil, nil, apierrors.NewNotFound(resource, "lease")
	}
	c.seen = c.version
	record := *c.record
	raw, err := json.Marshal(record)
	return &record, raw, err
}

func (c *client) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.write(ctx, record, func() bool { return c.record == nil })
}

func (c *client) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.write(ctx, record, func() bool { return c.record != nil && c.seen == c.version })
}

func (c *client) write(ctx context.Context, record resourcelock.LeaderElectionRecord, allowed func() bool) error {
	c.mu.Lock()
	hang := c.hang
	c.mu.Unlock()
	if hang != nil {
		<-hang
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.away:
		return errors.New("the API server is away")
	case !allowed():
		return apierrors.NewConflict(resource, "lease", errors.New("it was changed"))
	}
	c.record = &record
	c.version++
	c.seen = c.version
	return nil
}

func (c *client) RecordEvent(string) {}
func (c *client) Identity() string   { return c.identity }
func (c *client) Describe() string   { return "n/lease" }

// The lease counts whole seconds.
var short = Timing{Lease: time.Second, Renew: 500 * time.Millisecond, Retry: 50 * time.Millisecond}

// patient is one whose leader tries to renew for long, so that it leads also on a machine that gives it no time to run.
var patient = Timing{Lease: 30 * time.Second, Renew: 20 * time.Second, Retry: 50 * time.Millisecond}

// replica is one that stands for election until the end of the test, or stop.
type replica struct {
	*Election
	client  *client
	ahead   *atomic.Int64 // how far its clock is ahead
	changes chan struct{}
	stop    func()
}

func stand(t *testing.T, l *lease, identity string) *replica {
	t.Helper()
	return standWith(t, l, identity, patient, func() {})
}

func standWith(t *testing.T, l *lease, identity string, timing Timing, changed func()) *replica {
	t.Helper()
	r := &replica{client: &client{lease: l, identity: identity}, ahead: &atomic.Int64{}, changes: make(chan struct{}, 100)}
	e, err := New(r.client, "test", timing, testr.New(t))
	if err != nil {
		t.Fatal(err)
	}
	r.Election = e
	e.now = func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }
	e.OnChange(func() {
		changed()
		r.changes <- struct{}{}
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	r.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(r.stop)
	return r
}

func (r *replica) leads() bool { return r.Term().Err() == nil }

// looksAgain waits until the replica has read the lease, and has done what follows from that.
func (r *replica) looksAgain(t *testing.T) {
	t.Helper()
	reads := func() (n int) {
		r.client.set(func() { n = r.client.reads })
		return n
	}
	begun := reads()
	// The replica reads it once more only when it is done with the first.
	eventually(t, r.client.identity+" reads the lease twice", func() bool { return reads() >= begun+2 })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func TestALeaderFromWhomTheLeaseIsTakenStandsAgain(t *testing.T) {
	l := &lease{}
	a := stand(t, l, "a")
	eventually(t, "a leads", a.leads)
	first := a.Term()
	<-a.changes

	l.take(resourcelock.LeaderElectionRecord{HolderIdentity: "thief", LeaseDurationSeconds: 1})
	select {
	case <-first.Done():
	case <-time.After(patient.Renew / 2):
		t.Fatal("the first term lasts, although the thief's lease must have been seen")
	}
	if a.leads() {
		t.Error("a still leads")
	}
	<-a.changes
	if got := l.holder(); got != "thief" {
		t.Errorf("the lease was given to %q", got)
	}

	eventually(t, "a leads again", a.leads)
	<-a.changes
	if first.Err() == nil || len(a.changes) > 0 {
		t.Error("the second term is told as the first, or more than once")
	}
}

func TestALeaderThatCannotRenewEndsItsTermBeforeAnotherBegins(t *testing.T) {
	for name, tc := range map[string]struct{ cut, mend func(*client) }{
		"the API server is away": {
			func(c *client) { c.away = true },
			func(c *client) { c.away = false },
		},
		// Nothing has the elector end then, as when it gets no time to run.
		"a renewal gets no answer": {
			func(c *client) { c.hang = make(chan struct{}) },
			func(c *client) { close(c.hang); c.hang = nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &lease{}
			a := standWith(t, l, "a", short, func() {})
			eventually(t, "a leads", a.leads)
			term := a.Term()
			var both atomic.Bool
			b := standWith(t, l, "b", patient, func() {
				// In this order: a term's timer may be late on a busy machine, and asking for the term makes up for that.
				if a.leads() || term.Err() == nil {
					both.Store(true)
				}
			})
			eventually(t, "b has seen whose the lease is", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return b.client.seen > 0
			})
			a.client.set(func() { tc.cut(a.client) })
			mend := sync.OnceFunc(func() { a.client.set(func() { tc.mend(a.client) }) })
			t.Cleanup(mend)
			eventually(t, "b leads", b.leads)
			<-b.changes
			if both.Load() {
				t.Error("b's term began before a's had ended")
			}
			mend()
			a.looksAgain(t)
			if a.leads() || !b.leads() {
				t.Errorf("a leads: %v, b leads: %v", a.leads(), b.leads())
			}
			b.stop()
			eventually(t, "a leads again", a.leads)
		})
	}
}

func TestElection_ATermEndsWithTheLeaseThoughNobodyAsks(t *testing.T) {
	a := standWith(t, &lease{}, "a", short, func() {})
	eventually(t, "a leads", a.leads)
	term, hang := a.Term(), make(chan struct{})
	a.client.set(func() { a.client.hang = hang }) // so that the elector does not end it
	t.Cleanup(func() { close(hang) })
	select {
	case <-term.Done():
	case <-time.After(time.Minute):
		t.Error("the term lasts longer than the lease")
	}
}

func TestALeaderThatWasPausedForTheLengthOfTheLeaseLeadsNoMore(t *testing.T) {
	l := &lease{}
	a := standWith(t, l, "a", Timing{Lease: 30 * time.Second, Renew: 20 * time.Second, Retry: 10 * time.Second}, func() {})
	eventually(t, "a leads", a.leads)
	<-a.changes
	first := a.Term()
	a.ahead.Store(int64(29 * time.Second))
	if !a.leads() {
		t.Error("the term ends before the lease")
	}
	a.ahead.Store(int64(31 * time.Second))
	if a.leads() || first.Err() == nil {
		t.Fatal("the term lasts longer than the lease")
	}
	<-a.changes
	if got := a.lock.lastFailure(); !errors.Is(got, errRanOut) {
		t.Errorf("it is told to have ended by: %v", got)
	}
}

func TestATermThatIsOverBeforeItIsToldIsNone(t *testing.T) {
	e, err := New(&client{lease: &lease{}, identity: "a"}, "test", short, testr.New(t))
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	e.OnChange(func() { told++ })
	over, cancel := context.WithCancel(t.Context())
	cancel()
	e.end() // comes first, as the elector does not wait for begin
	e.begin(over)
	e.end()
	if told > 0 || e.leading {
		t.Errorf("it is told %d times; leading: %v", told, e.leading)
	}
}

func TestALeaderThatStopsGivesUpTheLeaseAndTheNextLeads(t *testing.T) {
	l := &lease{}
	a := stand(t, l, "a")
	eventually(t, "a leads", a.leads)
	b := stand(t, l, "b")
	b.looksAgain(t)
	if b.leads() {
		t.Fatal("there are two leaders")
	}
	a.stop()
	if got := l.holder(); got != "" {
		t.Errorf("the lease is still held by %q", got)
	}
	eventually(t, "b leads", b.leads)
	if a.leads() {
		t.Error("there are two leaders")
	}
}

func TestAReplicaThatDoesNotLeadLeavesTheLeaseAsItStops(t *testing.T) {
	l := &lease{}
	a := stand(t, l, "a")
	eventually(t, "a leads", a.leads)
	b := stand(t, l, "b")
	b.stop()
	if got := l.holder(); got != "a" || len(b.changes) > 0 {
		t.Errorf("the lease is held by %q, and b was told of %d changes", got, len(b.changes))
	}
}

func TestATimingThatLetsTwoLeadIsRefused(t *testing.T) {
	const want = "stand for election by the Lease n/lease: leaseDuration must be greater than renewDeadline: choose other durations"
	_, err := New(&client{lease: &lease{}, identity: "a"}, "test", Timing{Lease: time.Second, Renew: time.Second, Retry: time.Millisecond}, testr.New(t))
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
