package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// scanned is what a scan has found, by namespace.
type scanned map[string][]string

func (s scanned) CouldNotBeCreated(namespace string) (pods int32, names []string, at time.Time) {
	found := s[namespace]
	return int32(len(found)), found[:min(3, len(found))], time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
}

func (scanned) LeavesOutUnlabelled() bool { return true }

// everywhere is what a scan has found that looks at all namespaces.
type everywhere struct{ scanned }

func (everywhere) LeavesOutUnlabelled() bool { return false }

// optionsKnowing returns options for a server that knows namespaces by these names, and no others.
func optionsKnowing(t *testing.T, names ...string) Options {
	t.Helper()
	o := options(t, fixed)
	namespaces := map[string]map[string]string{}
	for _, name := range names {
		namespaces[name] = map[string]string{"kubernetes.io/metadata.name": name}
	}
	o.Cluster = fakeCluster{set: o.Cluster.Policies(), namespaces: namespaces}
	return o
}

func TestWarnModes(t *testing.T) {
	found := scanned{"one": {"a"}, "many": {"a", "b", "c", "d"}, "long": {strings.Repeat("x", 5000)}, "unknown": {"a"}}
	for name, c := range map[string]struct {
		namespace string
		running   RunningPods
		max       v1alpha1.Mode
		want      []string
	}{
		"one Pod": {"one", found, v1alpha1.Enforce, []string{
			`in mode enforce 1 running Pod of namespace "one" could not be created again, among them "a": ` +
				`kubectl shm audit -n one says why, and what to change (by the scan of 2026-11-26T10:00:00Z)`,
		}},
		"many Pods": {"many", found, v1alpha1.Enforce, []string{
			`in mode enforce 4 running Pods of namespace "many" could not be created again, among them "a", "b", "c": ` +
				`kubectl shm audit -n many says why, and what to change (by the scan of 2026-11-26T10:00:00Z)`,
		}},
		"none": {"other", found, v1alpha1.Enforce, nil},
		"a namespace that the cache does not have": {"unknown", found, v1alpha1.Enforce, nil},
		"one that no scan has looked at either":    {"unlabelled-unknown", found, v1alpha1.Enforce, nil},
		"not looked at": {"unlabelled", found, v1alpha1.Enforce, []string{
			`no scan has looked at the running Pods of namespace "unlabelled", which had no mode: ` +
				`kubectl shm audit -n unlabelled says which could not be created again in mode enforce`,
		}},
		"looked at without a label":   {"unlabelled", everywhere{found}, v1alpha1.Enforce, nil},
		"a server that enforces less": {"many", found, v1alpha1.Warn, nil},
		"no audit":                    {"many", nil, v1alpha1.Enforce, nil},
	} {
		o := optionsKnowing(t, "one", "many", "other", "unlabelled")
		o.Running, o.MaxMode = c.running, c.max
		h := warnModes(o)
		old := `{"metadata":{"name":"x","labels":{"shmkeeper.dev/mode":"audit"}}}`
		if strings.HasPrefix(c.namespace, "unlabelled") {
			old = `{"metadata":{"name":"x"}}`
		}
		r := h.Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
			Name: c.namespace, Operation: admissionv1.Update, OldObject: runtime.RawExtension{Raw: []byte(old)},
		}})
		if !r.Allowed {
			t.Errorf("%s: rejected", name)
		}
		if diff := cmp.Diff(c.want, r.Warnings); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	o := optionsKnowing(t, "long")
	o.Running = found
	r := warnModes(o).Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Name: "long"}})
	if len(r.Warnings) != 1 || len([]rune(r.Warnings[0])) > longestWarning {
		t.Errorf("a long name: %q", r.Warnings)
	}
}

// panicking is an audit that no handler survives.
type panicking struct{}

func (panicking) LeavesOutUnlabelled() bool { return true }

func (panicking) CouldNotBeCreated(string) (int32, []string, time.Time) { panic("no audit") }

func TestWarnModes_FailsOpen(t *testing.T) {
	o := optionsKnowing(t, "x")
	o.Running = panicking{}
	r := warnModes(o).Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Name: "x"}})
	want := "shmkeeper failed to evaluate this object and admitted it: panic: no audit: tell shmkeeper's administrator"
	if !r.Allowed || len(r.Warnings) != 1 || r.Warnings[0] != want {
		t.Errorf("allowed %v with %q, want %q", r.Allowed, r.Warnings, want)
	}
}
