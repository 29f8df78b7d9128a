package rollout

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/internal/limitrange"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// planner finds the workloads to restart.
type planner struct {
	cluster    *live.Cluster
	policies   *live.Policies
	namespaces live.Namespaces
	owners     *live.Owners
}

// candidate is a workload of whose Pods some lack what their policy gives.
type candidate struct {
	workload live.Workload
	pods     int // that policies match
	lacking  int
	policy   string
	detail   string // what one of them lacks
	// reason is why the workload is not restarted; empty if it can be.
	reason string
}

// plan returns the workloads, sorted by kind and name.
func (p *planner) plan(ctx context.Context, s cli.Streams) ([]candidate, error) {
	g, within := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		p.namespaces, err = p.cluster.ReadNamespaces(within)
		return err
	})
	g.Go(func() (err error) {
		p.owners, err = p.cluster.ReadOwners(within)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	progress := live.NewProgress(s, "Pods read")
	defer progress.Done()
	byName := map[live.Workload]*candidate{}
	err := p.cluster.EachPod(ctx, func(pod *corev1.Pod) error {
		progress.Add(1)
		p.look(pod, byName)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []candidate
	for _, w := range byName {
		if w.lacking == 0 {
			continue
		}
		if w.reason, err = p.obstacle(ctx, w); err != nil {
			return nil, err
		}
		out = append(out, *w)
	}
	slices.SortFunc(out, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.workload.Kind, b.workload.Kind), cmp.Compare(a.workload.Name, b.workload.Name))
	})
	return out, nil
}

// look adds what a Pod lacks to its workload.
func (p *planner) look(pod *corev1.Pod, byName map[live.Workload]*candidate) {
	if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	e := p.policies.Set.Evaluate(p.namespaces.Subject(pod))
	if e.Outcome == policy.NotMatched {
		return
	}
	name := p.owners.Of(pod)
	w := byName[name]
	if w == nil {
		w = &candidate{workload: name}
		byName[name] = w
	}
	w.pods++
	if lacks(&e) {
		w.lacking++
		w.policy, w.detail = e.Policy, e.Detail
	}
}

// lacks reports whether a Pod that is there would get something, if it was created again, or is
// without what it must have.
func lacks(e *policy.Evaluation) bool {
	return e.Outcome == policy.Mutated || e.Outcome == policy.Violating
}

// obstacle returns why a workload must not or cannot be restarted; empty if it can.
func (p *planner) obstacle(ctx context.Context, w *candidate) (string, error) {
	object := newObject(w.workload)
	if object == nil {
		return fmt.Sprintf("kubectl rollout restart does not restart a %s: create its Pods again by what makes them", cli.Plain(w.workload.Kind)), nil
	}
	if err := p.get(ctx, w.workload, object); err != nil {
		return "", err
	}
	if reason := p.notEnforced(w.workload.Namespace, object); reason != "" {
		return reason, nil
	}
	return busy(object), nil
}

// newObject returns an empty object of a kind that is restarted; nil for another.
func newObject(w live.Workload) client.Object {
	if w.APIVersion != appsv1.SchemeGroupVersion.String() {
		return nil
	}
	switch w.Kind {
	case "Deployment":
		return &appsv1.Deployment{}
	case "StatefulSet":
		return &appsv1.StatefulSet{}
	case "DaemonSet":
		return &appsv1.DaemonSet{}
	}
	return nil
}

func (p *planner) get(ctx context.Context, w live.Workload, object client.Object) error {
	err := p.cluster.Client.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: w.Name}, object)
	return p.cluster.Explain("read "+w.String(), err)
}

// notEnforced returns why a restart would change nothing, or would have the new Pods rejected.
func (p *planner) notEnforced(namespace string, object client.Object) string {
	s, _ := policy.NewSubject(object)
	p.namespaces.Complete(&s)
	s.ResourceQuotas = p.namespaces.ResourceQuotas(namespace) // new Pods are counted
	admitted, _ := limitrange.Apply(s)
	e := p.policies.Set.Evaluate(admitted)
	mode, opted := p.namespaces.Mode(namespace)
	switch {
	case e.Outcome == policy.NotMatched:
		return "no policy matches its template, so new Pods would get nothing: compare its labels with those of its Pods"
	case !opted:
		return fmt.Sprintf("namespace %q has not opted in, so new Pods would get nothing: label it %s=enforce", namespace, v1alpha1.LabelMode)
	case policy.EffectiveMode(mode, e.Mode) != v1alpha1.Enforce:
		whose, remedy := fmt.Sprintf("namespace %q", namespace), fmt.Sprintf("label it %s=enforce", v1alpha1.LabelMode)
		if mode == v1alpha1.Enforce {
			whose, remedy = fmt.Sprintf("policy %q", e.Policy), "set its mode to Enforce"
		}
		return fmt.Sprintf("%s is in mode %s, so new Pods would get nothing: %s", whose, strings.ToLower(string(policy.EffectiveMode(mode, e.Mode))), remedy)
	case e.Outcome == policy.Violating:
		return "its new Pods would be rejected: " + e.Detail
	}
	return ""
}

// busy returns why a workload cannot be restarted as it is now; empty if it can.
func busy(object client.Object) string {
	const byHand = "it replaces its Pods only when they are deleted (updateStrategy OnDelete): delete them one by one"
	switch o := object.(type) {
	case *appsv1.Deployment:
		if o.Spec.Paused {
			return "it is paused: kubectl rollout resume it first"
		}
	case *appsv1.StatefulSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
			return byHand
		}
		if r := o.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil && *r.Partition > 0 {
			return fmt.Sprintf("its update stops at partition %d: set spec.updateStrategy.rollingUpdate.partition to 0 first", *r.Partition)
		}
	case *appsv1.DaemonSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			return byHand
		}
	}
	if s := statusOf(object); s.inProgress {
		return "a rollout of it is in progress: wait until it is done"
	}
	return ""
}
