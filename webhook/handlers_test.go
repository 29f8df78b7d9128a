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
	"k8s.io/apimachinery/pkg/util/validation/field"
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

func compile(t testing.TB, spec string) policy.Policy { return compileNamed(t, "p", spec) }

func compileNamed(t testing.TB, name, spec string) policy.Policy {
	t.Helper()
	p := v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	compiled, errs := policy.Compile(&p)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return compiled
}

// options returns options for one policy, and a namespace for each mode that is named after it.
func options(t testing.TB, spec string) Options {
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

func request(t testing.TB, operation admissionv1.Operation, kind metav1.GroupVersionKind, namespace, object, old string) admission.Request {
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
	match256   = "match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 256Mi}}"
	fixed      = "{" + match256 + ", memory: {handling: Ignore}}"
	disabled   = "{" + match256 + ", memory: {handling: Ignore}, mutation: Disabled}"
	raising    = "{" + match256 + "}"
	plainPod   = "{metadata: {generateName: web-, labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}"
	otherPod   = "{metadata: {name: other}, spec: {containers: [{name: web, image: web}]}}"
	diskPod    = "{metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {}}]}}"
	sizedPod   = "{metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}"
	smallerPod = "{metadata: {name: web, labels: {app: web}}, spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 100Mi}}]}}"
)

// handle answers as a server does: with the patch encoded.
func handle(t testing.TB, h admission.Handler, req admission.Request) admission.Response {
	t.Helper()
	r := h.Handle(context.Background(), req)
	if err := r.Complete(req); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMutatePods_PatchesPod(t *testing.T) {
	o := options(t, fixed)
	req := request(t, admissionv1.Create, podKind, "enforce", plainPod, "")
	r := handle(t, mutatePods(o), req)
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
		"detail": `adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`,
	}
	if diff := cmp.Diff(want, r.AuditAnnotations); diff != "" {
		t.Errorf("audit annotations -want +got:\n%s", diff)
	}
}

func TestMutatePods_LeavesAlone(t *testing.T) {
	for name, c := range map[string]struct {
		spec, pod string
		most      v1alpha1.Mode
	}{
		"a Pod that no policy matches":             {fixed, otherPod, v1alpha1.Enforce},
		"a Pod that complies":                      {fixed, sizedPod, v1alpha1.Enforce},
		"a Pod that no mutation fixes":             {fixed, diskPod, v1alpha1.Enforce},
		"every Pod, if the server only audits":     {fixed, plainPod, v1alpha1.Audit},
		"every Pod, if the server only warns":      {fixed, plainPod, v1alpha1.Warn},
		"every Pod of a policy that only audits":   {strings.TrimSuffix(fixed, "}") + ", mode: Audit}", plainPod, v1alpha1.Enforce},
		"every Pod of a policy that never mutates": {disabled, plainPod, v1alpha1.Enforce},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, c.spec)
			o.MaxMode = c.most
			r := handle(t, mutatePods(o), request(t, admissionv1.Create, podKind, "enforce", c.pod, ""))
			if !r.Allowed || len(r.Patch) > 0 || len(r.Warnings) > 0 {
				t.Errorf("allowed %t, patch %s, warnings %v", r.Allowed, r.Patch, r.Warnings)
			}
		})
	}
}

func TestEnforcePods(t *testing.T) {
	const missing = `violates SharedMemoryPolicy "p": container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 256Mi there`
	for name, c := range map[string]struct {
		spec, pod, old string
		most           v1alpha1.Mode
		allowed        bool
		message        string
		warnings       []string
	}{
		"admits a Pod that no policy matches": {spec: fixed, pod: otherPod, allowed: true},
		"admits a Pod that complies":          {spec: fixed, pod: sizedPod, allowed: true},
		"rejects a Pod that was not mutated": {
			spec: fixed, pod: plainPod,
			message: missing + "; shmkeeper fixes this when a Pod is created, but its mutating webhook was not called, " +
				"or another webhook undid the change: try again, or tell shmkeeper's administrator",
		},
		"rejects a Pod of a policy that never mutates": {spec: disabled, pod: plainPod, message: missing},
		"rejects a Pod with a disk": {
			spec: fixed, pod: diskPod,
			message: `violates SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`,
		},
		"warns if the server warns at most": {
			spec: disabled, pod: plainPod, most: v1alpha1.Warn, allowed: true,
			warnings: []string{"would " + strings.Replace(missing, "violates", "violate", 1)},
		},
		"says nothing if the server audits":                        {spec: disabled, pod: plainPod, most: v1alpha1.Audit, allowed: true},
		"admits an update that does not bring about the violation": {spec: fixed, pod: plainPod, old: plainPod, allowed: true},
		"rejects an update that makes the volume too small": {
			spec: fixed, pod: smallerPod, old: sizedPod,
			message: `violates SharedMemoryPolicy "p": container "web" mounts volume "shm" of 100Mi at /dev/shm and needs 256Mi: set sizeLimit: 256Mi`,
		},
		"rejects what it cannot read": {
			spec: fixed, pod: "{spec: {containers: 3}}",
			message: "read the object of the request: json: cannot unmarshal number into Go struct field SpecView.spec.containers of type []policy.ContainerView",
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
			r := handle(t, enforcePods(o), request(t, operation, podKind, "enforce", c.pod, c.old))
			if r.Allowed != c.allowed {
				t.Fatalf("allowed %t: %v", r.Allowed, r.Result)
			}
			if !c.allowed && r.Result.Message != c.message {
				t.Errorf("message %q\nwant    %q", r.Result.Message, c.message)
			}
			if !c.allowed && r.Result.Code == 422 {
				t.Error("rejected with 422")
			}
			if diff := cmp.Diff(c.warnings, r.Warnings); diff != "" {
				t.Errorf("warnings -want +got:\n%s", diff)
			}
		})
	}
}

func TestReportPods_NeverRejects(t *testing.T) {
	const wouldAdd = `would violate SharedMemoryPolicy "p", which in mode enforce adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`
	for name, c := range map[string]struct {
		namespace, pod string
		warnings       []string
	}{
		"and warns of what enforcing would change": {"warn", plainPod, []string{wouldAdd}},
		"and warns of what enforcing would reject": {"warn", diskPod, []string{
			`would violate SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`,
		}},
		"and is silent in a namespace that audits": {"audit", plainPod, nil},
		"and audits if the label makes no sense":   {"strict", plainPod, []string{`label shmkeeper.dev/mode of the namespace: mode "strict" is unknown and counts as audit: write audit, warn or enforce`}},
		"and audits a namespace it does not know":  {"new", plainPod, nil},
		"and warns at most if the label changed":   {"enforce", plainPod, []string{wouldAdd}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, fixed)
			r := handle(t, reportPods(o), request(t, admissionv1.Create, podKind, c.namespace, c.pod, ""))
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

func TestWarnWorkloads(t *testing.T) {
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
			`Pods of this Deployment will be changed by SharedMemoryPolicy "p", which adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`,
		}},
		"says what Pods would get if nothing is enforced": {"warn", plain, "", []string{
			`Pods of this Deployment would be changed in mode enforce by SharedMemoryPolicy "p", which adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`,
		}},
		"says why Pods will be rejected": {"enforce", disk, "", []string{
			`Pods of this Deployment will be rejected, because they violate SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`,
		}},
		"is silent in a namespace that audits":  {"audit", plain, "", nil},
		"is silent if only the replicas change": {"enforce", scaled, plain, nil},
		"speaks up if an update changes the template": {"enforce", disk, plain, []string{
			`Pods of this Deployment will be rejected, because they violate SharedMemoryPolicy "p": container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			operation := admissionv1.Create
			if c.old != "" {
				operation = admissionv1.Update
			}
			r := handle(t, warnWorkloads(options(t, fixed)), request(t, operation, deployment, c.namespace, c.object, c.old))
			if !r.Allowed || len(r.Patch) > 0 {
				t.Fatalf("allowed %t, patch %s", r.Allowed, r.Patch)
			}
			if diff := cmp.Diff(c.warnings, r.Warnings); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestValidatePolicies(t *testing.T) {
	kind := metav1.GroupVersionKind{Group: "shmkeeper.dev", Version: "v1alpha1", Kind: "SharedMemoryPolicy"}
	h := validatePolicies(options(t, fixed))
	good := handle(t, h, request(t, admissionv1.Create, kind, "", "{metadata: {name: a}, spec: "+fixed+"}", ""))
	if !good.Allowed {
		t.Errorf("a good policy is rejected: %v", good.Result)
	}
	bad := handle(t, h, request(t, admissionv1.Create, kind, "", "{metadata: {name: a}, spec: {match: [{images: ['a[']}], sizing: {fixed: {size: 1Gi}}}}", ""))
	const want = `SharedMemoryPolicy "a" is invalid: spec.match[0].images[0]: Invalid value: "a[": is not a glob: close the bracket, or put a backslash before it`
	if bad.Allowed || bad.Result.Message != want {
		t.Errorf("allowed %t, message %q, want %q", bad.Allowed, bad.Result.Message, want)
	}
	full := handle(t, h, request(t, admissionv1.Create, kind, "", "{metadata: {name: a}, spec: {match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', fileSize: 1500}}}}", ""))
	if diff := cmp.Diff([]string{
		"spec.sizing.files: files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: delete old files, and set sizing.files.retention to how old they get",
		"spec.match: the API server sends every Pod to shmkeeper, since it cannot tell which ones the policy matches: " +
			"give each entry of match a podSelector that asks for a label, images, tmpfsPaths or mounted",
	}, full.Warnings); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A policy with thousands of mistakes is told the first.
func TestInvalid_BoundsCauses(t *testing.T) {
	var errs field.ErrorList
	for i := range 1000 {
		errs = append(errs, field.Required(field.NewPath("spec").Index(i), "write one"))
	}
	got := invalid("a", errs).Result
	if len(got.Details.Causes) != mostCauses || strings.Count(got.Message, "write one") != mostCauses ||
		!strings.HasSuffix(got.Message, "; and 936 more") {
		t.Errorf("%d causes, and the message %s", len(got.Details.Causes), got.Message)
	}
}

// What is wrong inside of us: each handler takes its stance, and counts.
func TestHandlers_InternalError(t *testing.T) {
	o := options(t, fixed)
	o.Cluster = brokenCluster{fakeCluster{namespaces: map[string]map[string]string{"enforce": {}}}}
	deployment := metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	for name, c := range map[string]struct {
		handler func(Options) *handler
		kind    metav1.GroupVersionKind
		allowed bool
	}{
		"mutate":    {mutatePods, podKind, true},
		"enforce":   {enforcePods, podKind, false},
		"report":    {reportPods, podKind, true},
		"templates": {warnWorkloads, deployment, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := handle(t, c.handler(o), request(t, admissionv1.Create, c.kind, "enforce", plainPod, ""))
			if r.Allowed != c.allowed {
				t.Errorf("allowed %t, want %t", r.Allowed, c.allowed)
			}
			if c.allowed && len(r.Warnings) != 1 {
				t.Errorf("warnings %v", r.Warnings)
			}
			handle(t, c.handler(o), request(t, admissionv1.Create, c.kind, "unknown", plainPod, ""))
			if got := testutil.ToFloat64(o.Metrics.errors.WithLabelValues(name)); got != 1 {
				t.Errorf("%g errors counted, want only that in the namespace that is known", got)
			}
		})
	}
}

func TestShorten(t *testing.T) {
	got := shorten([]string{strings.Repeat("ä", 2000), "b", "c", "d", "e"})
	if len(got) != 4 || got[3] != "and 2 more: see them with kubectl shm review" {
		t.Errorf("got %d warnings, the last %q", len(got), got[len(got)-1])
	}
	if n := len([]rune(got[0])); n != longestWarning || !strings.HasSuffix(got[0], "...") {
		t.Errorf("the first has %d characters", n)
	}
}
