package chart

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	deploymentKey = "Deployment.apps shmkeeper-system/shmkeeper"
	validatingKey = "ValidatingWebhookConfiguration.admissionregistration.k8s.io /shmkeeper"
	mutatingKey   = "MutatingWebhookConfiguration.admissionregistration.k8s.io /shmkeeper"
)

// pod returns the spec of the server's Pods.
func (o objects) pod(t *testing.T) map[string]any {
	t.Helper()
	pod, found, err := unstructured.NestedFieldNoCopy(o[deploymentKey].Object, "spec", "template", "spec")
	if err != nil || !found {
		t.Fatalf("the Deployment has no Pod: %v", err)
	}
	return as[map[string]any](pod)
}

func (o objects) container(t *testing.T) map[string]any {
	t.Helper()
	containers, ok := o.pod(t)["containers"].([]any)
	if !ok || len(containers) != 1 {
		t.Fatalf("the Pod has the containers %v, want one", containers)
	}
	return as[map[string]any](containers[0])
}

// webhook returns a field of each webhook of a configuration, as text by the first word of its name.
func (o objects) webhook(t *testing.T, key string, fields ...string) map[string]string {
	t.Helper()
	webhooks, _, err := unstructured.NestedSlice(o[key].Object, "webhooks")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, w := range webhooks {
		w := as[map[string]any](w)
		value, _, err := unstructured.NestedFieldNoCopy(w, fields...)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(as[string](w["name"]), ".")
		out[name] = fmt.Sprint(value)
	}
	return out
}

// flags returns the arguments of the server that the overlays do not have.
func (o objects) flags(t *testing.T) (out []any) {
	t.Helper()
	usual := as[[]any](render(t, "").container(t)["args"])
	for _, arg := range as[[]any](o.container(t)["args"]) {
		if !slices.Contains(usual, arg) {
			out = append(out, arg)
		}
	}
	return out
}

func TestValues_Image(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for values, want := range map[string]string{
		"": "shmkeeper.invalid/shmkeeper:dev",
		"{image: {repository: registry.example.com/shmkeeper, tag: v0.1.0}}":                         "registry.example.com/shmkeeper:v0.1.0",
		"{image: {repository: registry.example.com/shmkeeper, tag: v0.1.0, digest: " + digest + "}}": "registry.example.com/shmkeeper:v0.1.0@" + digest,
	} {
		if got := render(t, values).container(t)["image"]; got != want {
			t.Errorf("%s: the image is %v, want %s", values, got, want)
		}
	}
}

// What the chart sets in the webhook configurations otherwise than they ship, the server is told.
func TestValues_WebhooksAndFlagsAgree(t *testing.T) {
	for name, c := range map[string]struct {
		values            string
		enforce, policies string
		flags             []any
	}{
		"nothing":                                {"", "Fail", "Fail", nil},
		"policies that come with the server":     {"{policies: {include: [ray]}}", "Fail", "Ignore", []any{"--fail-open=policies"}},
		"all policies, all left out":             {"{policies: {include: [ray], exclude: [ray]}}", "Fail", "Fail", nil},
		"policies that wait for the server":      {"{policies: {include: [ray]}, webhooks: {policies: {failurePolicy: Fail}}}", "Fail", "Fail", nil},
		"nothing that can stop a Pod":            {"{webhooks: {enforce: {failurePolicy: Ignore}}}", "Ignore", "Fail", []any{"--fail-open=enforce"}},
		"nothing fails closed":                   {"{webhooks: {enforce: {failurePolicy: Ignore}, policies: {failurePolicy: Ignore}}}", "Ignore", "Ignore", []any{"--fail-open=enforce,policies"}},
		"warnings only":                          {"{maxMode: warn}", "Ignore", "Fail", nil},
		"warnings only, and policies":            {"{maxMode: warn, policies: {include: ['*']}}", "Ignore", "Ignore", []any{"--fail-open=policies"}},
		"no scan of running Pods":                {"{audit: {enabled: false}}", "Fail", "Fail", []any{"--audit-interval=0"}},
		"namespaces that are left out, and more": {"{excludedNamespaces: [a, kube-system], extraArgs: [--log-level=debug]}", "Fail", "Fail", []any{"--excluded-namespaces=a,kube-system", "--log-level=debug"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := render(t, c.values)
			want := map[string]string{"enforce": c.enforce, "report": "Ignore", "templates": "Ignore", "modes": "Ignore", "policies": c.policies}
			if diff := cmp.Diff(want, o.webhook(t, validatingKey, "failurePolicy")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.flags, o.flags(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if o := render(t, "{audit: {enabled: false}}"); o["ClusterRole.rbac.authorization.k8s.io /shmkeeper-audit"] != nil {
		t.Error("the server may list Pods that it does not scan")
	}
	without := render(t, "{events: {enabled: false}}")
	for _, kind := range []string{"ClusterRole", "ClusterRoleBinding"} {
		if key := kind + ".rbac.authorization.k8s.io /shmkeeper-events"; without[key] != nil || render(t, "")[key] == nil {
			t.Errorf("%s is there without events, or is not there by default", key)
		}
	}
	o := render(t, "{excludedNamespaces: [a, kube-system]}")
	for _, key := range []string{mutatingKey, validatingKey} {
		for name, selector := range o.webhook(t, key, "namespaceSelector") {
			if name != "policies" && !strings.Contains(selector, "values:[kube-system shmkeeper-system a]") {
				t.Errorf("%s: %s", name, selector)
			}
		}
	}
}

// A certificate that somebody else renews comes with its CA, and without the rights on Secrets.
func TestValues_CertificateFromASecret(t *testing.T) {
	o := render(t, `{certs: {source: secret, secret: {name: mine, caBundle: "-----BEGIN CERTIFICATE-----\n"}}, monitoring: {serviceMonitor: {enabled: true}}}`)
	for name, bundle := range o.webhook(t, validatingKey, "clientConfig", "caBundle") {
		if bundle != "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==" {
			t.Errorf("%s has the caBundle %s", name, bundle)
		}
	}
	if got := fmt.Sprint(o.pod(t)["volumes"]); got != "[map[name:certs secret:map[defaultMode:292 secretName:mine]]]" {
		t.Errorf("the volumes are %s", got)
	}
	if o["Role.rbac.authorization.k8s.io shmkeeper-system/shmkeeper-ca"] != nil {
		t.Error("the server may write Secrets that it has no use for")
	}
	monitor := o["ServiceMonitor.monitoring.coreos.com shmkeeper-system/shmkeeper-metrics"]
	if got := fmt.Sprint(monitor.Object["spec"]); !strings.Contains(got, "ca:map[secret:map[key:ca.crt name:mine]]") {
		t.Errorf("the ServiceMonitor trusts another CA: %s", got)
	}
	// Otherwise nobody but the server and cert-manager writes one.
	for _, values := range []string{"", "{certs: {source: cert-manager}}"} {
		for name, bundle := range render(t, values).webhook(t, mutatingKey, "clientConfig", "caBundle") {
			if bundle != "<nil>" {
				t.Errorf("%s has the caBundle %s", name, bundle)
			}
		}
	}
}

// No value gives the Pods a user, a group of files, or more rights on their node. OpenShift chooses the first two for each
// namespace and rejects a Pod that names others.
func TestValues_ChangeNoSecurityContext(t *testing.T) {
	pod := map[string]any{"runAsNonRoot": true, "seccompProfile": map[string]any{"type": "RuntimeDefault"}}
	container := map[string]any{
		"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": map[string]any{"drop": []any{"ALL"}},
	}
	for name, values := range map[string]string{
		"no values":                      "",
		"certificates from a Secret":     `{certs: {source: secret, secret: {name: mine, caBundle: "-----BEGIN CERTIFICATE-----\n"}}}`,
		"certificates from cert-manager": "{certs: {source: cert-manager}}",
		"audit as the most":              "{maxMode: audit}",
		"the network of the nodes":       "{hostNetwork: true}",
		"measuring volumes":              "{usage: {enabled: true}}",
		"no audit, events or network":    "{audit: {enabled: false}, events: {enabled: false}, networkPolicy: {enabled: false}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := render(t, values)
			if diff := cmp.Diff(pod, o.pod(t)["securityContext"]); diff != "" {
				t.Errorf("the Pod (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(container, o.container(t)["securityContext"]); diff != "" {
				t.Errorf("the container (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValues_Pods(t *testing.T) {
	o := render(t, `
replicas: 1
priorityClassName: ""
nodeSelector: {a: b}
tolerations: [{key: c, operator: Exists}]
affinity: {nodeAffinity: {}}
topologySpreadConstraints: []
image: {pullSecrets: [{name: d}]}
podLabels: {e: f}
podAnnotations: {g: h}
ports: {webhook: 1000}
resources: {limits: {memory: 512Mi}}
networkPolicy: {metricsFrom: {i: j}, apiServerPorts: [16443]}
namespaces: [{name: shop, mode: audit}]
certs: {certManager: {issuerRef: {kind: ClusterIssuer, name: k}}, source: cert-manager}
`)
	pod, c := o.pod(t), o.container(t)
	for what, pair := range map[string][2]any{
		"nodeSelector":      {pod["nodeSelector"], map[string]any{"a": "b"}},
		"tolerations":       {pod["tolerations"], []any{map[string]any{"key": "c", "operator": "Exists"}}},
		"affinity":          {pod["affinity"], map[string]any{"nodeAffinity": map[string]any{}}},
		"spread":            {pod["topologySpreadConstraints"], nil},
		"priorityClassName": {pod["priorityClassName"], nil},
		"imagePullSecrets":  {pod["imagePullSecrets"], []any{map[string]any{"name": "d"}}},
		"resources":         {c["resources"], map[string]any{"requests": map[string]any{"cpu": "50m", "memory": "96Mi"}, "limits": map[string]any{"memory": "512Mi"}}},
	} {
		if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	for what, text := range map[string]string{
		"labels of the Pods":      "e:f",
		"annotations of the Pods": "g:h",
		"the port, declared":      "containerPort:1000",
		"the port, set":           "map[name:SHMKEEPER_WEBHOOK_PORT value:1000]",
	} {
		if !strings.Contains(fmt.Sprint(o[deploymentKey].Object), text) {
			t.Errorf("%s: the Deployment has no %s", what, text)
		}
	}
	for key, text := range map[string]string{
		"NetworkPolicy.networking.k8s.io shmkeeper-system/shmkeeper":        "i:j",
		"NetworkPolicy.networking.k8s.io shmkeeper-system/shmkeeper-egress": "port:16443",
		"Namespace /shop": "shmkeeper.dev/mode:audit",
		"Certificate.cert-manager.io shmkeeper-system/shmkeeper-serving": "issuerRef:map[group:cert-manager.io kind:ClusterIssuer name:k]",
	} {
		if o[key] == nil || !strings.Contains(fmt.Sprint(o[key].Object), text) {
			t.Errorf("%s has no %s: %v", key, text, o[key])
		}
	}
	for _, key := range []string{
		"PodDisruptionBudget.policy shmkeeper-system/shmkeeper", "ResourceQuota /shmkeeper-critical-pods", "Issuer.cert-manager.io shmkeeper-system/shmkeeper-issuing",
	} {
		if o[key] != nil {
			t.Errorf("%s is there", key)
		}
	}
}

// On an upgrade the CRD is one of the objects, as Helm reads crds/ at a first installation alone.
func TestCRD_IsUpgraded(t *testing.T) {
	for upgrade, want := range map[bool]int{false: 0, true: 1} {
		rendered, err := files(t, common.ReleaseOptions{Name: "shmkeeper", Namespace: "shmkeeper-system", Revision: 2, IsInstall: !upgrade, IsUpgrade: upgrade}, "")
		if err != nil {
			t.Fatal(err)
		}
		o := objects{}
		o.read(t, rendered["shmkeeper/templates/crd.yaml"])
		if len(o) != want {
			t.Errorf("upgrade %t: %d objects, want %d", upgrade, len(o), want)
		}
		first := objects{}
		first.read(t, string(loadChart(t).CRDObjects()[0].File.Data))
		if diff := cmp.Diff(first[crdKey], o[crdKey]); want > 0 && diff != "" {
			t.Errorf("an upgrade brings another CRD than an installation: %s", diff)
		}
	}
}

// What cannot work is refused, with the remedy.
func TestValues_Refused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*common.ReleaseOptions)
		values string
		want   string
	}{
		"another namespace": {
			func(o *common.ReleaseOptions) { o.Namespace = "default" }, "",
			`the release is for the namespace "default", but the webhook configurations leave out shmkeeper-system by name: add --namespace=shmkeeper-system`,
		},
		"another name": {
			func(o *common.ReleaseOptions) { o.Name = "shm" }, "",
			`the release is called "shm", but the CRD is marked as part of a release called shmkeeper: give it that name; a cluster has room for one`,
		},
		"a Secret without a CA": {
			nil, "{certs: {source: secret, secret: {name: mine}}}",
			"certs.secret: name and caBundle are needed with certs.source=secret: name the Secret, and give the CA of its certificate in PEM",
		},
		"a policy that is not there":  {nil, "{policies: {include: [redis]}}", `policies: "redis" is not a policy of the library: write one of airflow, `},
		"a mistyped exclusion":        {nil, "{policies: {include: ['*'], exclude: [rai]}}", `policies: "rai" is not a policy of the library: write one of airflow, `},
		"a value that does not exist": {nil, "{replicaCount: 2}", "additional properties 'replicaCount' not allowed"},
		"a mode of a policy":          {nil, "{maxMode: Enforce}", "value must be one of 'audit', 'warn', 'enforce'"},
		"no time":                     {nil, "{webhooks: {mutate: {timeoutSeconds: 0}}}", "minimum: got 0, want 1"},
		"no replica":                  {nil, "{replicas: 0}", "minimum: got 0, want 1"},
		"a failure policy of one that always fails open": {nil, "{webhooks: {report: {failurePolicy: Fail}}}", "additional properties 'failurePolicy' not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			o := release
			if c.change != nil {
				c.change(&o)
			}
			_, err := files(t, o, c.values)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v\nwant %s", err, c.want)
			}
		})
	}
}

// as returns a part of an object as what it has to be.
func as[T any](v any) T {
	out, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("%v is a %T, want a %T", v, v, out))
	}
	return out
}
