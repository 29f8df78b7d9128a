package leader

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
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
	away    bool
}

var resource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// set writes the lease as somebody else does.
func (l *lease) set(record resourcelock.LeaderElectionRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record = &record
	l.version++
}

func (l *lease) setAway(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
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
	seen     int
}

func (c *client) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return nil, nil, errors.New("the API server is away")
	}
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

// replica is one that stands for election until the end of the test, or stop.
type replica struct {
	*Election
	changes chan struct{}
	stop    func()
}

func stand(t *testing.T, l *lease, identity string) *replica {
	t.Helper()
	e, err := New(&client{lease: l, identity: identity}, "test", short, testr.New(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{Election: e, changes: make(chan struct{}, 100)}
	e.OnChange(func() { r.changes <- struct{}{} })
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

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func TestALeaderFromWhomTheLeaseIsTakenStandsAgain(t *testing.T) {
	l := &lease{}
	a := stand(t, l, "a")
	eventually(t, "a leads", a.leads)
	first := a.Term()
	<-a.changes

	l.set(resourcelock.LeaderElectionRecord{HolderIdentity: "thief", LeaseDurationSeconds: 1})
	eventually(t, "a leads no more", func() bool { return !a.leads() })
	if first.Err() == nil {
		t.Error("the first term lasts")
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
	l := &lease{}
	a := stand(t, l, "a")
	eventually(t, "a leads", a.leads)
	term := a.Term()
	l.setAway(true)
	select {
	case <-term.Done():
	case <-time.After(short.Lease):
		t.Fatal("the term lasts longer than the lease")
	}
	l.setAway(false)
	eventually(t, "a leads again", a.leads)
}

func TestALeaderThatStopsGivesUpTheLeaseAndTheNextLeads(t *testing.T) {
	l := &lease{}
	a := stand(t, l, "a")
	eventually(t, "a leads", a.leads)
	b := stand(t, l, "b")
	time.Sleep(3 * short.Retry)
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
