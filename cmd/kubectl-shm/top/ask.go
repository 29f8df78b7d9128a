package top

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/promql"
)

// errNotScraped means that Prometheus knows nothing of a volume.
var errNotScraped = errors.New("there is no series of it in Prometheus: the rules of manifests/monitoring know the runtime's own /dev/shm, and volumes with shm in their name")

// ask fills in what Prometheus knows of the volumes of the Pods that run. No container is looked into.
func (s *scanner) ask(ctx context.Context) error {
	s.scans++
	known, err := s.source.Volumes(ctx, s.cluster.Namespace)
	if err != nil {
		return err
	}
	byKey := make(map[promql.Key]*promql.Volume, len(known))
	for i := range known {
		byKey[known[i].Key] = &known[i]
	}
	now := time.Now()
	err = s.cluster.EachPod(ctx, func(pod *corev1.Pod) error {
		if pod.Status.Phase != corev1.PodRunning {
			return nil
		}
		for _, m := range inspect.Mounts(pod) {
			v := &volume{namespace: pod.Namespace, pod: pod.Name, Mount: m, memoryLimit: inspect.MemoryLimit(pod, m), seen: s.scans, err: errNotScraped}
			if p := byKey[promql.Key{Namespace: pod.Namespace, Pod: pod.Name, Volume: m.Volume}]; p != nil {
				v.err, v.rate = nil, &p.Growth
				v.add(sample{at: now, usage: inspect.Usage{Size: p.Size, Used: p.Used, Inodes: p.Files}})
			}
			s.volumes[key{string(pod.UID), m.Volume}] = v
		}
		return nil
	})
	if err == nil {
		s.forget()
	}
	return err
}
