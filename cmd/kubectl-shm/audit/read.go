package audit

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/policy"
)

// templates are the kinds that may be there without a Pod: scaled to zero, between two runs, or with
// Pods that are rejected.
var templates = []client.ObjectList{
	&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &appsv1.DaemonSetList{}, &batchv1.CronJobList{},
}

// read reads and evaluates what the options ask for.
func (o *options) read(ctx context.Context, s cli.Streams, c *live.Cluster) (*report, error) {
	a := &auditor{}
	g, within := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		a.policies, err = o.policies.Load(within, c, s.In)
		return err
	})
	g.Go(func() (err error) {
		a.namespaces, err = c.ReadNamespaces(within)
		return err
	})
	g.Go(func() (err error) {
		a.owners, err = c.ReadOwners(within)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var err error
	if a.library, err = library(a.policies); err != nil {
		return nil, err
	}
	a.workloads, a.templates = map[live.Workload]*workload{}, map[live.Workload]podTemplate{}
	if err := a.evaluate(ctx, s, c); err != nil {
		return nil, err
	}
	r := a.report()
	r.where, r.host = c.Where(), c.Host()
	r.notes = append(c.Notes(), r.notes...)
	return r, nil
}

// library returns the policies of the library, which Pods are held against that no policy matches.
func library(p *live.Policies) (audit.Library, error) {
	loaded, err := policyfile.Load(nil, nil)
	if err != nil {
		return audit.Library{}, err
	}
	compiled := make([]policy.Policy, len(loaded))
	for i, l := range loaded {
		compiled[i] = l.Compiled
	}
	return audit.NewLibrary(p.Mirrors, compiled...)
}

// evaluate reads the Pods and, at the same time, the templates.
func (a *auditor) evaluate(ctx context.Context, s cli.Streams, c *live.Cluster) error {
	progress := live.NewProgress(s, "Pods read")
	defer progress.Done()
	var mu sync.Mutex // of a.templates
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return c.EachPod(ctx, func(pod *corev1.Pod) error {
			a.pod(pod)
			progress.Add(1)
			return nil
		})
	})
	for _, list := range templates {
		g.Go(func() error {
			err := live.Each(ctx, c, list, func(object runtime.Object) error {
				t, ok := a.template(object, c.Selects)
				if !ok {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				a.templates[t.workload] = t
				return nil
			})
			return c.Optional("those without a Pod are not looked at, and replicas are counted as there are Pods", err)
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}
