package live

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // what a kubeconfig may name
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/version"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Cluster is a cluster to ask, and what to look at in it. Its methods may be called concurrently.
type Cluster struct {
	// Config is how to connect.
	Config *rest.Config
	// Client reads and writes objects of any kind that client-go and this project have types for.
	Client client.Client
	// Namespace is the one to look at; empty for all.
	Namespace string

	selector labels.Selector // of Pods

	mu    sync.Mutex
	notes []string
}

// pageSize is how many objects are asked for at a time. What is in memory at once is three pages: one
// that is looked at, one that waits, and one that is read.
const pageSize = 500

func newCluster(config *rest.Config, namespace string, selector labels.Selector, errOut io.Writer) (*Cluster, error) {
	klog.SetLogger(logr.Discard()) // client-go logs what its errors say again
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register the types: %w", err)
		}
	}
	config = rest.CopyConfig(config)
	config.UserAgent = "kubectl-shm/" + version.Text()
	config.QPS = -1 // the server bounds what it takes, and a verb asks a few things at a time
	config.WarningHandler = rest.NewWarningWriter(errOut, rest.WarningWriterOptions{Deduplicate: true})
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("use the kubeconfig: %w: kubectl config view shows what is in it", err)
	}
	return &Cluster{Config: config, Client: c, Namespace: namespace, selector: selector}, nil
}

// Notes returns what could not be read and was done without, each once.
func (c *Cluster) Notes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.notes)
}

// note adds a note.
func (c *Cluster) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.notes, text) {
		c.notes = append(c.notes, text)
	}
}

// Where says in words what is looked at.
func (c *Cluster) Where() string {
	if c.Namespace == "" {
		return "all namespaces"
	}
	return fmt.Sprintf("namespace %q", c.Namespace)
}

// Host returns the address of the API server; empty if it is not known.
func (c *Cluster) Host() string {
	if c.Config == nil {
		return ""
	}
	return c.Config.Host
}

// EachPod calls a function with each Pod of the namespaces, in the order of namespace and name.
// Pods are read in pages, so that any number of them needs little memory: do not keep one, nor what
// it points to.
func (c *Cluster) EachPod(ctx context.Context, do func(*corev1.Pod) error) error {
	return each(ctx, c, &corev1.PodList{}, c.selector, do)
}

// Each calls a function with each object of a kind in the namespaces; list is an empty list of the
// kind. It reads pages, as EachPod does.
func Each[T runtime.Object](ctx context.Context, c *Cluster, list client.ObjectList, do func(T) error) error {
	return each(ctx, c, list, labels.Everything(), do)
}

func each[T runtime.Object](ctx context.Context, c *Cluster, list client.ObjectList, selector labels.Selector, do func(T) error) error {
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		page, ok := list.DeepCopyObject().(client.ObjectList)
		if !ok {
			return nil, fmt.Errorf("a copy of a %T is none", list)
		}
		err := c.Client.List(ctx, page, &client.ListOptions{
			Namespace: c.Namespace, LabelSelector: selector, Limit: o.Limit, Continue: o.Continue,
		})
		return page, err
	})
	pages.PageSize, pages.PageBufferSize = pageSize, 1
	err := pages.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
		item, ok := o.(T)
		if !ok {
			return fmt.Errorf("a list of %T has a %T", list, o)
		}
		return do(item)
	})
	return c.explain("read "+kindOf(list)+" in "+c.Where(), err)
}

// Selects reports whether a Pod with these labels is looked at.
func (c *Cluster) Selects(podLabels map[string]string) bool {
	return c.selector.Matches(labels.Set(podLabels))
}
