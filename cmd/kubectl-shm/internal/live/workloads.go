package live

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

// Workload names what people deploy and restart: the topmost controller of a Pod, or the Pod itself.
type Workload struct {
	APIVersion, Kind, Namespace, Name string
}

// String returns the workload for people, without its namespace: Deployment/web.
func (w Workload) String() string { return w.Kind + "/" + cli.Plain(w.Name) }

// Ref returns the workload as commands of kubectl take it: deployment/web.
func (w Workload) Ref() string { return strings.ToLower(w.Kind) + "/" + w.Name }

// Owners knows which workloads Pods belong to.
type Owners struct {
	// above has the controllers of ReplicaSets and Jobs, which are controllers themselves.
	above map[types.UID]Workload
}

// ReadOwners reads the metadata of the ReplicaSets and Jobs of the namespaces, and keeps whose they are.
// What the user may not read is left out, and Notes says so: Pods then belong to what made them.
func (c *Cluster) ReadOwners(ctx context.Context) (*Owners, error) {
	o := &Owners{above: map[types.UID]Workload{}}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for _, kind := range []schema.GroupVersionKind{
		appsv1.SchemeGroupVersion.WithKind("ReplicaSetList"), batchv1.SchemeGroupVersion.WithKind("JobList"),
	} {
		g.Go(func() error {
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(kind)
			return c.Optional("Pods are listed under these and not under what made them", Each(ctx, c, list, func(m *metav1.PartialObjectMetadata) error {
				if owner, ok := controllerOf(m); ok {
					mu.Lock()
					defer mu.Unlock()
					o.above[m.UID] = owner
				}
				return nil
			}))
		})
	}
	return o, g.Wait()
}

// Of returns the workload of a Pod.
func (o *Owners) Of(pod *corev1.Pod) Workload {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil {
		return Workload{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
	}
	if above, found := o.above[ref.UID]; found {
		return above
	}
	owner, _ := controllerOf(pod)
	return owner
}

// controllerOf returns what controls an object; ok is false if nothing does.
func controllerOf(o metav1.Object) (w Workload, ok bool) {
	ref := metav1.GetControllerOfNoCopy(o)
	if ref == nil {
		return Workload{}, false
	}
	return Workload{APIVersion: ref.APIVersion, Kind: ref.Kind, Namespace: o.GetNamespace(), Name: ref.Name}, true
}
