package webhook

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// fakeCluster knows its namespaces by a map.
type fakeCluster struct {
	set        policy.Set
	namespaces map[string]map[string]string
	limits     []*corev1.LimitRange
	quotas     []*corev1.ResourceQuota
}

func (c fakeCluster) Policies() policy.Set { return c.set }
func (c fakeCluster) NamespaceLabels(name string) (map[string]string, bool) {
	labels, ok := c.namespaces[name]
	return labels, ok
}
func (c fakeCluster) LimitRanges(string) []*corev1.LimitRange       { return c.limits }
func (c fakeCluster) ResourceQuotas(string) []*corev1.ResourceQuota { return c.quotas }

// brokenCluster is one that no handler survives.
type brokenCluster struct{ fakeCluster }

func (brokenCluster) Policies() policy.Set { panic("no policies") }

func compile(t *testing.T, spec string) policy.Policy {
	t.Helper()
	p := v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	compiled, errs := policy.Compile(&p)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return compiled
}

// options are for one policy, and a namespace for each mode that is named after it.
func options(t *testing.T, spec string) Options {
	t.Helper()
	namespaces := map[string]map[string]string{}
	for _, mode := range []string{"audit", "warn", "enforce", "strict"} {
		namespaces[mode] = map[string]string{v1alpha1.LabelMode: mode, "kubernetes.io/metadata.name": mode}
	}
	return Options{
		Cluster: fakeCluster{set: policy.NewSet(compile(t, spec)), namespaces: namespaces},
		MaxMode: v1alpha1.Enforce,
		Metrics: NewMetrics(prometheus.NewRegistry()),
	}
}

func request(t *testing.T, operation admissionv1.Operation, kind metav1.GroupVersionKind, namespace, object, old string) admission.Request {
	t.Helper()
	raw := func(text string) runtime.RawExtension {
		if text == "" {
			return runtime.RawExtension{}
		}
		j, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return runtime.RawExtension{Raw: j}
	}
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "uid", Kind: kind, Namespace: namespace, Operation: operation, Object: raw(object), OldObject: raw(old),
	}}
}

var podKind = metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}

const (
	fixed      = "{match: {podSelector: {matchLabels: {app: web}}}, sizing: {fixed: 256Mi}}"
	disabled   = "{match: {podSelector: {matchLabels: {app: web}}}, sizing: {fixed: 256Mi}, mutation: Disabled}"
	plainPod   = "{metadata: {generateName: web-, labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}"
	otherPod   = "{metadata: {name: other}, spec: {containers: [{name: web, image: web}]}}"
	diskPod    = "{metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {}}]}}"
	sizedPod   = "{metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}"
	smallerPod = "{metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 100Mi}}]}}"
)

// handle answers as a server does: with the patch encoded.
func handle(t *testing.T, h admission.Handler, req admission.Request) admission.Response {
	t.Helper()
	r := h.Handle(context.Background(), req)
	if err := r.Complete(req); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMutatePodsPatchesAPod(t *testing.T) {
	o := options(t, fixed)
	req := request(t, admissionv1.Create, podKind, "enforce", plainPod, "")
	r := handle(t, MutatePods(o), req)
	if !r.Allowed || len(r.Warnings) > 0 {
		t.Fatalf("allowed %t, warnings %v", r.Allowed, r.Warnings)
	}
	patch, err := jsonpatch.DecodePatch(r.Patch)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply(req.Object.Raw)
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := json.Unmarshal(patched, &pod); err != nil {
		t.Fatal(err)
	}
	if got := pod.Spec.Volumes[0].EmptyDir.SizeLimit.String(); got != "256Mi" {
		t.Errorf("sizeLimit %s", got)
	}
	want := map[string]string{
		"policy": "p", "mode": "enforce", "outcome": "Mutated", "reason": "AddVolume", "size-limit": "256Mi",
		"detail": `adds a Memory emptyDir of 256Mi, mounts it at /dev/shm in "web"`,
	}
	if diff := cmp.Diff(want, r.AuditAnnotations); diff != "" {
		t.Errorf("audit annotations -want +got:\n%s", diff)
	}
}

func TestMutatePodsLeavesAlone(t *testing.T) {
	for name, c := range map[string]struct {
		spec, pod string
		most      v1alpha1.Mode
	}{
		"a Pod that no policy governs":             {fixed, otherPod, v1alpha1.Enforce},
		"a Pod that complies":                      {fixed, sizedPod, v1alpha1.Enforce},
		"a Pod that no mutation mends":             {fixed, diskPod, v1alpha1.Enforce},
		"every Pod, where the server only audits":  {fixed, plainPod, v1alpha1.Audit},
		"every Pod, where the server only warns":   {fixed, plainPod, v1alpha1.Warn},
		"every Pod of a policy that only audits":   {strings.TrimSuffix(fixed, "}") + ", mode: Audit}", plainPod, v1alpha1.Enforce},
		"every Pod of a policy that never mutates": {disabled, plainPod, v1alpha1.Enforce},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, c.spec)
			o.MaxMode = c.most
			r := handle(t, MutatePods(o), request(t, admissionv1.Create, podKind, "enforce", c.pod, ""))
			if !r.Allowed || len(r.Patch) > 0 || len(r.Warnings) > 0 {
				t.Errorf("allowed %t, patch %s, warnings %v", r.Allowed, r.Patch, r.Warnings)
			}
		})
	}
}

func TestEnforcePods(t *testing.T) {
	const missing = `violates SharedMemoryPolicy "p": container "web" mounts nothing at /dev/shm and gets the runtime's 64Mi; mount a Memory emptyDir with sizeLimit: 256Mi there`
	for name, c := range map[string]struct {
		spec, pod, old string
		most           v1alpha1.Mode
		allowed        bool
		message        string
		warnings       []string
	}{
		"lets a Pod pass that no policy governs": {spec: fixed, pod: otherPod, allowed: true},
		"lets a Pod pass that complies":          {spec: fixed, pod: sizedPod, allowed: true},
		"refuses a Pod that was not mutated": {
			spec: fixed, pod: plainPod,
			message: missing + "; shmkeeper would have mended that, but its mutating webhook did not run: try again, or tell whoever runs shmkeeper",
		},
		"refuses a Pod of a policy that never mutates": {spec: disabled, pod: plainPod, message: missing},
		"refuses a Pod with a disk": {
			spec: fixed, pod: diskPod,
			message: `violates SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir; mount a Memory emptyDir with sizeLimit: 256Mi there`,
		},
		"warns where the server warns at most": {
			spec: disabled, pod: plainPod, most: v1alpha1.Warn, allowed: true,
			warnings: []string{"would " + strings.Replace(missing, "violates", "violate", 1)},
		},
		"says nothing where the server audits":                      {spec: disabled, pod: plainPod, most: v1alpha1.Audit, allowed: true},
		"lets a violation pass that an update does not bring about": {spec: fixed, pod: plainPod, old: plainPod, allowed: true},
		"refuses an update that makes the volume too small": {
			spec: fixed, pod: smallerPod, old: sizedPod,
			message: `violates SharedMemoryPolicy "p": container "web" mounts volume "shm" of 100Mi at /dev/shm and needs 256Mi; set sizeLimit: 256Mi`,
		},
		"refuses what it cannot read": {
			spec: fixed, pod: "{spec: {containers: 3}}",
			message: "read the object of the request: json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type []v1.Container",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, c.spec)
			if c.most != "" {
				o.MaxMode = c.most
			}
			operation := admissionv1.Create
			if c.old != "" {
				operation = admissionv1.Update
			}
			r := handle(t, EnforcePods(o), request(t, operation, podKind, "enforce", c.pod, c.old))
			if r.Allowed != c.allowed {
				t.Fatalf("allowed %t: %v", r.Allowed, r.Result)
			}
			if !c.allowed && r.Result.Message != c.message {
				t.Errorf("message %q\nwant    %q", r.Result.Message, c.message)
			}
			if !c.allowed && r.Result.Code == 422 {
				t.Error("refused with 422")
			}
			if diff := cmp.Diff(c.warnings, r.Warnings); diff != "" {
				t.Errorf("warnings -want +got:\n%s", diff)
			}
		})
	}
}

func TestReportPodsNeverRefuses(t *testing.T) {
	const wouldAdd = `would violate SharedMemoryPolicy "p", which in mode enforce adds a Memory emptyDir of 256Mi, mounts it at /dev/shm in "web"`
	for name, c := range map[string]struct {
		namespace, pod string
		warnings       []string
	}{
		"and warns of what enforcing would change": {"warn", plainPod, []string{wouldAdd}},
		"and warns of what enforcing would refuse": {"warn", diskPod, []string{
			`would violate SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir; mount a Memory emptyDir with sizeLimit: 256Mi there`,
		}},
		"and is silent in a namespace that audits":  {"audit", plainPod, nil},
		"and audits where the label makes no sense": {"strict", plainPod, []string{`label shmkeeper.dev/mode of the namespace: mode "strict" is unknown and counts as audit: write audit, warn or enforce`}},
		"and audits a namespace it does not know":   {"new", plainPod, nil},
		"and warns at most where the label changed": {"enforce", plainPod, []string{wouldAdd}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, fixed)
			r := handle(t, ReportPods(o), request(t, admissionv1.Create, podKind, c.namespace, c.pod, ""))
			if !r.Allowed || len(r.Patch) > 0 {
				t.Fatalf("allowed %t, patch %s", r.Allowed, r.Patch)
			}
			if diff := cmp.Diff(c.warnings, r.Warnings); diff != "" {
				t.Errorf("warnings -want +got:\n%s", diff)
			}
			if r.AuditAnnotations["policy"] != "p" {
				t.Errorf("audit annotations %v", r.AuditAnnotations)
			}
		})
	}
}

func TestWarnTemplates(t *testing.T) {
	deployment := metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	const (
		plain  = "{metadata: {name: web}, spec: {replicas: 1, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}}"
		scaled = "{metadata: {name: web}, spec: {replicas: 2, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}}"
		disk   = "{metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {}}]}}}}"
	)
	for name, c := range map[string]struct {
		namespace, object, old string
		warnings               []string
	}{
		"says what Pods will get": {"enforce", plain, "", []string{
			`Pods of this Deployment will be changed by SharedMemoryPolicy "p", which adds a Memory emptyDir of 256Mi, mounts it at /dev/shm in "web"`,
		}},
		"says what Pods would get where nothing is enforced": {"warn", plain, "", []string{
			`Pods of this Deployment would be changed in mode enforce by SharedMemoryPolicy "p", which adds a Memory emptyDir of 256Mi, mounts it at /dev/shm in "web"`,
		}},
		"says why Pods will be refused": {"enforce", disk, "", []string{
			`Pods of this Deployment will be refused, as they violate SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir; mount a Memory emptyDir with sizeLimit: 256Mi there`,
		}},
		"is silent in a namespace that audits":     {"audit", plain, "", nil},
		"is silent where only the replicas change": {"enforce", scaled, plain, nil},
		"speaks up where an update changes the template": {"enforce", disk, plain, []string{
			`Pods of this Deployment will be refused, as they violate SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir; mount a Memory emptyDir with sizeLimit: 256Mi there`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			operation := admissionv1.Create
			if c.old != "" {
				operation = admissionv1.Update
			}
			r := handle(t, WarnTemplates(options(t, fixed)), request(t, operation, deployment, c.namespace, c.object, c.old))
			if !r.Allowed || len(r.Patch) > 0 {
				t.Fatalf("allowed %t, patch %s", r.Allowed, r.Patch)
			}
			if diff := cmp.Diff(c.warnings, r.Warnings); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// withQuota is a cluster with a ResourceQuota in each namespace.
type withQuota struct {
	Cluster
	quota *corev1.ResourceQuota
}

func (c withQuota) ResourceQuotas(string) []*corev1.ResourceQuota {
	return []*corev1.ResourceQuota{c.quota}
}

// One Pod with 512Mi, in a namespace where 600Mi are left: each webhook says the same.
func TestAQuotaThatTheRaiseExceeds(t *testing.T) {
	const (
		spec     = "{containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 512Mi}}}]}"
		pod      = "{metadata: {name: web, labels: {app: web}}, spec: " + spec + "}"
		template = "{metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: " + spec + "}}}"
		raised   = "{metadata: {name: web, labels: {app: web}, annotations: {shmkeeper.dev/injected: '{\"policy\":\"p\",\"volume\":\"shmkeeper-shm\",\"sizeLimit\":\"256Mi\"," +
			"\"memory\":{\"web\":{\"limit\":805923704,\"request\":805923704,\"limitAdded\":269052792,\"requestAdded\":269052792,\"charge\":269052792}}}'}}, " +
			"spec: {containers: [{name: web, image: web, resources: {limits: {memory: '805923704'}, requests: {memory: '805923704'}}, volumeMounts: [{name: shmkeeper-shm, mountPath: /dev/shm}]}], " +
			"volumes: [{name: shmkeeper-shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}"
		detail = `the Pod needs 768.6Mi of limits.memory, of which shmkeeper adds 256.6Mi for a /dev/shm of 256Mi, and ResourceQuota "small" leaves 600Mi of its 600Mi: ` +
			`raise limits.memory under spec.hard of the ResourceQuota to at least 769Mi, or lower the size by a lower sizing.fixed`
		adds = `adds a Memory emptyDir of 256Mi, mounts it at /dev/shm in "web", raises the memory limit of "web" from 512Mi to 768.6Mi and its request from 512Mi to 768.6Mi`
	)
	deployment := metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	small := &corev1.ResourceQuota{}
	if err := yaml.UnmarshalStrict([]byte("{metadata: {name: small}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}"), small); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		handler                func(Options) admission.Handler
		kind                   metav1.GroupVersionKind
		namespace, object, old string
		message                string
		warnings               []string
		mutated                bool
	}{
		"the Pod is mutated, as there may be room by the time it is judged": {handler: MutatePods, kind: podKind, namespace: "enforce", object: pod, mutated: true},
		"a Pod that was not mutated is refused": {
			handler: EnforcePods, kind: podKind, namespace: "enforce", object: pod, message: `violates SharedMemoryPolicy "p": ` + detail,
		},
		"a Pod that was mutated is refused": {
			handler: EnforcePods, kind: podKind, namespace: "enforce", object: raised, message: `violates SharedMemoryPolicy "p": ` + detail,
		},
		"a Pod that is there already has been counted":             {handler: EnforcePods, kind: podKind, namespace: "enforce", object: raised, old: raised},
		"a Pod that is given its volume by an update is not asked": {handler: EnforcePods, kind: podKind, namespace: "enforce", object: raised, old: pod},
		"the client is warned where the namespace only warns": {
			handler: ReportPods, kind: podKind, namespace: "warn", object: pod, warnings: []string{`would violate SharedMemoryPolicy "p": ` + detail},
		},
		"nothing is said where the namespace audits": {handler: ReportPods, kind: podKind, namespace: "audit", object: pod},
		"a new workload is warned for its Pods": {
			handler: WarnTemplates, kind: deployment, namespace: "enforce", object: template,
			warnings: []string{`Pods of this Deployment will be refused, as they violate SharedMemoryPolicy "p": ` + detail},
		},
		"a workload that is there already may be what uses the quota": {
			handler: WarnTemplates, kind: deployment, namespace: "enforce", object: template, old: strings.Replace(template, "image: web", "image: old", 1),
			warnings: []string{`Pods of this Deployment will be changed by SharedMemoryPolicy "p", which ` + adds},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, fixed)
			o.Cluster = withQuota{o.Cluster, small}
			operation := admissionv1.Create
			if c.old != "" {
				operation = admissionv1.Update
			}
			r := handle(t, c.handler(o), request(t, operation, c.kind, c.namespace, c.object, c.old))
			if r.Allowed != (c.message == "") || len(r.Patch) > 0 != c.mutated {
				t.Fatalf("allowed %t, patch %s, result %v", r.Allowed, r.Patch, r.Result)
			}
			if !r.Allowed {
				if diff := cmp.Diff(c.message, r.Result.Message); diff != "" {
					t.Errorf("message -want +got:\n%s", diff)
				}
				causes := []metav1.StatusCause{{Type: "ExceedsQuota", Message: detail}}
				if diff := cmp.Diff(causes, r.Result.Details.Causes); diff != "" {
					t.Errorf("causes -want +got:\n%s", diff)
				}
			}
			if diff := cmp.Diff(c.warnings, r.Warnings); diff != "" {
				t.Errorf("warnings -want +got:\n%s", diff)
			}
		})
	}
}

func TestValidatePolicies(t *testing.T) {
	kind := metav1.GroupVersionKind{Group: "shmkeeper.dev", Version: "v1alpha1", Kind: "SharedMemoryPolicy"}
	h := ValidatePolicies(options(t, fixed))
	good := handle(t, h, request(t, admissionv1.Create, kind, "", "{metadata: {name: a}, spec: "+fixed+"}", ""))
	if !good.Allowed {
		t.Errorf("a good policy is refused: %v", good.Result)
	}
	bad := handle(t, h, request(t, admissionv1.Create, kind, "", "{metadata: {name: a}, spec: {match: {images: ['a[']}, sizing: {fixed: 1Gi}}}", ""))
	const want = `SharedMemoryPolicy "a" is invalid: spec.match.images[0]: Invalid value: "a[": is not a glob: close the bracket, or put a backslash before it`
	if bad.Allowed || bad.Result.Message != want {
		t.Errorf("allowed %t, message %q, want %q", bad.Allowed, bad.Result.Message, want)
	}
	full := handle(t, h, request(t, admissionv1.Create, kind, "", "{metadata: {name: a}, spec: {match: {podSelector: {}}, sizing: {files: {createdPerMinute: '18', fileSize: 1500}}}}", ""))
	if diff := cmp.Diff([]string{"without spec.sizing.files.retention nothing is ever deleted: 4Gi fills after 40 d 10 h; write the retention"}, full.Warnings); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What is wrong inside of us: each handler takes its stance, and counts.
func TestInternalErrors(t *testing.T) {
	o := options(t, fixed)
	o.Cluster = brokenCluster{}
	deployment := metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	for name, c := range map[string]struct {
		handler func(Options) admission.Handler
		kind    metav1.GroupVersionKind
		allowed bool
	}{
		"mutate":    {MutatePods, podKind, true},
		"enforce":   {EnforcePods, podKind, false},
		"report":    {ReportPods, podKind, true},
		"templates": {WarnTemplates, deployment, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := handle(t, c.handler(o), request(t, admissionv1.Create, c.kind, "enforce", plainPod, ""))
			if r.Allowed != c.allowed {
				t.Errorf("allowed %t, want %t", r.Allowed, c.allowed)
			}
			if c.allowed && len(r.Warnings) != 1 {
				t.Errorf("warnings %v", r.Warnings)
			}
			if got := testutil.ToFloat64(o.Metrics.errors.WithLabelValues(name)); got != 1 {
				t.Errorf("%g errors counted", got)
			}
		})
	}
}

func TestWarningsAreShortAndFew(t *testing.T) {
	got := shorten([]string{strings.Repeat("ä", 2000), "b", "c", "d", "e"})
	if len(got) != 4 || got[3] != "and 2 more: see them with kubectl shm review" {
		t.Errorf("got %d warnings, the last %q", len(got), got[len(got)-1])
	}
	if n := len([]rune(got[0])); n != longestWarning || !strings.HasSuffix(got[0], "...") {
		t.Errorf("the first has %d characters", n)
	}
}

// Since Kubernetes 1.37 an API server fills in pod-level memory after the mutating
// webhooks: here 512Mi and 128Mi.
func TestAPodIsJudgedWithoutWhatTheAPIServerFilledIn(t *testing.T) {
	const pod = `
metadata:
  name: web
  labels: {app: web}
  managedFields: [{manager: kubectl, operation: Update, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:resources": {"f:limits": {"f:cpu": {}}}}}}]
spec:
  resources: {limits: {cpu: "2", memory: 512Mi}, requests: {cpu: "2", memory: 128Mi}}
  containers:
  - {name: a, image: a, resources: {limits: {memory: 256Mi}, requests: {memory: 64Mi}}}
  - {name: b, image: b, resources: {limits: {memory: 256Mi}, requests: {memory: 64Mi}}}
`
	quota := &corev1.ResourceQuota{}
	quota.Name = "small"
	if err := yaml.UnmarshalStrict([]byte("{hard: {limits.memory: 900Mi}, used: {limits.memory: 0}}"), &quota.Status); err != nil {
		t.Fatal(err)
	}
	o := options(t, fixed)
	c, ok := o.Cluster.(fakeCluster)
	if !ok {
		t.Fatalf("the cluster is a %T", o.Cluster)
	}
	c.quotas = []*corev1.ResourceQuota{quota}
	o.Cluster = c
	const detail = `the Pod needs 1025.2Mi of limits.memory, of which shmkeeper adds 513.2Mi for a /dev/shm of 256Mi, and ResourceQuota "small" leaves 900Mi of its 900Mi: ` +
		`raise limits.memory under spec.hard of the ResourceQuota to at least 1026Mi, or lower the size by a lower sizing.fixed`
	refused := handle(t, EnforcePods(o), request(t, admissionv1.Create, podKind, "enforce", pod, ""))
	if want := `violates SharedMemoryPolicy "p": ` + detail; refused.Allowed || refused.Result.Message != want {
		t.Errorf("allowed %t, %v\nwant %s", refused.Allowed, refused.Result, want)
	}
	warned := handle(t, ReportPods(o), request(t, admissionv1.Create, podKind, "warn", pod, ""))
	if diff := cmp.Diff([]string{`would violate SharedMemoryPolicy "p": ` + detail}, warned.Warnings); diff != "" {
		t.Errorf("warnings -want +got:\n%s", diff)
	}
}
