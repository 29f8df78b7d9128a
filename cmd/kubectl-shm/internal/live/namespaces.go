package live

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Namespaces is what is known of the namespaces that a command looks at, by their names.
type Namespaces map[string]*Namespace

// Namespace is what evaluations need to know of one.
type Namespace struct {
	Labels         map[string]string
	LimitRanges    []*corev1.LimitRange
	ResourceQuotas []*corev1.ResourceQuota
}

// ReadNamespaces reads the labels, LimitRanges and ResourceQuotas of the namespaces. What the user may
// not read is left out, and Notes says so: a user's rights often end at their namespace. It fails if
// the one namespace to look at does not exist.
func (c *Cluster) ReadNamespaces(ctx context.Context) (Namespaces, error) {
	var labels map[string]map[string]string
	var limits []*corev1.LimitRange
	var quotas []*corev1.ResourceQuota
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		labels, err = c.readLabels(ctx)
		return err
	})
	g.Go(func() error {
		return c.Optional("what their LimitRanges give Pods is not known", Each(ctx, c, &corev1.LimitRangeList{}, func(l *corev1.LimitRange) error {
			limits = append(limits, l)
			return nil
		}))
	})
	g.Go(func() error {
		return c.Optional("whether a quota leaves room is not known", Each(ctx, c, &corev1.ResourceQuotaList{}, func(q *corev1.ResourceQuota) error {
			quotas = append(quotas, q)
			return nil
		}))
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := Namespaces{}
	for name, l := range labels {
		out.at(name).Labels = l
	}
	for _, l := range limits {
		n := out.at(l.Namespace)
		n.LimitRanges = append(n.LimitRanges, l)
	}
	for _, q := range quotas {
		n := out.at(q.Namespace)
		n.ResourceQuotas = append(n.ResourceQuotas, q)
	}
	return out, nil
}

// readLabels returns the labels of the namespaces.
func (c *Cluster) readLabels(ctx context.Context) (map[string]map[string]string, error) {
	const unknown = "their labels, and so their modes, are not known"
	out := map[string]map[string]string{}
	if c.Namespace == "" {
		err := Each(ctx, c, &corev1.NamespaceList{}, func(n *corev1.Namespace) error {
			out[n.Name] = n.Labels
			return nil
		})
		return out, c.Optional(unknown, err)
	}
	n, err := c.readNamespace(ctx)
	if apierrors.IsNotFound(err) {
		return nil, c.noNamespace()
	}
	out[n.Name] = n.Labels
	return out, c.Optional(unknown, c.explain("read "+c.Where(), err))
}

// CheckNamespace returns an error if the one namespace to look at is known not to exist. Without the right to get it nothing is
// known.
func (c *Cluster) CheckNamespace(ctx context.Context) error {
	if c.Namespace == "" {
		return nil
	}
	if _, err := c.readNamespace(ctx); apierrors.IsNotFound(err) {
		return c.noNamespace()
	}
	return nil
}

// readNamespace reads the one namespace to look at.
func (c *Cluster) readNamespace(ctx context.Context) (n corev1.Namespace, err error) {
	err = c.Client.Get(ctx, client.ObjectKey{Name: c.Namespace}, &n)
	return n, err
}

func (c *Cluster) noNamespace() error {
	return fmt.Errorf("-n: there is no namespace %q: kubectl get namespaces lists what there is", c.Namespace)
}

// Optional makes a note of an error that a command can do without, with what is then not known.
func (c *Cluster) Optional(effect string, err error) error {
	if err == nil || !missing(err) {
		return err
	}
	c.note("%v; until then %s", err, effect)
	return nil
}

// at returns a namespace, and makes one that is not known.
func (n Namespaces) at(name string) *Namespace {
	if n[name] == nil {
		n[name] = &Namespace{}
	}
	return n[name]
}

// Subject returns a Pod that is there as evaluations take it. The quotas are left out: they have
// counted it. It shares memory with the Pod.
func (n Namespaces) Subject(pod *corev1.Pod) policy.Subject {
	s, _ := policy.NewSubject(pod) // a Pod is one
	n.Complete(&s)
	return s
}

// Complete adds what the namespace gives a subject, but for its quotas.
func (n Namespaces) Complete(s *policy.Subject) {
	if known := n[s.Namespace]; known != nil {
		s.NamespaceLabels, s.LimitRanges = known.Labels, known.LimitRanges
	}
}

// NamespaceLabels returns the labels of a namespace; ok is false for one that is not known. With
// LimitRanges and ResourceQuotas it makes Namespaces what package audit reads.
func (n Namespaces) NamespaceLabels(name string) (labels map[string]string, ok bool) {
	known := n[name]
	if known == nil {
		return nil, false
	}
	return known.Labels, true
}

// LimitRanges returns those of a namespace, as far as they are known.
func (n Namespaces) LimitRanges(name string) []*corev1.LimitRange {
	if known := n[name]; known != nil {
		return known.LimitRanges
	}
	return nil
}

// ResourceQuotas returns those of a namespace, as far as they are known: a subject has them if it is to
// be created.
func (n Namespaces) ResourceQuotas(name string) []*corev1.ResourceQuota {
	if known := n[name]; known != nil {
		return known.ResourceQuotas
	}
	return nil
}

// Mode returns the mode of a namespace; ok is false for one that has not opted in, in which nothing
// is changed or rejected. A label that is not a mode counts as audit.
func (n Namespaces) Mode(name string) (mode v1alpha1.Mode, ok bool) {
	known := n[name]
	if known == nil {
		return "", false
	}
	label, ok := known.Labels[v1alpha1.LabelMode]
	if !ok {
		return "", false
	}
	mode, _ = policy.ParseMode(label) // Audit with an error
	return mode, true
}
