package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"
)

// right is one verb on one resource. own is in the server's own namespace only; name "" is any name.
type right struct {
	verb, group, resource, name string
	own                         bool
}

func (r right) String() string {
	return permission{group: r.group, resource: r.resource, name: r.name, own: r.own}.String(r.verb, "shmkeeper-system")
}

// covers reports whether r grants what.
func (r right) covers(what right) bool {
	return r.verb == what.verb && r.group == what.group && r.resource == what.resource &&
		(r.name == "" || r.name == what.name) && (!r.own || what.own)
}

func needed(o *Options) []right {
	var out []right
	for _, n := range requiredPermissions(*o) {
		for _, verb := range n.verbs {
			resource := n.resource
			if n.subresource != "" {
				resource += "/" + n.subresource
			}
			out = append(out, right{verb, n.group, resource, n.name, n.own})
		}
	}
	return out
}

// granted is what the bindings in these folders of manifests/ give to the server's service account, and the role that it stands in.
func granted(t *testing.T, folders ...string) map[right]string {
	t.Helper()
	roles := map[string][]rbacv1.PolicyRule{} // by kind and name
	var bindings []rbacv1.RoleBinding
	for _, document := range documents(t, folders) {
		var head struct{ Kind string }
		if err := yaml.Unmarshal(document, &head); err != nil {
			t.Fatal(err)
		}
		switch head.Kind {
		case "Role", "ClusterRole": // a Role has the same fields
			var role rbacv1.ClusterRole
			unmarshal(t, document, &role)
			roles[head.Kind+" "+role.Name] = role.Rules
		case "RoleBinding", "ClusterRoleBinding":
			var binding rbacv1.RoleBinding
			unmarshal(t, document, &binding)
			bindings = append(bindings, binding)
		}
	}
	server := rbacv1.Subject{Kind: "ServiceAccount", Name: "shmkeeper", Namespace: "shmkeeper-system"}
	out := map[right]string{}
	for _, b := range bindings {
		if !slices.Contains(b.Subjects, server) {
			continue
		}
		role := b.RoleRef.Kind + " " + b.RoleRef.Name
		rules, found := roles[role]
		if !found {
			t.Errorf("%s %q binds the %s, which is not there", b.Kind, b.Name, role)
		}
		for _, rule := range rules {
			for _, r := range rightsOf(rule, b.Kind == "RoleBinding") {
				out[r] = role
			}
		}
	}
	return out
}

func rightsOf(rule rbacv1.PolicyRule, own bool) []right {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	var out []right
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, name := range names {
				for _, verb := range rule.Verbs {
					out = append(out, right{verb, group, resource, name, own})
				}
			}
		}
	}
	return out
}

// documents returns those of the YAML files in folders of manifests/.
func documents(t *testing.T, folders []string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join("..", "..", "manifests", folder, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no manifests in %s: %v", folder, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, bytes.Split(text, []byte("\n---\n"))...)
		}
	}
	return out
}

func unmarshal(t *testing.T, document []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(document, into); err != nil {
		t.Fatal(err)
	}
}

func TestPermissions_AreThoseOfTheRoles(t *testing.T) {
	for name, c := range map[string]struct {
		args    string
		folders []string
	}{
		"self-managed": {"--cert-source=self-managed", []string{"base", "self-managed"}},
		"directory":    {"--cert-source=directory --cert-dir=/certs", []string{"base"}},
		"usage":        {"--usage", []string{"base", "self-managed", "usage"}},
	} {
		t.Run(name, func(t *testing.T) {
			o, _ := parsed(t, strings.Fields(c.args)...)
			wanted, grants := needed(o), granted(t, c.folders...)
			if len(grants) < 20 {
				t.Fatalf("only %d rights were found: fix this test", len(grants))
			}
			for _, want := range wanted {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(grants)), func(r right) bool { return r.covers(want) }) {
					t.Errorf("no role grants %v: grant it, or do without", want)
				}
			}
			for r, role := range grants {
				if !slices.Contains(wanted, r) {
					t.Errorf("the %s grants %v, which the server does not ask for: take it away, or add it to needs", role, r)
				}
			}
		})
	}
}

func TestPermissions_FollowTheOptions(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		less []string
	}{
		"a certificate from a folder needs no Secret": {"--cert-source=directory --cert-dir=/certs", []string{"configmaps", "secrets"}},
		"one replica needs no lease":                  {"--leader-elect=false", []string{"leases"}},
		"no audit needs no Pods, owners or reports":   {"--audit-interval=0", []string{"configmaps", "jobs", "pods", "policyreports", "replicasets", "reports"}},
		"no metrics need no questions about readers":  {"--metrics-bind-address=0", []string{"subjectaccessreviews", "tokenreviews"}},
	} {
		t.Run(name, func(t *testing.T) {
			all, _ := parsed(t)
			o, _ := parsed(t, strings.Fields(c.args)...)
			less := map[string]bool{}
			for _, r := range needed(all) {
				if !slices.Contains(needed(o), r) {
					less[r.resource] = true
				}
			}
			if diff := cmp.Diff(c.less, slices.Sorted(maps.Keys(less))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// reviewer is an API server that answers what allowed says, and keeps what it was asked.
func reviewer(allowed func(authorizationv1.ResourceAttributes) (bool, error)) (*fake.Clientset, *[]authorizationv1.ResourceAttributes) {
	client := fake.NewClientset()
	var asked []authorizationv1.ResourceAttributes
	client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		create, ok := action.(clienttesting.CreateAction)
		if !ok {
			return true, nil, fmt.Errorf("the check may only ask, and did %s %s", action.GetVerb(), action.GetResource().Resource)
		}
		review, ok := create.GetObject().(*authorizationv1.SelfSubjectAccessReview)
		if !ok {
			return true, nil, fmt.Errorf("the check may only ask, and created a %T", create.GetObject())
		}
		review = review.DeepCopy()
		asked = append(asked, *review.Spec.ResourceAttributes)
		var err error
		review.Status.Allowed, err = allowed(*review.Spec.ResourceAttributes)
		return true, review, err
	})
	return client, &asked
}

func TestCheckPermissions_AsksForEach(t *testing.T) {
	client, asked := reviewer(func(authorizationv1.ResourceAttributes) (bool, error) { return true, nil })
	o, _ := parsed(t, "--namespace=shm")
	if err := (&permissionCheck{client: client, options: *o}).wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Two verbs on events of either API and on the ConfigMap of the CA, four on reports of either API, and the owners of Pods.
	const optional = 6 + 8 + 2
	if got, want := len(*asked), len(needed(o))-optional; got != want {
		t.Errorf("asked %d times, for %d permissions", got, want)
	}
	for _, a := range *asked {
		if slices.Contains([]string{"events", "reports", "policyreports", "replicasets", "jobs"}, a.Resource) || a.Name == "shmkeeper-ca" && a.Resource == "configmaps" {
			t.Errorf("asked for %s %s, without which the server works", a.Verb, a.Resource)
		}
	}
	for _, want := range []authorizationv1.ResourceAttributes{
		{Verb: "patch", Group: "shmkeeper.dev", Resource: "sharedmemorypolicies", Subresource: "status"},
		{Verb: "get", Resource: "namespaces", Name: "shm"},
		{Verb: "list", Group: "admissionregistration.k8s.io", Resource: "mutatingwebhookconfigurations", Name: "shmkeeper"},
		{Verb: "update", Resource: "secrets", Name: "shmkeeper-ca", Namespace: "shm"},
		{Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Namespace: "shm"},
	} {
		if !slices.Contains(*asked, want) {
			t.Errorf("did not ask for %+v", want)
		}
	}
}

func TestCheckPermissions_ListsAllThatIsMissing(t *testing.T) {
	client, _ := reviewer(func(a authorizationv1.ResourceAttributes) (bool, error) {
		return a.Resource != "secrets" && a.Subresource != "status" && a.Resource != "limitranges" && a.Resource != "resourcequotas" && a.Verb != "delete" && a.Name != "shm", nil
	})
	o, _ := parsed(t, "--namespace=shm")
	const want = `the service account may not
  patch sharedmemorypolicies/status.shmkeeper.dev
  get namespaces named "shm"
  list limitranges
  watch limitranges
  list resourcequotas
  watch resourcequotas
  delete mutatingwebhookconfigurations.admissionregistration.k8s.io named "shmkeeper"
  delete validatingwebhookconfigurations.admissionregistration.k8s.io named "shmkeeper"
  get secrets named "shmkeeper-ca" in namespace "shm"
  update secrets named "shmkeeper-ca" in namespace "shm"
  create secrets in namespace "shm"
apply one of manifests/default, cert-manager or audit-only, or grant these`
	err := (&permissionCheck{client: client, options: *o}).wait(t.Context())
	if err == nil {
		t.Fatal("nothing is missing")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// An API server that does not answer is asked again, and the replica is not ready meanwhile.
func TestPermissionCheck_WaitsForTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(3 * time.Minute)
		client, _ := reviewer(func(authorizationv1.ResourceAttributes) (bool, error) {
			if time.Now().Before(up) {
				return false, errors.New("connection refused")
			}
			return true, nil
		})
		o, _ := parsed(t)
		check := &permissionCheck{client: client, options: *o}
		ended := make(chan error, 1)
		go func() { ended <- check.wait(t.Context()) }()
		time.Sleep(2 * time.Minute)
		if check.check(nil) == nil {
			t.Error("ready before the API server has answered")
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if late := time.Since(up); late > 20*time.Second {
			t.Errorf("asked %s after the API server was there", late)
		}
		if err := check.check(nil); err != nil {
			t.Errorf("not ready with all permissions: %v", err)
		}
	})
}

// Each wait is twice as long as the one before, up to 15 s, and up to a tenth longer than that.
func TestPermissionCheck_AsksLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 15 * time.Second}
		var got []time.Duration
		last := time.Now()
		client, _ := reviewer(func(authorizationv1.ResourceAttributes) (bool, error) {
			got, last = append(got, time.Since(last)), time.Now()
			if len(got) > len(want) {
				return true, nil
			}
			return false, errors.New("connection refused")
		})
		o, _ := parsed(t)
		if err := (&permissionCheck{client: client, options: *o}).wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			if wait := got[i+1]; wait < w || wait > w+w/10 { // the first asks at once
				t.Errorf("wait %d took %s, want %s to %s", i+1, wait, w, w+w/10)
			}
		}
	})
}

func TestPermissionCheck_GivesUp(t *testing.T) {
	const remedy = ": make sure that it runs and that the credentials are right"
	forbidden := apierrors.NewForbidden(authorizationv1.Resource("selfsubjectaccessreviews"), "", errors.New("no"))
	for name, c := range map[string]struct {
		err         error
		least, most time.Duration
		want        string
	}{
		"after minutes without an answer": {
			errors.New("connection refused"), 5 * time.Minute, 15 * time.Minute, "ask the API server for our permissions: connection refused" + remedy,
		},
		"at once when it may not ask": {
			forbidden, 0, 0, `ask the API server for our permissions: selfsubjectaccessreviews.authorization.k8s.io is forbidden: no` + remedy,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := reviewer(func(authorizationv1.ResourceAttributes) (bool, error) { return false, c.err })
				o, _ := parsed(t)
				begin := time.Now()
				err := (&permissionCheck{client: client, options: *o}).wait(t.Context())
				if !errors.Is(err, c.err) || err.Error() != c.want {
					t.Errorf("got  %v\nwant %s", err, c.want)
				}
				if took := time.Since(begin); took < c.least || took > c.most {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
