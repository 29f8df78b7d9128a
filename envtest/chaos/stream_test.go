//go:build chaos && linux

package chaos

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// A creation of each kind begins this often, whether the ones before are answered or not.
const (
	guardedEvery = 150 * time.Millisecond
	otherEvery   = 500 * time.Millisecond
)

// answerWithin bounds a creation: an API server waits 2 s for a webhook that fails open and 5 s
// for one that fails closed, and there may be two of the former.
const answerWithin = 20 * time.Second

// stream creates Pods of all kinds, all the time.
type stream struct {
	kube  kubernetes.Interface
	count atomic.Int64

	mu        sync.Mutex
	creations map[string]*creation

	stop    context.CancelFunc
	tickers sync.WaitGroup
}

func newStream(kube kubernetes.Interface) *stream {
	return &stream{kube: kube, creations: map[string]*creation{}}
}

// resume begins to create Pods.
func (s *stream) resume() {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	for _, k := range kinds {
		every := otherEvery
		if k.guarded() && !k.disk {
			every = guardedEvery
		}
		s.tickers.Go(func() { s.repeat(ctx, k, every) })
	}
}

// pause returns when all creations that have begun are answered.
func (s *stream) pause() {
	s.stop()
	s.tickers.Wait()
}

func (s *stream) repeat(ctx context.Context, k kind, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			open.Go(func() { s.create(k) })
		}
	}
}

// burst creates Pods of a kind at once, beside the others, and returns when all are answered.
func (s *stream) burst(k kind, n int) {
	var open sync.WaitGroup
	for range n {
		open.Go(func() { s.create(k) })
	}
	open.Wait()
}

// create creates one Pod and notes the outcome.
func (s *stream) create(k kind) *creation {
	c := &creation{kind: k, name: fmt.Sprintf("%s-%d", k.name, s.count.Add(1)), begin: time.Now()}
	s.mu.Lock()
	s.creations[c.name] = c // before it can be stored
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	_, err := s.kube.CoreV1().Pods(k.namespace()).Create(ctx, k.pod(c.name), metav1.CreateOptions{})
	s.mu.Lock()
	defer s.mu.Unlock()
	c.end, c.outcome = time.Now(), outcomeOf(err)
	if err != nil {
		c.message = err.Error()
	}
	return c
}

// since returns the answered creations that have begun since a time.
func (s *stream) since(begin time.Time) (out []creation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.creations {
		if !c.end.IsZero() && !c.begin.Before(begin) {
			out = append(out, *c)
		}
	}
	return out
}

// forget drops the creations that have begun before a time.
func (s *stream) forget(begin time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.creations, func(_ string, c *creation) bool { return c.begin.Before(begin) })
}

// find returns a creation by the name of its Pod.
func (s *stream) find(pod *corev1.Pod) (creation, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, found := s.creations[pod.Name]
	if !found {
		return creation{}, false
	}
	return *c, true
}
