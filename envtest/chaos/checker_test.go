//go:build chaos && linux

package chaos

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// checker judges every Pod of the stream that the API server has stored, and deletes it then.
type checker struct {
	kube   kubernetes.Interface
	stream *stream
	ledger *ledger
	cache  cache.Cache

	mu         sync.Mutex
	judged     map[string]bool // by the name of the Pod
	violations []string
}

// newChecker watches the Pods, and the policies for the ledger, until ctx is done.
func newChecker(ctx context.Context, config *rest.Config, scheme *runtime.Scheme, s *stream, l *ledger) (*checker, error) {
	c := &checker{kube: s.kube, stream: s, ledger: l, judged: map[string]bool{}}
	var err error
	c.cache, err = cache.New(config, cache.Options{Scheme: scheme, ByObject: map[client.Object]cache.ByObject{
		&corev1.Pod{}: {Label: labels.SelectorFromSet(labels.Set{streamLabel: "stream"})},
	}})
	if err != nil {
		return nil, err
	}
	go func() { _ = c.cache.Start(ctx) }() // ends with ctx
	pods, err := c.cache.GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return nil, err
	}
	if _, err := pods.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: func(object any) {
		if pod, ok := object.(*corev1.Pod); ok {
			c.judge(pod)
		}
	}}); err != nil {
		return nil, err
	}
	policies, err := c.cache.GetInformer(ctx, &v1alpha1.SharedMemoryPolicy{})
	if err != nil {
		return nil, err
	}
	seen := func(object any) {
		if p, ok := object.(*v1alpha1.SharedMemoryPolicy); ok {
			l.seen(p, time.Now())
		}
	}
	if _, err := policies.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: seen, UpdateFunc: func(_, object any) { seen(object) },
	}); err != nil {
		return nil, err
	}
	go c.clean(ctx)
	return c, nil
}

// judge judges a stored Pod.
func (c *checker) judge(pod *corev1.Pod) {
	fault := c.fault(pod, time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judged[pod.Name] = true
	if fault != "" {
		c.violations = append(c.violations, pod.Name+": "+fault)
	}
}

// fault says what is wrong with a stored Pod; "" if nothing is.
func (c *checker) fault(pod *corev1.Pod, now time.Time) string {
	created, found := c.stream.find(pod)
	if !found {
		return "nobody has created it"
	}
	if !created.kind.guarded() {
		wrote := created.kind.pod(pod.Name)
		if len(pod.Spec.Volumes) != len(wrote.Spec.Volumes) || pod.Spec.Containers[0].Resources.Limits.Memory().Cmp(*wrote.Spec.Containers[0].Resources.Limits.Memory()) != 0 {
			return "it was changed, and must not be"
		}
		return ""
	}
	until := now
	if !created.end.IsZero() {
		until = created.end
	}
	anyOf := c.ledger.during(created.kind.policy, created.begin, until)
	var lacks []string
	for _, n := range anyOf {
		missing := n.missing(pod)
		if len(missing) == 0 {
			return ""
		}
		lacks = append(lacks, strings.Join(missing, ", "))
	}
	if len(lacks) == 0 {
		return ""
	}
	return fmt.Sprintf("it is stored, was begun at %s, and violates policy %q, which was in force: it lacks %s",
		created.begin.Format(time.RFC3339Nano), created.kind.policy, strings.Join(lacks, ", or "))
}

// clean deletes the Pods that were judged.
func (c *checker) clean(ctx context.Context) {
	for ctx.Err() == nil {
		var pods corev1.PodList
		if err := c.cache.List(ctx, &pods); err != nil {
			continue // only while it starts
		}
		var deletions sync.WaitGroup
		for i := range pods.Items {
			pod := &pods.Items[i]
			if c.isJudged(pod.Name) {
				// What fails is tried again in the next round.
				deletions.Go(func() { _ = c.kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{}) })
			}
		}
		deletions.Wait()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second): // the rate of cleaning
		}
	}
}

func (c *checker) isJudged(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.judged[name]
}

// take returns the violations so far, and forgets them.
func (c *checker) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.violations
	c.violations = nil
	return out
}

// unseen returns an error while a Pod that was created has not been judged.
func (c *checker) unseen(creations []creation) error {
	for i := range creations {
		if creations[i].outcome == admitted && !c.isJudged(creations[i].name) {
			return fmt.Errorf("Pod %q was created, and the API server has not shown it", creations[i].name)
		}
	}
	return nil
}
