package main

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/workqueue"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Growth is what calls cost at one value of something that grows: a process's own milliseconds of
// processor time for one call.
type Growth struct {
	Value            int
	Bytes            int // of the mutating review
	Mutate, Validate float64
	Floor            float64 // of a mutating call; 0: the floor does not depend on it
	MiB              float64 // resident, after the calls
}

// Growths are all that was measured.
type Growths struct{ Size, Containers, Policies, Namespaces []Growth }

// What grows, and to which values.
var (
	grownSizes      = []int{2_000, 8_000, 15_000, 30_000, 60_000, 120_000}
	grownContainers = []int{1, 2, 4, 8, 16, 32, 64}
	grownPolicies   = []int{100, 500, 1_000}
	grownNamespaces = []int{1_000, 3_000, 10_000}
)

// grower measures single calls.
type grower struct {
	*cluster
	targets
	dynamic  dynamic.Interface
	length   time.Duration // of the calls for one figure
	progress io.Writer
}

// measureGrowth measures Pods that grow, and then a cluster that grows, which is not undone.
func (g *grower) measureGrowth(ctx context.Context) (out Growths, err error) {
	for _, bytes := range grownSizes {
		if err := g.add(ctx, &out.Size, bytes, matchedPod(bytes), true); err != nil {
			return out, err
		}
	}
	for _, n := range grownContainers {
		if err := g.add(ctx, &out.Containers, n, podWithContainers(n), true); err != nil {
			return out, err
		}
	}
	for _, kind := range []struct {
		resource schema.GroupVersionResource
		totals   []int
		to       *[]Growth
		fill     func(ctx context.Context, there, total int) error
	}{
		{policyResource, grownPolicies, &out.Policies, g.addPolicies},
		{corev1.SchemeGroupVersion.WithResource("namespaces"), grownNamespaces, &out.Namespaces, g.addNamespaces},
	} {
		objects, err := g.list(ctx, kind.resource)
		if err != nil {
			return out, err
		}
		there := len(objects)
		for _, total := range append([]int{there}, kind.totals...) {
			if err := kind.fill(ctx, there, total); err != nil {
				return out, err
			}
			if err := g.add(ctx, kind.to, total, matchedPod(sizes[small]), false); err != nil {
				return out, err
			}
			there = total
		}
	}
	return out, nil
}

// add measures the calls about one Pod.
func (g *grower) add(ctx context.Context, to *[]Growth, value int, pod *corev1.Pod, withFloor bool) error {
	r, err := g.record(ctx, pod)
	if err != nil {
		return err
	}
	row := Growth{Value: value, Bytes: len(r.mutate)}
	if row.Mutate, err = g.perCall(ctx, g.targets.mutate, r.mutate); err != nil {
		return err
	}
	if row.Validate, err = g.perCall(ctx, g.targets.validate, r.validate); err != nil {
		return err
	}
	if withFloor {
		if row.Floor, err = g.perCall(ctx, g.targets.floor, r.mutate); err != nil {
			return err
		}
	}
	if row.MiB, err = residentMiB(g.pids[ours]); err != nil {
		return err
	}
	fmt.Fprintf(g.progress, "bench: growth: %+v\n", row)
	*to = append(*to, row)
	return nil
}

// perCall returns the processor time of a server for one call, in milliseconds, with two callers.
func (g *grower) perCall(ctx context.Context, t target, review []byte) (float64, error) {
	client := t.client(2)
	defer client.CloseIdleConnections()
	call := func() error {
		_, err := ask(ctx, client, t.url, review)
		return err
	}
	if _, err := closedLoop(ctx, 2, g.length/10, call); err != nil { // connections, and warmth
		return 0, err
	}
	before, err := cpuTime(g.pids[t.name])
	if err != nil {
		return 0, err
	}
	latencies, err := closedLoop(ctx, 2, g.length, call)
	if err != nil {
		return 0, err
	}
	after, err := cpuTime(g.pids[t.name])
	return milliseconds(after-before) / float64(len(latencies)), err
}

var policyResource = schema.GroupVersionResource{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Resource: "sharedmemorypolicies"}

// list returns all objects of a kind.
func (g *grower) list(ctx context.Context, of schema.GroupVersionResource) ([]unstructured.Unstructured, error) {
	found, err := g.dynamic.Resource(of).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return found.Items, nil
}

// addPolicies creates policies for other Pods, by label and by image in turns, until there are a
// number, and waits until all are in force.
func (g *grower) addPolicies(ctx context.Context, there, total int) error {
	if err := inParallel(ctx, total-there, func(i int) error {
		app := fmt.Sprintf("app-%05d", there+i)
		match := v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
		if i%2 == 0 {
			match = v1alpha1.Match{Images: []string{"ghcr.io/example/" + app}}
		}
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.SharedMemoryPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "SharedMemoryPolicy"},
			ObjectMeta: metav1.ObjectMeta{Name: app},
			Spec: v1alpha1.SharedMemoryPolicySpec{
				Match:  []v1alpha1.Match{match},
				Sizing: &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: resource.MustParse("1Gi")}},
			},
		})
		if err != nil {
			return err
		}
		_, err = g.dynamic.Resource(policyResource).Create(ctx, &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
		return err
	}); err != nil {
		return err
	}
	return eventually(ctx, func(ctx context.Context) error {
		objects, err := g.list(ctx, policyResource)
		if err != nil {
			return err
		}
		for _, o := range objects {
			conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
			if err != nil || len(conditions) == 0 {
				return fmt.Errorf("policy %q is not in force yet: %w", o.GetName(), err)
			}
		}
		return nil
	})
}

// addNamespaces creates namespaces in mode enforce until there are a number.
func (g *grower) addNamespaces(ctx context.Context, there, total int) error {
	return inParallel(ctx, total-there, func(i int) error {
		return g.namespace(ctx, fmt.Sprintf("tenant-%05d", there+i), "enforce")
	})
}

// inParallel calls for each number below n, and returns the first error.
func inParallel(ctx context.Context, n int, call func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workqueue.ParallelizeUntil(ctx, 16, n, func(i int) {
		if err := call(i); err != nil {
			cancel(err)
		}
	})
	return context.Cause(ctx)
}
