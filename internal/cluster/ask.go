package cluster

import (
	"context"
	"errors"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// askAgain is the least time between two requests to an API server that does not answer; the most is twice as long.
const askAgain = time.Second

// NewInformer makes the informers of a cache that has it as its option NewInformer: they list and watch
// again within two seconds of the API server's return. Those of client-go wait longer after each attempt, up to a minute,
// and for as long a replica would not know that a policy has changed.
func NewInformer(
	from toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers,
) toolscache.SharedIndexInformer {
	source := toolscache.ToListerWatcherWithContext(from)
	return toolscache.NewSharedIndexInformer(&toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return asked(ctx, func() (runtime.Object, error) { return source.ListWithContext(ctx, o) })
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return asked(ctx, func() (watch.Interface, error) { return source.WatchWithContext(ctx, o) })
		},
	}, object, resync, indexers)
}

// asked asks until the API server answers, or ctx is done.
func asked[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for {
		answer, err := ask()
		if err == nil || answered(err) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, err
		case <-time.After(wait.Jitter(askAgain, 1)):
		}
	}
}

// answered reports whether an error is what an API server that works has to say, such as "forbidden" or "too many requests".
// To ask the same again at once is no use then.
func answered(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code < http.StatusInternalServerError
}
