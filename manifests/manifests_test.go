// Package manifests_test checks what can be known about the manifests without a
// cluster: that each file is listed and is strictly what its kind allows, and that
// names which have to agree do.
package manifests_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// folders are the ones that shmkeeper is installed from, without crd, of which the files are generated, and policies, which has
// tests of its own.
var folders = []string{"audit-only", "base", "cert-manager", "default", "host-network", "mode-guard", "self-managed", "usage", "webhook-guard", "webhooks"}

// kinds makes an object of each kind that is used; nil for kinds whose Go types this module does not import.
var kinds = map[string]func() any{
	"cert-manager.io/v1 Certificate": nil,
	"cert-manager.io/v1 Issuer":      nil,

	"v1 Namespace":      func() any { return new(corev1.Namespace) },
	"v1 ResourceQuota":  func() any { return new(corev1.ResourceQuota) },
	"v1 Service":        func() any { return new(corev1.Service) },
	"v1 ServiceAccount": func() any { return new(corev1.ServiceAccount) },

	"apps/v1 Deployment":                 func() any { return new(appsv1.Deployment) },
	"networking.k8s.io/v1 NetworkPolicy": func() any { return new(networkingv1.NetworkPolicy) },
	"policy/v1 PodDisruptionBudget":      func() any { return new(policyv1.PodDisruptionBudget) },

	"rbac.authorization.k8s.io/v1 ClusterRole":        func() any { return new(rbacv1.ClusterRole) },
	"rbac.authorization.k8s.io/v1 ClusterRoleBinding": func() any { return new(rbacv1.ClusterRoleBinding) },
	"rbac.authorization.k8s.io/v1 Role":               func() any { return new(rbacv1.Role) },
	"rbac.authorization.k8s.io/v1 RoleBinding":        func() any { return new(rbacv1.RoleBinding) },

	"admissionregistration.k8s.io/v1 MutatingWebhookConfiguration":     func() any { return new(admissionregistrationv1.MutatingWebhookConfiguration) },
	"admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration":   func() any { return new(admissionregistrationv1.ValidatingWebhookConfiguration) },
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy":        func() any { return new(admissionregistrationv1.ValidatingAdmissionPolicy) },
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding": func() any { return new(admissionregistrationv1.ValidatingAdmissionPolicyBinding) },
}

type kustomization struct {
	metav1.TypeMeta `json:",inline"`
	Resources       []string `json:"resources"`
	Patches         []struct {
		Path string `json:"path"`
	} `json:"patches"`
}

// directive is a line that tells kustomize how to merge a patch.
var directive = regexp.MustCompile(`(?m)^[ -]*\$patch: .*\n`)

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return directive.ReplaceAll(content, nil)
}

// documents returns the documents of a file.
func documents(t *testing.T, file string) []string {
	t.Helper()
	return strings.Split(string(read(t, file)), "\n---\n")
}

// objectFiles returns the files of all folders but what tells kustomize how to put them together.
func objectFiles(t *testing.T) (out []string) {
	t.Helper()
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if filepath.Base(file) != "kustomization.yaml" {
				out = append(out, file)
			}
		}
	}
	return out
}

// object finds the one document of a file that is of T's kind.
func object[T any](t *testing.T, file string) T {
	t.Helper()
	var found []T
	for _, document := range documents(t, file) {
		var o T
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		create := kinds[meta.APIVersion+" "+meta.Kind]
		if create == nil {
			continue
		}
		if _, ok := create().(*T); ok {
			if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d objects of type %T, want 1", file, len(found), *new(T))
	}
	return found[0]
}

func TestKustomizations_ListEachFile(t *testing.T) {
	for _, folder := range folders {
		var k kustomization
		if err := yaml.UnmarshalStrict(read(t, filepath.Join(folder, "kustomization.yaml")), &k); err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		listed := []string{"kustomization.yaml"}
		for _, r := range k.Resources {
			if strings.HasPrefix(r, "../") {
				read(t, filepath.Join(folder, r, "kustomization.yaml"))
				continue
			}
			listed = append(listed, r)
		}
		for _, p := range k.Patches {
			listed = append(listed, p.Path)
		}
		there, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range there {
			there[i] = filepath.Base(there[i])
		}
		slices.Sort(listed)
		if diff := cmp.Diff(listed, there); diff != "" {
			t.Errorf("%s: listed (-), there (+):\n%s", folder, diff)
		}
	}
}

func TestObjects_StrictlyOfTheirKind(t *testing.T) {
	used := map[string]bool{}
	for _, file := range objectFiles(t) {
		for _, document := range documents(t, file) {
			var meta metav1.PartialObjectMetadata
			if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			kind := meta.APIVersion + " " + meta.Kind
			create, known := kinds[kind]
			if !known {
				t.Errorf("%s: the kind %s is not in kinds: add it", file, kind)
			}
			used[kind] = true
			if create == nil {
				continue
			}
			if err := yaml.UnmarshalStrict([]byte(document), create()); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	for kind := range kinds {
		if !used[kind] {
			t.Errorf("the kind %s is not used: remove it from kinds", kind)
		}
	}
}

// A patch that names what is not there adds it, and kustomize says nothing.
func TestPatches_ChangeOnlyWhatIsThere(t *testing.T) {
	env := map[string]bool{}
	for _, e := range object[appsv1.Deployment](t, "base/deployment.yaml").Spec.Template.Spec.Containers[0].Env {
		env[e.Name] = true
	}
	for _, file := range []string{"audit-only/max-mode.yaml", "cert-manager/deployment.yaml", "host-network/deployment.yaml", "usage/usage.yaml"} {
		patch := object[appsv1.Deployment](t, file)
		if patch.Name != "shmkeeper" || patch.Namespace != "shmkeeper-system" || len(patch.Spec.Template.Spec.Containers) != 1 || patch.Spec.Template.Spec.Containers[0].Name != "shmkeeper" {
			t.Errorf("%s does not patch the server's container", file)
		}
		for _, e := range patch.Spec.Template.Spec.Containers[0].Env {
			if !env[e.Name] {
				t.Errorf("%s sets %s, which base/deployment.yaml does not have", file, e.Name)
			}
		}
	}

	names := map[string]bool{}
	for _, w := range object[admissionregistrationv1.ValidatingWebhookConfiguration](t, "webhooks/validating.yaml").Webhooks {
		names[w.Name] = true
	}
	for _, w := range object[admissionregistrationv1.ValidatingWebhookConfiguration](t, "audit-only/fail-open.yaml").Webhooks {
		if !names[w.Name] {
			t.Errorf("audit-only/fail-open.yaml patches %s, which is not there", w.Name)
		}
	}
}

// services returns the Services, by name.
func services(t *testing.T) map[string]corev1.Service {
	t.Helper()
	out := map[string]corev1.Service{}
	for _, document := range documents(t, "base/service.yaml") {
		var s corev1.Service
		if err := yaml.UnmarshalStrict([]byte(document), &s); err != nil {
			t.Fatal(err)
		}
		out[s.Name] = s
	}
	return out
}

func TestObjects_SelectThePods(t *testing.T) {
	deployment := object[appsv1.Deployment](t, "base/deployment.yaml")
	pod := deployment.Spec.Template
	network := object[networkingv1.NetworkPolicy](t, "base/networkpolicy.yaml")
	budget := object[policyv1.PodDisruptionBudget](t, "base/poddisruptionbudget.yaml")
	for name, selector := range map[string]*metav1.LabelSelector{
		"the Deployment":          deployment.Spec.Selector,
		"the NetworkPolicy":       &network.Spec.PodSelector,
		"the PodDisruptionBudget": budget.Spec.Selector,
		"the spread over nodes":   pod.Spec.TopologySpreadConstraints[0].LabelSelector,
	} {
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		if s.Empty() || !s.Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s selects %q, the Pods have %v", name, s, pod.Labels)
		}
	}
	for name, s := range services(t) {
		if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("the Service %s selects %v, the Pods have %v", name, s.Spec.Selector, pod.Labels)
		}
	}
	if diff := cmp.Diff([]string{"shmkeeper-metrics", "shmkeeper-webhook"}, slices.Sorted(maps.Keys(services(t)))); diff != "" {
		t.Error(diff)
	}
}

func TestObjects_UseDeclaredPorts(t *testing.T) {
	pod := object[appsv1.Deployment](t, "base/deployment.yaml").Spec.Template
	ports := map[string]int32{}
	for _, p := range pod.Spec.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	if diff := cmp.Diff(map[string]int32{"webhook": 9443, "metrics": 8443, "health": 8081}, ports); diff != "" {
		t.Error(diff)
	}
	for _, arg := range []string{
		"--webhook-port=$(SHMKEEPER_WEBHOOK_PORT)", "--metrics-bind-address=:$(SHMKEEPER_METRICS_PORT)",
		"--health-probe-bind-address=:$(SHMKEEPER_HEALTH_PORT)",
	} {
		if !slices.Contains(pod.Spec.Containers[0].Args, arg) {
			t.Errorf("the ports are declared, but %s is not among the args %q", arg, pod.Spec.Containers[0].Args)
		}
	}
	for file, want := range map[string]map[string]string{
		"base/deployment.yaml":         {"webhook": "9443", "metrics": "8443", "health": "8081"},
		"host-network/deployment.yaml": {"webhook": "19443", "metrics": "18443", "health": "18081"},
	} {
		c := object[appsv1.Deployment](t, file).Spec.Template.Spec.Containers[0]
		declared, set := map[string]string{}, map[string]string{}
		for _, p := range c.Ports {
			declared[p.Name] = fmt.Sprint(p.ContainerPort)
		}
		for _, e := range c.Env {
			if name, found := strings.CutSuffix(strings.TrimPrefix(e.Name, "SHMKEEPER_"), "_PORT"); found {
				set[strings.ToLower(name)] = e.Value
			}
		}
		if diff := cmp.Diff(want, declared); diff != "" {
			t.Errorf("%s declares other ports: %s", file, diff)
		}
		if diff := cmp.Diff(want, set); diff != "" {
			t.Errorf("%s sets other ports: %s", file, diff)
		}
	}
	used := []intstr.IntOrString{pod.Spec.Containers[0].LivenessProbe.HTTPGet.Port, pod.Spec.Containers[0].ReadinessProbe.HTTPGet.Port}
	network := object[networkingv1.NetworkPolicy](t, "base/networkpolicy.yaml")
	for _, rule := range network.Spec.Ingress {
		used = append(used, *rule.Ports[0].Port)
	}
	for _, s := range services(t) {
		used = append(used, s.Spec.Ports[0].TargetPort)
	}
	for _, port := range used {
		if ports[port.StrVal] == 0 {
			t.Errorf("the port %q is used, but the container does not declare it", port.String())
		}
	}
}

// What cert-manager writes is what the server mounts and what the API server trusts.
func TestCertificate_IsForTheService(t *testing.T) {
	var serving struct {
		Spec struct {
			DNSNames   []string `json:"dnsNames"`
			SecretName string   `json:"secretName"`
		} `json:"spec"`
	}
	certificates := documents(t, "cert-manager/certificates.yaml")
	if err := yaml.Unmarshal([]byte(certificates[len(certificates)-1]), &serving); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"shmkeeper-webhook.shmkeeper-system.svc"}, serving.Spec.DNSNames); diff != "" {
		t.Errorf("cert-manager's certificate is not for the Service: %s", diff)
	}
	patch := object[appsv1.Deployment](t, "cert-manager/deployment.yaml")
	if got := patch.Spec.Template.Spec.Volumes[0].Secret.SecretName; got != serving.Spec.SecretName {
		t.Errorf("the Deployment mounts the Secret %q, cert-manager writes %q", got, serving.Spec.SecretName)
	}
	for file, annotations := range map[string]map[string]string{
		"inject-mutating.yaml":   object[admissionregistrationv1.MutatingWebhookConfiguration](t, "cert-manager/inject-mutating.yaml").Annotations,
		"inject-validating.yaml": object[admissionregistrationv1.ValidatingWebhookConfiguration](t, "cert-manager/inject-validating.yaml").Annotations,
	} {
		if got := annotations["cert-manager.io/inject-ca-from"]; got != "shmkeeper-system/shmkeeper-serving" {
			t.Errorf("%s injects the CA of %q", file, got)
		}
	}
}

// Each right is held to names, but for those that are listed here.
func TestRoles_NameTheirObjects(t *testing.T) {
	want := []string{
		"cluster: authentication.k8s.io/tokenreviews create",
		"cluster: authorization.k8s.io/subjectaccessreviews create",
		"cluster: /events,events.k8s.io/events create,patch",
		"cluster: /limitranges list,watch",
		"cluster: /namespaces list,watch",
		"cluster: /nodes list",
		"cluster: /nodes/stats get",
		"cluster: /pods list",
		"cluster: /resourcequotas list,watch",
		"cluster: shmkeeper.dev/sharedmemorypolicies get,list,watch",
		"cluster: shmkeeper.dev/sharedmemorypolicies/status patch",
		"namespace: /secrets create",
		"namespace: coordination.k8s.io/leases create",
	}
	var got []string
	add := func(scope string, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			if len(rule.ResourceNames) > 0 {
				continue
			}
			for _, resource := range rule.Resources {
				what := make([]string, len(rule.APIGroups))
				for i, group := range rule.APIGroups {
					what[i] = group + "/" + resource
				}
				slices.Sort(rule.Verbs)
				got = append(got, scope+": "+strings.Join(what, ",")+" "+strings.Join(rule.Verbs, ","))
			}
		}
	}
	add("cluster", object[rbacv1.ClusterRole](t, "base/clusterrole.yaml").Rules)
	add("cluster", object[rbacv1.ClusterRole](t, "base/events.yaml").Rules)
	add("cluster", object[rbacv1.ClusterRole](t, "usage/clusterrole.yaml").Rules)
	add("namespace", object[rbacv1.Role](t, "base/role.yaml").Rules)
	add("namespace", object[rbacv1.Role](t, "self-managed/role.yaml").Rules)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What OpenShift's restricted-v2 refuses: a user, or a group of files, that it has not chosen itself. The image has a user.
func TestDeployment_NamesNoUser(t *testing.T) {
	for _, file := range []string{"base/deployment.yaml", "cert-manager/deployment.yaml", "host-network/deployment.yaml"} {
		pod := object[appsv1.Deployment](t, file).Spec.Template.Spec
		if c := pod.Containers[0].SecurityContext; c != nil && (c.RunAsUser != nil || c.RunAsGroup != nil) {
			t.Errorf("%s names a user for the container", file)
		}
		if s := pod.SecurityContext; s != nil && (s.RunAsUser != nil || s.RunAsGroup != nil || s.FSGroup != nil || len(s.SupplementalGroups) > 0) {
			t.Errorf("%s names a user or a group: %+v", file, s)
		}
	}
	if image := string(read(t, "../Dockerfile")); !regexp.MustCompile(`(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`).MatchString(image) {
		t.Error("the image names no user by number, so that runAsNonRoot lets it nowhere start")
	}
}

// The name that waits to be replaced must be nobody's: RFC 2606 reserves .invalid.
func TestDeployment_ImageIsNobodys(t *testing.T) {
	image := object[appsv1.Deployment](t, "base/deployment.yaml").Spec.Template.Spec.Containers[0].Image
	if host, _, _ := strings.Cut(image, "/"); !strings.HasSuffix(host, ".invalid") {
		t.Errorf("the image %q is of a registry that somebody can have", image)
	}
}
