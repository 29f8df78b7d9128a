package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestModeGuard_OnlySetters(t *testing.T) {
	s := shared
	s.clusterRole(t, "e2e-namespaces", rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"namespaces", "namespaces/status", "namespaces/finalize"}, Verbs: []string{"get", "create", "update", "patch"},
	})
	s.bind(t, "e2e-editor", "e2e-namespaces")
	s.bind(t, "e2e-setter", "e2e-namespaces")
	s.bind(t, "e2e-setter", "shmkeeper-mode-setter")
	editor, setter := s.user(t, "e2e-editor"), s.user(t, "e2e-setter")
	labelled, plain := s.namespace(t, "enforce", nil), s.namespace(t, "", nil)

	patch := func(who kubernetes.Interface, name, labels string, subresources ...string) error {
		return patchLabels(t, who, name, labels, subresources...)
	}
	create := func(who kubernetes.Interface, name string) error { return createWithMode(t, who, name) }
	finalize := func(who kubernetes.Interface, name string) error { return finalizeWithMode(t, who, name) }
	// The rights have arrived when other labels can be changed, which the guard
	// does not look at, even if the namespace has the label.
	for _, who := range []kubernetes.Interface{editor, setter} {
		eventually(t, func() error { return patch(who, plain, `{"team":"a"}`) })
		eventually(t, func() error { return patch(who, labelled, `{"team":"a"}`) })
	}

	for name, try := range map[string]struct {
		namespace string
		do        func(kubernetes.Interface) error
	}{
		"set":            {plain, func(who kubernetes.Interface) error { return patch(who, plain, `{"shmkeeper.dev/mode":"enforce"}`) }},
		"set to nothing": {plain, func(who kubernetes.Interface) error { return patch(who, plain, `{"shmkeeper.dev/mode":""}`) }},
		"change":         {labelled, func(who kubernetes.Interface) error { return patch(who, labelled, `{"shmkeeper.dev/mode":"audit"}`) }},
		"remove":         {labelled, func(who kubernetes.Interface) error { return patch(who, labelled, `{"shmkeeper.dev/mode":null}`) }},
		"create with":    {"e2e-guarded", func(who kubernetes.Interface) error { return create(who, "e2e-guarded") }},
		"change by the status": {labelled, func(who kubernetes.Interface) error {
			return patch(who, labelled, `{"shmkeeper.dev/mode":"audit"}`, "status")
		}},
		"change by finalize": {labelled, func(who kubernetes.Interface) error { return finalize(who, labelled) }},
	} {
		t.Run(name, func(t *testing.T) {
			err := try.do(editor)
			want := fmt.Sprintf(`namespaces %q is forbidden: ValidatingAdmissionPolicy 'shmkeeper-mode-label' with binding 'shmkeeper-mode-label' denied request: `+
				`violates the guard of the label "shmkeeper.dev/mode": only subjects with the verb "setmode" on "sharedmemorypolicies.shmkeeper.dev" `+
				`may set, change or remove it on a namespace. Ask a cluster administrator to do it, or to bind the ClusterRole "shmkeeper-mode-setter" to you`, try.namespace)
			if !apierrors.IsForbidden(err) {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	for name, do := range map[string]func() error{
		"create with": func() error { return create(setter, "e2e-opted-in") },
		"set":         func() error { return patch(setter, plain, `{"shmkeeper.dev/mode":"warn"}`) },
		"change":      func() error { return patch(setter, labelled, `{"shmkeeper.dev/mode":"audit"}`) },
	} {
		if err := do(); err != nil {
			t.Errorf("who may: %s: %v", name, err)
		}
	}
	const unknown = `violates the guard of the label "shmkeeper.dev/mode": its value is not a mode. Write audit, warn or enforce, or remove the label`
	if err := patch(setter, labelled, `{"shmkeeper.dev/mode":"enforcing"}`); !apierrors.IsInvalid(err) || !strings.HasSuffix(err.Error(), unknown) {
		t.Errorf("who may: a value that is not a mode: %v", err)
	}
	if err := patch(setter, labelled, `{"shmkeeper.dev/mode":null}`); err != nil {
		t.Errorf("who may: remove: %v", err)
	}
}

// The server's own account can write what it owns, and cannot have more sent to it.
func TestWebhookGuard_HoldsTheServerToItsFields(t *testing.T) {
	s := shared
	config, err := s.cp.ServiceAccount(install.Namespace, install.ServiceAccount)
	if err != nil {
		t.Fatal(err)
	}
	server, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	configurations := server.AdmissionregistrationV1().MutatingWebhookConfigurations()
	patch := func(change string) error {
		_, err := configurations.Patch(t.Context(), "shmkeeper", types.JSONPatchType, []byte("["+change+"]"), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	if err := patch(`{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}`); err != nil {
		t.Errorf("the caBundle: %v", err)
	}
	for what, change := range map[string]string{
		"a rule":     `{"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": ["secrets"]}`,
		"a Service":  `{"op": "replace", "path": "/webhooks/0/clientConfig/service/namespace", "value": "default"}`,
		"a selector": `{"op": "remove", "path": "/webhooks/0/namespaceSelector"}`,
		"a timeout":  `{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 30}`,
		"a match":    `{"op": "replace", "path": "/webhooks/0/matchPolicy", "value": "Exact"}`,
		"a path":     `{"op": "replace", "path": "/webhooks/0/clientConfig/service/path", "value": "/report-pods"}`,
		"conditions": `{"op": "remove", "path": "/webhooks/0/matchConditions"}`,
		"the entry":  `{"op": "remove", "path": "/webhooks/0"}`,
	} {
		if err := patch(change); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "violates the guard of shmkeeper's webhook configurations") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func patchLabels(t *testing.T, who kubernetes.Interface, name, labels string, subresources ...string) error {
	t.Helper()
	patch := []byte(`{"metadata":{"labels":` + labels + `}}`)
	_, err := who.CoreV1().Namespaces().Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}, subresources...)
	return err
}

func createWithMode(t *testing.T, who kubernetes.Interface, name string) error {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelMode: "audit"}}}
	_, err := who.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	return err
}

func finalizeWithMode(t *testing.T, who kubernetes.Interface, name string) error {
	t.Helper()
	ns, err := who.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	ns.Labels[v1alpha1.LabelMode] = "audit"
	_, err = who.CoreV1().Namespaces().Finalize(t.Context(), ns, metav1.UpdateOptions{})
	return err
}

func (s *suite) user(t *testing.T, name string) kubernetes.Interface {
	t.Helper()
	config, err := s.cp.User(name)
	if err != nil {
		t.Fatal(err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return kube
}

func (s *suite) clusterRole(t *testing.T, name string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	if _, err := s.kube.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) bind(t *testing.T, user, role string) {
	t.Helper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user + "-" + role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	if _, err := s.kube.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
