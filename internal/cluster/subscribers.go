package cluster

import (
	"context"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/event"
)

// subscribers are the channels that get an event when the policies in force have changed.
type subscribers struct {
	mu       sync.Mutex
	channels map[chan event.GenericEvent]struct{}
}

// subscribe returns a channel that gets an event at once, and more until ctx is done.
func (s *subscribers) subscribe(ctx context.Context) <-chan event.GenericEvent {
	c := make(chan event.GenericEvent, 1)
	c <- event.GenericEvent{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.channels == nil {
		s.channels = make(map[chan event.GenericEvent]struct{})
	}
	s.channels[c] = struct{}{}
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.channels, c)
	})
	return c
}

// notify sends an event to each channel in which none is waiting. It never blocks.
func (s *subscribers) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.channels {
		select {
		case c <- event.GenericEvent{}:
		default: // its reader has yet to read the one before, and will find all changes
		}
	}
}
