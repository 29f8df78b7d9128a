package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// fixedTerm is a leader whose term the test sets.
type fixedTerm struct{ term context.Context }

func (l *fixedTerm) Term() context.Context { return l.term }
func (l *fixedTerm) OnChange(func())       {}

func TestOnlyTheLeaderReconcilesAndOnlyForItsTerm(t *testing.T) {
	failure, again := errors.New("conflict"), reconcile.Result{RequeueAfter: time.Second}
	leader := &fixedTerm{}
	begun, ran := 0, 0
	during := func() {}
	w := &whileLeading{
		leader: leader,
		reconciler: reconcile.Func(func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
			ran++
			during()
			if leader.term.Err() != nil {
				<-ctx.Done() // so that a request that is on its way ends
			}
			return again, failure
		}),
		begin: func() { begun++ },
	}
	step := func(what string, wantBegun, wantRan int, want reconcile.Result, wantErr error) {
		t.Helper()
		got, err := w.Reconcile(t.Context(), reconcile.Request{})
		if begun != wantBegun || ran != wantRan || got != want || !errors.Is(err, wantErr) {
			t.Errorf("%s: begun %d, ran %d, result %v, error %v", what, begun, ran, got, err)
		}
	}
	first, end := context.WithCancel(t.Context())
	leader.term = first
	step("a leader", 1, 1, again, failure)
	step("a leader once more", 1, 2, again, failure)
	during = end
	step("a leader whose term ends meanwhile", 1, 3, reconcile.Result{}, nil)
	step("a replica that leads no more", 1, 3, reconcile.Result{}, nil)
	during = func() {}
	observed := 0
	w.observe = func(context.Context) error { observed++; return failure }
	step("a replica that looks on", 1, 3, reconcile.Result{}, failure)
	leader.term = t.Context()
	step("a leader in its second term", 2, 4, again, failure)
	if observed != 1 {
		t.Errorf("it looked on %d times, want once", observed)
	}
}

func TestATermThatBeginsOrEndsHasEverythingLookedAtAgain(t *testing.T) {
	covered := newCoverage(mutatingKind)
	covered.set(mutatingKind, 7)
	keepers := []*keeper{{changes: make(chan event.GenericEvent, 1)}, {changes: make(chan event.GenericEvent, 1)}}
	statuses := make(chan event.GenericEvent, 1)
	onChange(covered, keepers, statuses)()
	if got := covered.upTo(); got != -1 {
		t.Errorf("the policies up to %d are taken as covered", got)
	}
	if len(keepers[0].changes) != 1 || len(keepers[1].changes) != 1 {
		t.Error("a keeper is not woken")
	}
	if len(statuses) != 1 {
		t.Error("the status of policies is not looked at")
	}
}

func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestALeaderRestoresWhatItSawWhileAnotherLed(t *testing.T) {
	first := asMutating(t, shipped(t))
	first.Webhooks[0].ClientConfig.CABundle = []byte("old")
	k := newTestKeeper(t, append(installed(), first)...)
	leader := &fixedTerm{term: t.Context()}
	w := k.whileLeading(leader)
	step := func(term context.Context) {
		t.Helper()
		leader.term = term
		if _, err := w.Reconcile(t.Context(), reconcile.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	step(t.Context())

	seconds := int32(7)
	o := live(t, k)
	o.Webhooks[0].ClientConfig.CABundle, o.Webhooks[0].TimeoutSeconds = []byte("new"), &seconds
	if err := k.client.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	step(over())
	if err := k.client.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	step(over())
	if live(t, k) != nil {
		t.Fatal("a replica that does not lead restores")
	}

	second, end := context.WithCancel(t.Context())
	defer end()
	step(second)
	switch o = live(t, k); {
	case o == nil:
		t.Error("the configuration is not restored")
	case string(caBundleOf(o)) != "new" || *o.Webhooks[0].TimeoutSeconds != seconds:
		t.Errorf("restored with the caBundle %q and a timeout of %d s", caBundleOf(o), *o.Webhooks[0].TimeoutSeconds)
	}
}

func TestANewTermWaitsTheWholeDelayBeforeItRestores(t *testing.T) {
	k := newTestKeeper(t, installed()...)
	k.caBundle = func() []byte { return []byte("ca") }
	k.delay = time.Minute
	now := time.Now()
	k.now = func() time.Time { return now }
	leader := &fixedTerm{}
	w := k.whileLeading(leader)
	for i, after := range []time.Duration{0, time.Hour} {
		term, end := context.WithCancel(t.Context())
		t.Cleanup(end)
		leader.term, now = term, now.Add(after)
		// In between another leader has restored it, and it was deleted anew.
		if r, err := w.Reconcile(t.Context(), reconcile.Request{}); err != nil || r.RequeueAfter != time.Minute || live(t, k) != nil {
			t.Errorf("term %d: result %+v, %v", i+1, r, err)
		}
	}
}

func TestOnlyALeaderCleansUpAsItStops(t *testing.T) {
	for name, tc := range map[string]struct {
		term context.Context
		left bool
	}{
		"it leads":         {t.Context(), false},
		"its term is over": {over(), true},
	} {
		t.Run(name, func(t *testing.T) {
			objects := installed()
			k := newTestKeeper(t, objects...)
			k.caBundle = func() []byte { return []byte("ca") }
			reconcileOnce(t, k)
			if live(t, k) == nil {
				t.Fatal("nothing is restored")
			}
			if err := k.client.Delete(t.Context(), objects[1]); err != nil {
				t.Fatal(err)
			}
			l := &leaver{keepers: []*keeper{k}, leader: &fixedTerm{term: tc.term}, log: testr.New(t)}
			if err := l.Start(over()); err != nil {
				t.Fatal(err)
			}
			if left := live(t, k) != nil; left != tc.left {
				t.Errorf("the configuration is left: %v", left)
			}
		})
	}
}

func TestToWakeNeverWaits(t *testing.T) {
	c := make(chan event.GenericEvent, 1)
	for range 3 {
		wake(c)
	}
	if len(c) != 1 {
		t.Errorf("%d events wait", len(c))
	}
}
