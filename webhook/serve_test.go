package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// repeated returns a Pod that the policies of these tests match, with a list of many elements.
func repeated(prefix, element string, n int, suffix string) []byte {
	list := strings.Repeat(element+",", n-1) + element
	return []byte(`{"metadata":{"name":"web","labels":{"app":"web"}},"spec":{` + prefix + "[" + list + "]" + suffix + `}}`)
}

// What is not read costs nothing but its bytes, and what is read no more than a bound.
func TestServe_BoundsMemory(t *testing.T) {
	const container = `"containers":[{"name":"web","image":"web"}]`
	deployment := allKinds[3]
	for name, c := range map[string]struct {
		path   string
		body   []byte
		most   uint64 // MiB, of which the body and the buffer that it is read into are up to 11
		answer string // in the response
	}{
		"tolerations of a Pod":           {PathMutatePods, reviewOf(t, podKind, "enforce", repeated(container+`,"tolerations":`, "{}", 900_000, ""), nil), 8, `"patch":`},
		"tolerations of a template":      {PathWarnWorkloads, reviewOf(t, deployment, "enforce", workloadOf(deployment, repeated(container+`,"tolerations":`, "{}", 900_000, "")), nil), 8, "will be changed"},
		"containers":                     {PathMutatePods, reviewOf(t, podKind, "enforce", repeated(`"containers":`, "{}", 900_000, ""), nil), 48, "more than 32768 list elements"},
		"containers, failing closed":     {PathEnforcePods, reviewOf(t, podKind, "enforce", repeated(`"containers":`, "{}", 900_000, ""), nil), 48, `"allowed":false`},
		"mounts":                         {PathMutatePods, reviewOf(t, podKind, "enforce", repeated(`"containers":[{"name":"web","volumeMounts":`, "{}", 900_000, "}]"), nil), 48, "more than 32768 list elements"},
		"names that are not read":        {PathMutatePods, reviewOf(t, podKind, "enforce", []byte(`{"metadata":{"labels":{"app":"web"}},"status":{`+manyNames(200_000)+`},"spec":{`+container+`}}`), nil), 10, `"patch":`},
		"terms of affinity":              {PathMutatePods, reviewOf(t, podKind, "enforce", repeated(container+`,"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":`, "{}", 900_000, "}}"), nil), 8, `"patch":`},
		"what no API server would write": {PathMutatePods, bytes.Replace(reviewOf(t, podKind, "enforce", repeated(`"containers":`, "{}", 900_000, ""), nil), []byte(`"kind":"AdmissionReview"`), []byte(`"kind":"Else"`), 1), 48, "more than 32768 list elements"},
	} {
		t.Run(name, func(t *testing.T) {
			handlers := Handlers(options(t, fixed))
			var w *httptest.ResponseRecorder
			mib := allocated(func() { w = post(t, handlers[c.path], c.body) }) >> 20
			if mib > c.most {
				t.Errorf("%d MiB are allocated for a body of %d bytes, want at most %d", mib, len(c.body), c.most)
			}
			if !strings.Contains(w.Body.String(), c.answer) {
				t.Errorf("%q is not in the answer %d: %.300s", c.answer, w.Code, w.Body)
			}
		})
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"name-%d":0,`, i)
	}
	return b.String() + `"last":0`
}

func TestServe_AnswersWhatIsNoReview(t *testing.T) {
	handlers := Handlers(options(t, fixed))
	const isJSON = "application/json"
	for name, c := range map[string]struct {
		method, contentType string
		body                io.Reader
		status              int
		text                string
	}{
		"a GET":                        {http.MethodGet, isJSON, http.NoBody, 405, "the method is not POST: send an AdmissionReview\n"},
		"a form":                       {http.MethodPost, "application/x-www-form-urlencoded", strings.NewReader("a=b"), 415, "the content type is not application/json: send an AdmissionReview in JSON\n"},
		"nothing":                      {http.MethodPost, isJSON, http.NoBody, 400, "the body is not an AdmissionReview in JSON\n"},
		"YAML":                         {http.MethodPost, isJSON, strings.NewReader("kind: AdmissionReview\napiVersion: admission.k8s.io/v1\nrequest: {uid: a}\n"), 400, "the body is not an AdmissionReview in JSON\n"},
		"a long one of another kind":   {http.MethodPost, isJSON, strings.NewReader(`{"kind":"Pod","spec":"` + strings.Repeat("a", mostFullyDecoded) + `"}`), 413, "the body is not a review of a Pod or workload as an API server writes it, and larger than 131072 bytes: make the object smaller\n"},
		"too long":                     {http.MethodPost, isJSON, strings.NewReader(strings.Repeat(" ", mostBody+1)), 413, "the body is larger than 7340032 bytes: no API server sends one\n"},
		"too long, without its length": {http.MethodPost, isJSON, io.MultiReader(strings.NewReader(strings.Repeat(" ", mostBody+1))), 413, "read the request: http: request body too large\n"},
		"a version of nobody":          {http.MethodPost, isJSON, strings.NewReader(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v9","request":{"uid":"a"}}`), 400, "apiVersion: \"admission.k8s.io/v9\" is not a version of AdmissionReview: send admission.k8s.io/v1\n"},
		"without a version":            {http.MethodPost, isJSON, strings.NewReader(`{"kind":"AdmissionReview","request":{"uid":"a"}}`), 400, "apiVersion: \"\" is not a version of AdmissionReview: send admission.k8s.io/v1\n"},
		"cut off":                      {http.MethodPost, isJSON, io.MultiReader(strings.NewReader("{"), failingReader{}), 400, "read the request: unexpected EOF\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), c.method, "/", c.body)
			r.Header.Set("Content-Type", c.contentType)
			w := httptest.NewRecorder()
			handlers[PathMutatePods].ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.text {
				t.Errorf("answer %d %q, want %d %q", w.Code, w.Body, c.status, c.text)
			}
		})
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// While a large body is in memory another waits, and all others are answered.
func TestServe_OneLargeBodyAtATime(t *testing.T) {
	o := options(t, fixed)
	h := newHTTPHandler(mutatePods(o), newLimits())
	if err := h.limits.large.Acquire(t.Context(), mostBody); err != nil {
		t.Fatal(err)
	}
	pod := func(note int) []byte {
		return reviewOf(t, podKind, "enforce", []byte(`{"metadata":{"labels":{"app":"web"},"annotations":{"note":"`+strings.Repeat("a", note)+`"}},"spec":{"containers":[{"name":"web"}]}}`), nil)
	}
	for _, size := range []int{0, smallBody, mediumBody / 2} {
		if w := post(t, h, pod(size)); w.Code != http.StatusOK {
			t.Errorf("a body of some %d bytes waits for a large one: %d %s", size, w.Code, w.Body)
		}
	}
	given, giveUp := context.WithCancel(t.Context())
	giveUp()
	send := func(ctx context.Context) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(pod(mediumBody)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := send(given); w.Code != http.StatusTooManyRequests || w.Body.String() != "too many requests at a time: try again\n" {
		t.Errorf("answer %d %q", w.Code, w.Body)
	}
	h.limits.large.Release(mostBody)
	if w := send(t.Context()); w.Code != http.StatusOK {
		t.Errorf("answer %d %q when there is room", w.Code, w.Body)
	}
	if !h.limits.large.TryAcquire(mostBody) || !h.limits.medium.TryAcquire(mostMedium) || !h.limits.fast.TryAcquire(mostAtWork) {
		t.Error("room was not given back")
	}
}

// Anyone who reaches the port can send what cannot be evaluated: it is logged in one line of bounded
// length, or not at all.
func TestServe_BoundsLog(t *testing.T) {
	o := options(t, fixed)
	o.Cluster = brokenCluster{}
	long := strings.Repeat("ä", 100_000)
	named := func(name string) string {
		return `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"name":"` + name + `","namespace":"` + name + `","kind":{"kind":"` + name + `"},"object":{}}}`
	}
	// The full decoder's error quotes the number.
	number := `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"status":{"code":` + strings.Repeat("1", 100_000) + `}}}`
	for name, c := range map[string]struct {
		handler func(Options) *handler
		body    string
		lines   int
	}{
		"a panic over long names":                         {mutatePods, named(strings.Repeat("ä", 250)), 1},
		"an error about a long kind":                      {warnWorkloads, named(strings.Repeat("ä", 10_000)), 1},
		"names of no API server":                          {mutatePods, named(long), 0},
		"a long number that the full decoder cannot read": {mutatePods, number, 0},
		"long garbage":                                    {mutatePods, `{"kind":"` + long, 0},
		"garbage":                                         {mutatePods, `{"kind":"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			logger := funcr.New(func(prefix, args string) { lines = append(lines, prefix+args) }, funcr.Options{})
			h := newHTTPHandler(c.handler(o), newLimits())
			construct := h.full.LogConstructor // the full decoder has a logger of its own
			h.full.LogConstructor = func(_ logr.Logger, req *admission.Request) logr.Logger { return construct(logger, req) }
			r := httptest.NewRequestWithContext(log.IntoContext(t.Context(), logger), http.MethodPost, "/", strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			h.ServeHTTP(httptest.NewRecorder(), r)
			if len(lines) != c.lines {
				t.Fatalf("%d lines are logged, want %d: %.500s", len(lines), c.lines, lines)
			}
			for _, line := range lines {
				if len(line) > 1536 {
					t.Errorf("a line has %d bytes, want at most 1536: %.2000s", len(line), line)
				}
			}
		})
	}
	decisions := testutil.CollectAndCount(o.Metrics.decisions)
	failed := testutil.ToFloat64(o.Metrics.errors.WithLabelValues("mutate")) + testutil.ToFloat64(o.Metrics.errors.WithLabelValues("templates"))
	if decisions > 0 || failed > 0 {
		t.Errorf("%d decisions and %g errors are counted of a namespace that is not known, want 0", decisions, failed)
	}
}

// Of a namespace that is not known nothing is told but what the policies say, and nothing is counted.
func TestServe_UnknownNamespaceLearnsNothing(t *testing.T) {
	o := options(t, raising)
	known, ok := o.Cluster.(fakeCluster)
	if !ok {
		t.Fatal("not a fake")
	}
	full, ok := fullyKnown(known.set).(fakeCluster)
	if !ok {
		t.Fatal("not a fake")
	}
	full.namespaces = known.namespaces
	full.limits[0].Name, full.quotas[0].Name = "secret-limits", "secret-quota"
	full.limits[0].Spec.Limits[0].Max[corev1.ResourceMemory] = resource.MustParse("100Mi")
	full.quotas[0].Spec.Scopes = nil
	full.quotas[0].Status.Used = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("900Mi")}
	o.Cluster = full
	handlers := Handlers(o)
	pod := []byte(`{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"web","resources":{"limits":{"memory":"64Mi"}}}]}}`)
	ask := func(path, namespace string) string {
		kind, object := podKind, pod
		if path == PathWarnWorkloads {
			kind, object = allKinds[3], workloadOf(allKinds[3], pod)
		}
		return post(t, handlers[path], reviewOf(t, kind, namespace, object, nil)).Body.String()
	}
	for _, secret := range []string{"secret-quota", "secret-limits"} {
		if answer := ask(PathEnforcePods, "enforce"); !strings.Contains(answer, secret) {
			t.Fatalf("%s of a namespace that is known is not named, so nothing is shown: %s", secret, answer)
		}
	}
	o.Metrics.Forget([]string{"p"})
	for _, path := range []string{PathMutatePods, PathEnforcePods, PathReportPods, PathWarnWorkloads} {
		if answer := ask(path, "unknown"); strings.Contains(answer, "secret") {
			t.Errorf("%s tells what is in a namespace that is not known: %s", path, answer)
		}
	}
	decisions, violations := testutil.CollectAndCount(o.Metrics.decisions), testutil.CollectAndCount(o.Metrics.violations)
	if decisions > 0 || violations > 0 {
		t.Errorf("%d series of decisions and %d of violations are counted of a namespace that is not known, want 0", decisions, violations)
	}
}
