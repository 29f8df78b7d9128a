// Package scan audits the Pods that run, in the background: it lists them page by page, keeps none
// of them, and writes what package audit says about them into the status of the policies, into
// reports, events and metrics. It is for the replica that leads.
//
// # Permissions
//
//	""               pods                                      list
//	""               configmaps named shmkeeper-audit          list, watch, create, patch, in the server's namespace
//	""               namespaces, the server's own              get
//	shmkeeper.dev    sharedmemorypolicies                      list, watch
//	shmkeeper.dev    sharedmemorypolicies/status               patch
//	openreports.io   reports named shmkeeper                   list, create, patch, delete (only where the API is installed)
//	wgpolicyk8s.io   policyreports named shmkeeper             the same
//
// Events are written by package workloadevents, with rights of its own.
package scan

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/internal/policystatus"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// View is what is known of the cluster, from memory. A cluster.View is one.
type View interface {
	audit.View
	// Policies are the policies in force.
	Policies() policy.Set
	// PolicyChanges returns a channel that gets an event at once and whenever the policies in
	// force have changed, until ctx is done.
	PolicyChanges(ctx context.Context) <-chan event.GenericEvent
	// Namespaces are the names of all namespaces.
	Namespaces() []string
	// Synced reports whether all that the cluster had at the start is known.
	Synced() bool
}

// Options say what is scanned, and how often. All are required but Unlabelled.
type Options struct {
	// Config is how the API server is asked. The scan has a client of its own, so that it
	// takes nothing from the pace of the others.
	Config *rest.Config
	View   View
	// Library has the policies that are suggested.
	Library audit.Library
	// Namespace is the server's own, which is not scanned; nor is kube-system.
	Namespace string
	// Interval is the time from the end of a scan to the beginning of the next.
	Interval time.Duration
	// Unlabelled has namespaces scanned too that do not have the label of a mode.
	Unlabelled bool
	Events     Events
	Metrics    *Metrics
}

const (
	// requestsPerSecond bounds the pace of a scan.
	requestsPerSecond, burst = 100, 100
	// settle is how long a change of policies waits for others before a scan.
	settle = time.Second
	// retry is how soon a scan that failed is tried again, if the interval is not shorter.
	retry = 30 * time.Second
	// mostErrors bounds the reports whose errors are logged.
	mostErrors = 4
	// syncPoll is how often the view is asked whether it is complete.
	syncPoll = 100 * time.Millisecond
)

// Setup adds to a manager what scans while the manager leads. The manager's cache must have the
// policies.
func Setup(mgr manager.Manager, o Options) error {
	config := rest.CopyConfig(o.Config)
	config.QPS, config.Burst = requestsPerSecond, burst
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make the client of the audit: %w", err)
	}
	return mgr.Add(&scanner{
		Options: o, kube: kube, policies: mgr.GetClient(), log: mgr.GetLogger().WithName("audit"),
		written: map[string][sha256.Size]byte{}, now: time.Now,
	})
}

// scanner scans in one term of a leader.
type scanner struct {
	Options
	kube     kubernetes.Interface
	policies client.Client
	log      logr.Logger
	// written is what reports were written, by namespace.
	written map[string][sha256.Size]byte
	owner   *metav1.OwnerReference // nil until it is known
	now     func() time.Time
}

// Start scans at once, when policies change, and at the interval, until ctx is done.
func (s *scanner) Start(ctx context.Context) error {
	defer s.Metrics.reset()
	changes := s.View.PolicyChanges(ctx)
	for !s.View.Synced() {
		if !sleep(ctx, syncPoll) {
			return nil
		}
	}
	for {
		select {
		case <-changes: // of what this scan is the first to see
		default:
		}
		wait, begun := s.Interval, s.now()
		if err := s.scan(ctx); err != nil && ctx.Err() == nil {
			s.Metrics.failures.Inc()
			wait = min(wait, retry)
			s.log.Error(err, "the audit is not complete; trying again", "in", wait.String())
		}
		took := s.now().Sub(begun)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
			// Policies that keep changing must not keep a core busy.
			if !sleep(ctx, max(settle, min(took, s.Interval))) {
				return nil
			}
		case <-timer.C:
		}
		timer.Stop()
	}
}

// sleep reports whether ctx was not done before the time was over.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// scan looks at all Pods once. An error says what could not be read or written: then the status of
// the policies stays as it is where it would count too few.
func (s *scanner) scan(ctx context.Context) error {
	begun := s.now()
	policies := s.View.Policies()
	reports, err := openReports(ctx, s.kube, s.written, s.ownerReference(ctx))
	if err != nil {
		return err
	}
	t, scanned, events := newTally(), map[string]bool{}, mostEvents
	var errs []error
	for _, name := range s.View.Namespaces() {
		if !s.covers(name) {
			continue
		}
		scanned[name] = true
		n, err := s.scanNamespace(ctx, policies, name)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			t.failed[name] = err
			continue
		}
		t.addNamespace(n)
		if err := reports.write(ctx, n); err != nil && !apierrors.IsNotFound(err) && !isTerminating(err) && len(errs) < mostErrors {
			errs = append(errs, err)
		}
		if n.labelled {
			events = s.recordEvents(n, events)
		}
	}
	if len(t.failed) > 0 {
		return errors.Join(append(errs, summarize(t.failed))...)
	}
	errs = append(errs, reports.deleteOthers(ctx, scanned), s.writeStatus(ctx, t, begun), s.writeBlocked(ctx, t, begun))
	s.Metrics.set(t, begun, s.now().Sub(begun))
	s.log.V(1).Info("Scanned the running Pods", "namespaces", len(scanned), "pods", t.pods, "took", s.now().Sub(begun).String())
	return errors.Join(errs...)
}

// isTerminating reports whether a write failed since its namespace is being deleted.
func isTerminating(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// summarize names a few of the namespaces that could not be scanned.
func summarize(failed map[string]error) error {
	names := make([]string, 0, len(failed))
	for name := range failed {
		names = append(names, name)
	}
	slices.Sort(names)
	return fmt.Errorf("the Pods of %d namespaces could not be listed, such as those of %q: %w", len(names), names[0], failed[names[0]])
}

// covers reports whether a namespace is scanned.
func (s *scanner) covers(name string) bool {
	if name == metav1.NamespaceSystem || name == s.Namespace {
		return false
	}
	if s.Unlabelled {
		return true
	}
	labels, known := s.View.NamespaceLabels(name)
	_, labelled := labels[v1alpha1.LabelMode]
	return known && labelled
}

// scanNamespace looks at the Pods of a namespace.
func (s *scanner) scanNamespace(ctx context.Context, policies policy.Set, name string) (*namespaceTally, error) {
	labels, _ := s.View.NamespaceLabels(name)
	_, labelled := labels[v1alpha1.LabelMode]
	var n *namespaceTally
	var err error
	for range 3 { // a list of many pages can expire before its end
		n = newNamespaceTally(name, labelled)
		if err = eachPod(ctx, s.kube, name, func(pod *audit.Pod) { s.look(policies, n, pod) }); !expired(err) {
			break
		}
	}
	return n, err
}

// look adds the findings about a Pod.
func (s *scanner) look(policies policy.Set, n *namespaceTally, pod *audit.Pod) {
	if pod.Over() {
		return
	}
	n.pods++
	f := audit.Evaluate(policies, s.View, pod)
	if f.Outcome != policy.NotMatched {
		n.add(&f, pod)
		return
	}
	if name, writes := s.Library.Suggest(s.View, pod); writes {
		n.addWriter(name, pod)
	}
}

// writeStatus writes the counts of each policy.
func (s *scanner) writeStatus(ctx context.Context, t *tally, begun time.Time) error {
	var list v1alpha1.SharedMemoryPolicyList
	if err := s.policies.List(ctx, &list); err != nil {
		return fmt.Errorf("list the policies: %w", err)
	}
	var errs []error
	for i := range list.Items {
		p := &list.Items[i]
		found := policystatus.Scan{Time: begun}
		if c := t.byPolicy[p.Name]; c != nil {
			found.Matched, found.Violating, found.Outdated = c.matched, c.violating, c.outdated
			found.ByReason = make(map[string]int32, len(c.byReason))
			for reason, pods := range c.byReason {
				found.ByReason[string(reason)] = pods
			}
		}
		if err := policystatus.WriteScan(ctx, s.policies, p, found); err != nil {
			errs = append(errs, fmt.Errorf("write the status of policy %q: %w", p.Name, err))
		}
	}
	return errors.Join(errs...)
}

// ownerReference returns a reference to the server's namespace; nil if that is not known.
func (s *scanner) ownerReference(ctx context.Context) *metav1.OwnerReference {
	if s.owner != nil {
		return s.owner
	}
	own, err := s.kube.CoreV1().Namespaces().Get(ctx, s.Namespace, metav1.GetOptions{})
	if err != nil {
		s.log.V(1).Info("Reports are written without an owner for now", "because", err.Error())
		return nil
	}
	s.owner = &metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: own.Name, UID: own.UID}
	return s.owner
}
