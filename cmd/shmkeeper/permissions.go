package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/shmkeeper/shmkeeper/internal/audit/scan"
)

// permission is what the server must be allowed to do. manifests/base grants the same.
type permission struct {
	group, resource, subresource, name string
	verbs                              []string
	own                                bool // in the server's own namespace only
	optional                           bool // the server works without it
}

// requiredPermissions returns all that the server does with these options, also what is optional.
func requiredPermissions(o Options) []permission {
	const admission, core = "admissionregistration.k8s.io", ""
	out := []permission{
		{group: "shmkeeper.dev", resource: "sharedmemorypolicies", verbs: []string{"get", "list", "watch"}},
		{group: "shmkeeper.dev", resource: "sharedmemorypolicies", subresource: "status", verbs: []string{"patch"}},
		{group: core, resource: "namespaces", verbs: []string{"list", "watch"}},
		{group: core, resource: "namespaces", name: o.Namespace, verbs: []string{"get"}},
		{group: core, resource: "limitranges", verbs: []string{"list", "watch"}},
		{group: core, resource: "resourcequotas", verbs: []string{"list", "watch"}},
		{group: "apps", resource: "deployments", name: deploymentName, verbs: []string{"get"}, own: true},
		// Events about cluster-scoped objects are stored in the namespace default. Those of the older API are about
		// workloads, and the election of a leader.
		{group: core, resource: "events", verbs: []string{"create", "patch"}, optional: true},
		{group: "events.k8s.io", resource: "events", verbs: []string{"create", "patch"}, optional: true},
	}
	for _, kind := range []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} {
		// All of them by name: list and watch select by it, and create is by server-side apply.
		out = append(out,
			permission{group: admission, resource: kind, name: configurationName, verbs: []string{"get", "list", "watch", "create", "patch", "delete"}},
		)
	}
	if o.AuditInterval > 0 {
		out = append(out, auditPermissions()...)
	}
	if o.CertSource == selfManaged {
		out = append(out,
			permission{group: core, resource: "secrets", name: "shmkeeper-ca", verbs: []string{"get", "update"}, own: true},
			permission{group: core, resource: "secrets", verbs: []string{"create"}, own: true},
			permission{group: core, resource: "configmaps", name: "shmkeeper-ca", verbs: []string{"create", "patch"}, own: true, optional: true},
		)
	}
	if o.LeaderElect {
		out = append(out,
			permission{group: "coordination.k8s.io", resource: "leases", name: leaseName, verbs: []string{"get", "update"}, own: true},
			permission{group: "coordination.k8s.io", resource: "leases", verbs: []string{"create"}, own: true},
		)
	}
	out = append(out, usagePermissions(&o.Usage)...)
	if o.MetricsAddr != "0" {
		out = append(out,
			permission{group: "authentication.k8s.io", resource: "tokenreviews", verbs: []string{"create"}},
			permission{group: "authorization.k8s.io", resource: "subjectaccessreviews", verbs: []string{"create"}},
		)
	}
	return out
}

// auditPermissions returns what the audit of running Pods does.
func auditPermissions() []permission {
	out := []permission{
		{group: "", resource: "pods", verbs: []string{"list"}},
		{group: "", resource: "configmaps", name: scan.ConfigMapName, verbs: []string{"list", "watch", "create", "patch"}, own: true},
		// Without these, events are about ReplicaSets and Jobs.
		{group: "apps", resource: "replicasets", verbs: []string{"get"}, optional: true},
		{group: "batch", resource: "jobs", verbs: []string{"get"}, optional: true},
	}
	for _, api := range [][2]string{{"openreports.io", "reports"}, {"wgpolicyk8s.io", "policyreports"}} {
		// Few clusters have either. All by name: list selects by it.
		out = append(out, permission{
			group: api[0], resource: api[1], name: scan.ReportName, verbs: []string{"list", "create", "patch", "delete"}, optional: true,
		})
	}
	return out
}

// startTimeout is how long the server waits at its start for an API server that does not answer.
const startTimeout = 10 * time.Minute

// permissionCheck asks at the start for everything that the server will do, so that what is missing
// is told at once and not one failure after the other.
type permissionCheck struct {
	client  kubernetes.Interface
	options Options
	log     logr.Logger
	passed  atomic.Bool
}

// wait returns when the check has passed. If the API server fails to answer it asks again, less and
// less often, for startTimeout. An error says what the server may not do, or why it could not ask.
func (c *permissionCheck) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	backoff := wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 5, Cap: 15 * time.Second}
	var failure error
	err := backoff.DelayFunc().Until(ctx, true, false, func(ctx context.Context) (done bool, err error) {
		missing, err := missingPermissions(ctx, c.client, c.options)
		switch {
		case len(missing) > 0:
			return true, errors.New("the service account may not\n  " + strings.Join(missing, "\n  ") +
				"\napply one of manifests/default, cert-manager or audit-only, or grant these")
		case apierrors.IsForbidden(err):
			return true, err
		case err != nil:
			failure = err
			c.log.Error(err, "The server cannot ask for its permissions; trying again")
			return false, nil
		}
		return true, nil
	})
	if wait.Interrupted(err) && failure != nil {
		return failure
	}
	c.passed.Store(err == nil)
	return err
}

// check fails until the permissions are known to be there.
func (c *permissionCheck) check(*http.Request) error {
	if !c.passed.Load() {
		return errors.New("the API server has not said yet that the server may do its work: see the log, and that the API server answers")
	}
	return nil
}

// missingPermissions returns what the server may not do of what it will do. An error says that the
// API server could not be asked.
func missingPermissions(ctx context.Context, client kubernetes.Interface, o Options) (missing []string, err error) {
	reviews := client.AuthorizationV1().SelfSubjectAccessReviews()
	for _, n := range requiredPermissions(o) {
		if n.optional {
			continue
		}
		for _, verb := range n.verbs {
			review, err := reviews.Create(ctx, &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: n.attributes(verb, o.Namespace)},
			}, metav1.CreateOptions{})
			if err != nil {
				return nil, fmt.Errorf("ask the API server for our permissions: %w: make sure that it runs and that the credentials are right", err)
			}
			if !review.Status.Allowed {
				missing = append(missing, n.String(verb, o.Namespace))
			}
		}
	}
	return missing, nil
}

func (p permission) attributes(verb, namespace string) *authorizationv1.ResourceAttributes {
	a := &authorizationv1.ResourceAttributes{Verb: verb, Group: p.group, Resource: p.resource, Subresource: p.subresource, Name: p.name}
	if p.own {
		a.Namespace = namespace
	}
	return a
}

// String returns the permission in the words of a role.
func (p permission) String(verb, namespace string) string {
	text := verb + " " + p.resource
	if p.subresource != "" {
		text += "/" + p.subresource
	}
	if p.group != "" {
		text += "." + p.group
	}
	if p.name != "" {
		text += fmt.Sprintf(" named %q", p.name)
	}
	if p.own {
		text += fmt.Sprintf(" in namespace %q", namespace)
	}
	return text
}
