package certmanager

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// stream creates Pods one after the other. Each has to be admitted with its volume. Since the API
// server verifies a certificate only when it connects, it has to connect again for each.
type stream struct {
	created atomic.Int64
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	replicas []*install.Replica
}

// stream begins one, which the installation's replica answers.
func (i *installation) stream(t *testing.T) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &stream{cancel: cancel, replicas: []*install.Replica{i.replica}}
	s.running.Go(func() {
		for ; ctx.Err() == nil; s.created.Add(1) {
			install.ServeReplicas(i.cp) // cuts the connections
			install.ServeReplicas(i.cp, s.answering()...)
			pod := webPod(shop, "")
			pod.GenerateName = "web-"
			if err := i.admit(t.Context(), pod); err != nil {
				t.Errorf("Pod %d of the stream: %v", s.created.Load(), err)
			}
		}
	})
	return s
}

// serve says who answers from the next Pod on.
func (s *stream) serve(replicas ...*install.Replica) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas = replicas
}

// answering returns the replicas, each time with another one first.
func (s *stream) answering() []*install.Replica {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas = append(slices.Clone(s.replicas[1:]), s.replicas[0])
	return s.replicas
}

// more returns when as many Pods have been asked for since the call as make a failure likely to be seen.
func (s *stream) more(t *testing.T) {
	t.Helper()
	before := s.created.Load()
	eventually(t, func() error {
		if n := s.created.Load() - before; n < 6 {
			return fmt.Errorf("only %d Pods were created", n)
		}
		return nil
	})
}

func (s *stream) stop() {
	s.cancel()
	s.running.Wait()
}
