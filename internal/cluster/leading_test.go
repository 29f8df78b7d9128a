package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

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
	leader.term = t.Context()
	step("a leader in its second term", 2, 4, again, failure)
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
