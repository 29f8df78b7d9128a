package cluster

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Leader says whether this replica is the one that writes.
type Leader interface {
	// Term lasts as long as this replica leads. Where it does not, it is done.
	Term() context.Context
	// OnChange has f called whenever a term of this replica begins or ends. f does not
	// block.
	OnChange(f func())
}

// alone leads, as there is nobody else.
type alone struct{}

// Term implements Leader.
func (alone) Term() context.Context { return context.Background() }

// OnChange implements Leader: nothing changes.
func (alone) OnChange(func()) {}

// whileLeading reconciles on the leader alone, and no longer than its term lasts. It
// has to be woken when a term begins, as it takes no note of what came before. It is for
// one goroutine.
type whileLeading struct {
	leader     Leader
	reconciler reconcile.Reconciler
	// begin is called before the first reconciliation of each term.
	begin func()
	// observe is called instead of a reconciliation where another replica leads, and
	// only reads; nil does nothing.
	observe func(context.Context) error

	begun context.Context // the term of which that was
}

// Reconcile writes nothing where another replica leads. What a term's end cuts short is
// the next leader's to do.
func (w *whileLeading) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	term := w.leader.Term()
	if term.Err() != nil {
		if w.observe == nil {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, w.observe(ctx)
	}
	if w.begun != term {
		w.begun = term
		w.begin()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(term, cancel)()
	result, err := w.reconciler.Reconcile(ctx, request)
	if term.Err() != nil {
		return reconcile.Result{}, nil
	}
	return result, err
}

// onChange is what a term that begins or ends does: no revision is taken as covered any
// more, and all who write look at everything again.
func onChange(covered *coverage, keepers []*keeper, statuses chan event.GenericEvent) func() {
	return func() {
		covered.forget()
		for _, k := range keepers {
			wake(k.changes)
		}
		wake(statuses)
	}
}

// wake has a controller look at everything again, if it has not been told to already.
func wake(c chan event.GenericEvent) {
	select {
	case c <- event.GenericEvent{}:
	default: // one is waiting, and will find all changes
	}
}
