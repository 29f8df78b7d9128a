package webhook

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"
)

// Updates of a Pod of 256Mi of /dev/shm, which cost 257Mi, and 32Mi of reserve: a limit of 289Mi
// is just enough.
func TestValidatePod_Update(t *testing.T) {
	const (
		running = `
metadata: {name: web, labels: {app: web}, annotations: {a: b}}
spec:
  containers:
  - name: web
    image: web
    resources: {limits: {memory: 512Mi}, requests: {memory: 384Mi}}
    volumeMounts: [{name: shm, mountPath: /dev/shm}]
  - {name: helper, image: helper, resources: {limits: {memory: 64Mi}, requests: {memory: 64Mi}}}
  volumes:
  - {name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}
  - {name: scratch, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
`
		// 50 per cent of 512Mi less the 257Mi that the volume costs are 127Mi; of 1Gi 383Mi, and 384Mi if it costs 256Mi.
		percent   = "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {memoryPercent: {percent: 50}}}"
		exemptive = "{" + match256 + ", exemptions: Allowed}"
	)
	swap := func(pairs ...string) string {
		out := running
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(out, pairs[i]) {
				t.Fatalf("the Pod does not contain %q", pairs[i])
			}
			out = strings.Replace(out, pairs[i], pairs[i+1], 1)
		}
		return out
	}
	for name, u := range map[string]podUpdate{
		"more memory": {raising, running, swap("512Mi", "1Gi"), ""},
		"more memory, of which the size is a part": {
			percent, running, swap("512Mi", "1Gi"), "",
		},
		"more memory for the writer and less for another, of which the size is a part": {
			percent, running, swap("512Mi", "1Gi", "memory: 64Mi", "memory: 32Mi", "memory: 64Mi", "memory: 32Mi"), "",
		},
		"more memory and a smaller sizeLimit, of which the size is a part": {
			percent, running, swap("512Mi", "1Gi", "sizeLimit: 256Mi", "sizeLimit: 255Mi"),
			`container "web" mounts volume "shm" of 255Mi at /dev/shm and needs 384Mi: set sizeLimit: 384Mi`,
		},
		"a memory limit that just holds the full volume": {
			raising, running, swap("512Mi", "289Mi", "384Mi", "289Mi"), "",
		},
		"a memory limit that does not hold the full volume": {
			raising, running, swap("512Mi", "288Mi", "384Mi", "288Mi"),
			`container "web" would be OOM-killed before the volume is full: 256Mi of files at /dev/shm cost 257Mi with their kernel memory, ` +
				`and its memory limit is 288Mi, which must hold 32Mi for the process too` +
				` (where the kubelet sets memoryThrottlingFactor, the writer stalls before it is killed); ` +
				`the files outlive it, and each restart adds to them within the Pod's 352Mi: raise the memory limit to at least 289Mi`,
		},
		"a larger sizeLimit": {raising, running, swap("sizeLimit: 256Mi", "sizeLimit: 300Mi"), ""},
		"a smaller sizeLimit": {
			raising, running, swap("sizeLimit: 256Mi", "sizeLimit: 128Mi"),
			`container "web" mounts volume "shm" of 128Mi at /dev/shm and needs 256Mi: set sizeLimit: 256Mi`,
		},
		"a Pod that was too small before, with another label": {
			raising, swap("sizeLimit: 256Mi", "sizeLimit: 128Mi"),
			swap("sizeLimit: 256Mi", "sizeLimit: 128Mi", "app: web", "app: web, more: labels"), "",
		},
		"a Pod that was too small before, and now has too little memory as well": {
			raising, swap("sizeLimit: 256Mi", "sizeLimit: 128Mi"),
			swap("sizeLimit: 256Mi", "sizeLimit: 128Mi", "512Mi", "130Mi", "384Mi", "130Mi"),
			`container "web" would be OOM-killed before the volume is full: 128Mi of files at /dev/shm cost 129Mi with their kernel memory, ` +
				`and its memory limit is 130Mi, which must hold 32Mi for the process too` +
				` (where the kubelet sets memoryThrottlingFactor, the writer stalls before it is killed); ` +
				`the files outlive it, and each restart adds to them within the Pod's 194Mi: raise the memory limit to at least 289Mi`,
		},
		"a label by which the policy matches": {
			raising, swap("app: web", "app: other", "sizeLimit: 256Mi", "sizeLimit: 128Mi"), swap("sizeLimit: 256Mi", "sizeLimit: 128Mi"),
			`container "web" mounts volume "shm" of 128Mi at /dev/shm and needs 256Mi: set sizeLimit: 256Mi`,
		},
		"a Pod that is being deleted": {
			raising, swap("app: web", "app: other", "sizeLimit: 256Mi", "sizeLimit: 128Mi", "name: web,", "name: web, deletionTimestamp: '2026-04-18T00:00:00Z',"),
			swap("sizeLimit: 256Mi", "sizeLimit: 128Mi", "name: web,", "name: web, deletionTimestamp: '2026-04-18T00:00:00Z',"), "",
		},
		"an exemption that is withdrawn": {
			exemptive, swap("a: b", "shmkeeper.dev/exempt: 'a reason'", "sizeLimit: 256Mi", "sizeLimit: 128Mi"), swap("sizeLimit: 256Mi", "sizeLimit: 128Mi"),
			`container "web" mounts volume "shm" of 128Mi at /dev/shm and needs 256Mi: set sizeLimit: 256Mi`,
		},
		"a debug container":                          {raising, running, running + "  ephemeralContainers: [{name: debug, image: busybox}]\n", ""},
		"an image that is exchanged for another":     {raising, running, swap("image: helper", "image: helper2"), ""},
		"a plan that would change the Pod no longer": {raising, running, swap("requests: {memory: 384Mi}", "requests: {memory: 32Mi}"), ""},
	} {
		for _, mode := range []string{"enforce", "warn", "audit"} {
			t.Run(name+"/"+mode, func(t *testing.T) { u.check(t, mode) })
		}
	}
}

// podUpdate is an update of a Pod under a policy.
type podUpdate struct {
	spec, old, pod string
	// message is that of a denied update; empty for one that is admitted.
	message string
}

// check checks what is answered in a mode, and what is counted and written into the audit log: an
// update that is admitted is in neither, one that would have been denied is in both.
func (u *podUpdate) check(t *testing.T, mode string) {
	t.Helper()
	o := options(t, u.spec)
	registry := prometheus.NewRegistry()
	o.Metrics = NewMetrics(registry)
	validate := reportPods(o)
	if mode == "enforce" {
		validate = enforcePods(o)
	}
	r := handle(t, validate, request(t, admissionv1.Update, podKind, mode, u.pod, u.old))
	if want := u.message == "" || mode != "enforce"; r.Allowed != want || len(r.Patch) > 0 {
		t.Fatalf("allowed %t, patch %s, %v", r.Allowed, r.Patch, r.Result)
	}
	want := `violates SharedMemoryPolicy "p": ` + u.message
	if !r.Allowed && r.Result.Message != want {
		t.Errorf("message %q\nwant    %q", r.Result.Message, want)
	}
	var warnings []string
	if u.message != "" && mode == "warn" {
		warnings = []string{`would violate SharedMemoryPolicy "p": ` + u.message}
	}
	if diff := cmp.Diff(warnings, r.Warnings); diff != "" {
		t.Errorf("warnings -want +got:\n%s", diff)
	}
	outcome, counted := "", 0
	if u.message != "" {
		outcome, counted = "Violating", 1
	}
	if got := r.AuditAnnotations["outcome"]; got != outcome {
		t.Errorf("the audit log has the outcome %q, want %q", got, outcome)
	}
	for _, metric := range []string{"shmkeeper_admission_decisions_total", "shmkeeper_admission_violations_total"} {
		if got, err := testutil.GatherAndCount(registry, metric); err != nil || got != counted {
			t.Errorf("%s has %d series, want %d: %v", metric, got, counted, err)
		}
	}
}

// An update whose old object is missing or is not a Pod cannot be judged.
func TestValidatePod_OldObject(t *testing.T) {
	o := options(t, raising)
	for name, c := range map[string]struct{ old, message string }{
		"missing":   {"", "the request has no object: call this webhook for CREATE and UPDATE only"},
		"not a Pod": {"{spec: {volumes: {}}}", "read the object of the request: json: cannot unmarshal object into Go struct field SpecView.spec.volumes of type []policy.VolumeView"},
	} {
		t.Run(name, func(t *testing.T) {
			r := handle(t, enforcePods(o), request(t, admissionv1.Update, podKind, "enforce", smallerPod, c.old))
			if r.Allowed || r.Result.Message != c.message || r.Result.Code != 400 {
				t.Errorf("allowed %t: %v", r.Allowed, r.Result)
			}
		})
	}
}
