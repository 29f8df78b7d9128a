package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// reviewOf returns a review as an API server writes it. An empty object is left out.
func reviewOf(t testing.TB, kind metav1.GroupVersionKind, namespace string, object, old []byte) []byte {
	t.Helper()
	operation := admissionv1.Create
	if len(old) > 0 {
		operation = admissionv1.Update
	}
	dryRun := false
	text, err := json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "0c6f3ad4-7a55-4e0c-9a53-3b0f0a8ad6d1", Kind: kind, RequestKind: &kind, Namespace: namespace, Operation: operation,
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Object:   runtime.RawExtension{Raw: object}, OldObject: runtime.RawExtension{Raw: old}, DryRun: &dryRun,
			Options: runtime.RawExtension{Raw: []byte(`{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1"}`)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// post sends a body to a handler as an API server does.
func post(t testing.TB, h http.Handler, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// reply is a response with its patch decoded.
type reply struct {
	Review admissionv1.AdmissionReview
	Patch  any
}

func replyOf(t testing.TB, w *httptest.ResponseRecorder) reply {
	t.Helper()
	var out reply
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out.Review); err != nil {
		t.Fatalf("the response is not an AdmissionReview: %v: %s", err, w.Body)
	}
	if out.Review.Response == nil {
		t.Fatalf("there is no response: %s", w.Body)
	}
	if patch := out.Review.Response.Patch; len(patch) > 0 {
		if err := json.Unmarshal(patch, &out.Patch); err != nil {
			t.Fatalf("the patch is not JSON: %v: %s", err, patch)
		}
		out.Review.Response.Patch = nil
	}
	return out
}

// fullyKnown returns a cluster that knows everything about every namespace.
func fullyKnown(set policy.Set) Cluster {
	limitRange := &corev1.LimitRange{}
	limitRange.Spec.Limits = []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
	}}
	quota := &corev1.ResourceQuota{}
	quota.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeCrossNamespacePodAffinity}
	quota.Status.Hard = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("1Gi")}
	namespaces := map[string]map[string]string{}
	for _, mode := range []string{"audit", "warn", "enforce"} {
		namespaces[mode] = map[string]string{v1alpha1.LabelMode: mode}
	}
	return fakeCluster{set: set, namespaces: namespaces, limits: []*corev1.LimitRange{limitRange}, quotas: []*corev1.ResourceQuota{quota}}
}

// pair is a handler with the fast decoder in front, and the same without. Each has events of its own.
type pair struct {
	fast                   *httpHandler
	full                   *admission.Webhook
	fastEvents, fullEvents *heard
}

func pairs(set policy.Set) []pair {
	var out []pair
	for _, newOne := range []func(Options) *handler{mutatePods, enforcePods, reportPods, warnWorkloads} {
		options := func(events *heard) Options {
			return Options{Cluster: fullyKnown(set), MaxMode: v1alpha1.Enforce, Metrics: NewMetrics(prometheus.NewRegistry()), Events: events}
		}
		p := pair{fastEvents: &heard{}, fullEvents: &heard{}}
		p.fast, p.full = newHTTPHandler(newOne(options(p.fastEvents)), newLimits()), &admission.Webhook{Handler: newOne(options(p.fullEvents))}
		out = append(out, p)
	}
	return out
}

// numeral matches what could be parsed as a quantity.
var numeral = regexp.MustCompile(`^[-+]?[0-9.]+([eE][-+]?[0-9]+|[a-zA-Z]*)$`)

// hasExcessiveNumeral reports whether a review has a text that must not be parsed as a quantity. In this test
// nothing stands before the full decoder, which would parse it. That can take hours.
func hasExcessiveNumeral(body []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		if text := fmt.Sprint(token); numeral.MatchString(text) && sizing.IsExcessive(text) {
			return true
		}
	}
}

// sentByAPIServer reports whether an API server could have sent a review: it has read its objects into their
// types, and has written them again.
func sentByAPIServer(body []byte) bool {
	if hasExcessiveNumeral(body) {
		return false // TestHandlers_ExcessiveQuantity says how each decoder answers
	}
	var review admissionv1.AdmissionReview
	if decode(runtime.RawExtension{Raw: body}, &review) != nil || review.Request == nil || checkVersion(body) != nil {
		return false
	}
	kind := review.Request.Kind
	for _, raw := range []runtime.RawExtension{review.Request.Object, review.Request.OldObject} {
		object := podkind.New(versionOf(kind), kind.Kind)
		if object == nil {
			object = &corev1.Pod{}
		}
		if len(raw.Raw) > 0 && decode(raw, object) != nil {
			return false
		}
	}
	return true
}

func (p *pair) check(t testing.TB, body []byte) {
	t.Helper()
	want := replyOf(t, post(t, p.full, body))
	if diff := cmp.Diff(want, replyOf(t, post(t, p.fast, body))); diff != "" {
		t.Fatalf("webhook %s\n-full +fast:\n%s\n%s", p.fast.name, diff, body)
	}
	if diff := cmp.Diff(p.fullEvents.take(), p.fastEvents.take()); diff != "" {
		t.Fatalf("webhook %s: events -full +fast:\n%s\n%s", p.fast.name, diff, body)
	}
}

// gather returns the metrics of a handler.
func gather(t testing.TB, of admission.Handler) string {
	t.Helper()
	h, ok := of.(*handler)
	if !ok {
		t.Fatalf("%T is not a handler", of)
	}
	registry := prometheus.NewPedanticRegistry()
	for _, c := range []prometheus.Collector{h.options.Metrics.decisions, h.options.Metrics.violations, h.options.Metrics.errors} {
		if err := registry.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			m.GetCounter().CreatedTimestamp = nil
		}
	}
	return fmt.Sprint(families)
}

// workloadOf returns a workload of a kind with a Pod as its template.
func workloadOf(kind metav1.GroupVersionKind, pod []byte) []byte {
	template := func(indent string) string {
		return `{"spec":{"suspend":true,` + indent + `"template":` + string(pod) + `}}`
	}
	switch kind.Kind {
	case "PodTemplate":
		return []byte(`{"metadata":{"name":"w"},"template":` + string(pod) + `}`)
	case "CronJob":
		return []byte(`{"metadata":{"name":"w"},"spec":{"jobTemplate":` + strings.Replace(template(""), "{", `{"metadata":{"labels":{"kueue.x-k8s.io/queue-name":"q"}},`, 1) + `}}`)
	case "StatefulSet":
		return []byte(template(`"volumeClaimTemplates":[{"metadata":{"name":"shm"}}],`))
	default:
		return []byte(template(""))
	}
}

// allKinds are those of which the webhooks are asked.
var allKinds = []metav1.GroupVersionKind{
	podKind,
	{Version: "v1", Kind: "PodTemplate"},
	{Version: "v1", Kind: "ReplicationController"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Group: "apps", Version: "v1", Kind: "DaemonSet"},
	{Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	{Group: "batch", Version: "v1", Kind: "Job"},
	{Group: "batch", Version: "v1", Kind: "CronJob"},
}

// seedReviews returns reviews of each kind with Pods of the shared cases, and the same with what is unusual
// about them.
func seedReviews(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	for i, c := range policytest.Cases(t) {
		if c.Subject(t).Kind != "Pod" {
			continue
		}
		pod := []byte(c.Object.Raw)
		for j, kind := range allKinds {
			object := pod
			if kind != podKind {
				if (i+j)%4 > 0 {
					continue
				}
				object = workloadOf(kind, pod)
			}
			namespace := []string{"enforce", "warn", "audit", "unknown"}[(i+j)%4]
			out = append(out, reviewOf(t, kind, namespace, object, nil))
			if i%3 == 0 {
				old := bytes.ReplaceAll(object, []byte("Mi"), []byte("Gi"))
				deleted := bytes.Replace(object, []byte(`"metadata":{`), []byte(`"metadata":{"deletionTimestamp":"2026-04-18T00:00:00Z",`), 1)
				out = append(out, reviewOf(t, kind, namespace, object, old), reviewOf(t, kind, namespace, deleted, old))
			}
		}
	}
	return out
}

// unusual are ways in which a review differs from what an API server writes.
var unusual = [][2]string{
	{`"metadata":{`, `"metadata":{"name":"first"},"metadata":{`},
	{`"name":`, `"name":"first","name":`},
	{`"name":`, `"Name":"other","name":`},
	{`"spec":{`, `"Spec":{"containers":[]},"spec":{"hostIPC":null,`},
	{`"containers":[`, `"containers":[null,`},
	{`"containers":[`, `"containers":[{"name":"gone"}],"containers":[`},
	{`"containers"`, `"cont\u0061iners"`},
	{`"image":"`, `"image":"\u00e9\ud83d\ude00\/`},
	{`"image":"`, `"image":"\ud800`},
	{`"image":"`, "\"image\":\"\xff"},
	{`"labels":{`, `"labels":{"app":"x","app":"web",`},
	{`"labels":{`, `"labels":{"a\u0070p":null,`},
	{`"apiVersion":"admission.k8s.io/v1"`, `"apiVersion":"admission.k8s.io/v1beta1"`},
	{`"kind":"AdmissionReview"`, `"KIND":"Other","kind":"AdmissionReview"`},
	{`"object":{`, `"object":null,"Object":{`},
	{`"request":{`, `"response":{"uid":"x"},"request":{`},
	{`"uid":`, `"uid":"first","uid":`},
	{`}`, `} `},
}

// The whole response is the same, whichever decoder reads the review, also of one that no API server
// writes.
func TestDecoders_AgreeOnResponses(t *testing.T) {
	var all [][]pair
	for _, set := range wireSets(t) {
		all = append(all, pairs(set))
	}
	asked := 0
	for i, body := range seedReviews(t) {
		for k := range all[i%len(all)] {
			all[i%len(all)][k].check(t, body)
			asked++
		}
		for j := range 4 {
			u := unusual[(4*i+j)%len(unusual)]
			changed := bytes.Replace(body, []byte(u[0]), []byte(u[1]), 1+i%3)
			if p := &all[(i+j)%len(all)][j%4]; !bytes.Equal(changed, body) && sentByAPIServer(changed) {
				p.check(t, changed)
			}
		}
	}
	if asked < 500 {
		t.Errorf("%d reviews were sent, want at least 500", asked)
	}
	for i := range all {
		for _, p := range all[i] {
			if diff := cmp.Diff(gather(t, p.full.Handler), gather(t, p.fast.handler)); diff != "" {
				t.Errorf("metrics of webhook %s\n-full +fast:\n%s", p.fast.name, diff)
			}
		}
	}
}

// What an API server writes goes by the fast decoder, whatever the kind.
func TestDecoders_FastOneReadsWhatAPIServersWrite(t *testing.T) {
	ps := pairs(wireSets(t)[0])
	for _, body := range seedReviews(t) {
		h := ps[0].fast
		if !bytes.Contains(body, []byte(`"kind":{"group":"","version":"v1","kind":"Pod"}`)) {
			h = ps[3].fast
		}
		if _, err := h.onePass(t.Context(), &cursor{}, body); err != nil {
			t.Errorf("declined: %v: %s", err, body)
		}
	}
}

// someOf returns as many seeds as a fuzz target can run in a second or two.
func someOf(seeds [][]byte) (out [][]byte) {
	for i := 0; i < len(seeds); i += 1 + len(seeds)/100 {
		out = append(out, seeds[i])
	}
	return out
}

func FuzzDecodersAgree(f *testing.F) {
	for i, body := range someOf(seedReviews(f)) {
		f.Add(uint8(i), body)
		u := unusual[i%len(unusual)]
		f.Add(uint8(i), bytes.Replace(body, []byte(u[0]), []byte(u[1]), 1))
	}
	var all []pair
	for _, set := range wireSets(f) {
		all = append(all, pairs(set)...)
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		if !sentByAPIServer(body) {
			t.Skip("no API server sends this")
		}
		all[int(which)%len(all)].check(t, body)
	})
}

// FuzzRawBytes checks that whatever is sent is answered, by a review or by a 4xx, and nothing panics.
func FuzzRawBytes(f *testing.F) {
	for i, body := range someOf(seedReviews(f)) {
		f.Add(uint8(i), body)
		f.Add(uint8(i), body[:len(body)*i%len(body)])
	}
	f.Add(uint8(0), []byte(""))
	f.Add(uint8(1), []byte("kind: AdmissionReview\napiVersion: admission.k8s.io/v1\n"))
	f.Add(uint8(2), []byte(strings.Repeat("[", 20_000)))
	f.Add(uint8(3), []byte(strings.Repeat(`{"request":`, 11_000)))
	f.Add(uint8(4), []byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"object":{"spec":{"sizing":1}}}}`))
	f.Add(uint8(0), []byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`))
	for i, quantity := range []string{`"1e-1000000000"`, `"1e2147483647"`, `"0e2147483647"`, `"1\u0065-1000000000"`, `1e-1000000000`} {
		f.Add(uint8(i), []byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","namespace":"enforce","operation":"CREATE","kind":{"version":"v1","kind":"Pod"},"object":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":`+quantity+`}}}]}}}}`))
	}
	f.Add(uint8(4), []byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"CREATE","object":{"metadata":{"name":"a"},"spec":{"sizing":{"max":"1e2147483647"}}}}}`))
	reg := prometheus.NewRegistry()
	handlers := Handlers(Options{Cluster: fullyKnown(wireSets(f)[0]), MaxMode: v1alpha1.Enforce, Metrics: NewMetrics(reg)})
	paths := []string{PathMutatePods, PathEnforcePods, PathReportPods, PathWarnWorkloads, PathValidatePolicies}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		w := post(t, handlers[paths[int(which)%len(paths)]], body)
		if w.Code >= 400 && w.Code < 500 {
			return
		}
		r := replyOf(t, w).Review.Response
		if r.Result != nil && strings.Contains(r.Result.Message, "panic") || strings.Contains(r.AuditAnnotations["error"], "panic") {
			t.Fatalf("panic: %s", w.Body)
		}
	})
}
