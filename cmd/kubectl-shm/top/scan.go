package top

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/promql"
)

// scanner reads the volumes of all Pods, again and again.
type scanner struct {
	cluster   *live.Cluster
	reader    *inspect.Reader
	ephemeral inspect.Ephemeral
	at        int // how many commands run at once
	// source is asked instead of the containers, if it is not nil.
	source *promql.Source

	mu      sync.Mutex
	volumes map[key]*volume
	scans   int
}

// scan reads every volume once. What a Pod does not let be read is an error of its volumes; the scan
// itself fails if the Pods cannot be listed, or if the user has no right to execute commands at all.
func (s *scanner) scan(ctx context.Context, streams cli.Streams) error {
	if s.source != nil {
		return s.ask(ctx)
	}
	progress := live.NewProgress(streams, "Pods looked into")
	defer progress.Done()
	s.scans++
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(s.at)
	err := s.cluster.EachPod(ctx, func(pod *corev1.Pod) error {
		if pod.Status.Phase != corev1.PodRunning || inner.Err() != nil {
			return inner.Err()
		}
		g.Go(func() error {
			defer progress.Add(1)
			return s.read(inner, pod)
		})
		return nil
	})
	// What a worker says is why the list was given up.
	if failed := g.Wait(); failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	s.forget()
	return nil
}

// read reads the volumes of one Pod.
func (s *scanner) read(ctx context.Context, pod *corev1.Pod) error {
	readings := s.reader.Pod(ctx, pod, s.ephemeral)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range readings {
		r := &readings[i]
		if r.Err != nil && (ctx.Err() != nil || errors.Is(r.Err, context.Canceled)) {
			return ctx.Err()
		}
		k := key{string(pod.UID), r.Volume}
		v := s.volumes[k]
		if v == nil {
			v = &volume{namespace: pod.Namespace, pod: pod.Name, Mount: r.Mount}
			s.volumes[k] = v
		}
		v.seen, v.err, v.container, v.memoryLimit = s.scans, r.Err, r.Container, inspect.MemoryLimit(pod, r.Mount)
		if r.Usage != nil {
			v.add(sample{now, *r.Usage, r.Memory})
		}
	}
	return nil
}

// forget drops the volumes of Pods that are gone.
func (s *scanner) forget() {
	for k, v := range s.volumes {
		if v.seen != s.scans {
			delete(s.volumes, k)
		}
	}
}

// sorted returns the volumes, the most urgent first.
func (s *scanner) sorted() []*volume {
	out := make([]*volume, 0, len(s.volumes))
	for _, v := range s.volumes {
		out = append(out, v)
	}
	slices.SortFunc(out, byUrgency)
	return out
}
