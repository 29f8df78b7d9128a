package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	sigsjson "sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// wireSpecs are policies that between them read all that a decision can read.
var wireSpecs = []string{
	"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, exemptions: Allowed, overrides: Allowed}",
	"{match: [{tmpfsPaths: Detect}], sizing: {fixed: {size: 256Mi}}}",
	"{match: [{images: ['*/proxy', 'web']}], writers: {names: [main*]}, sizing: {memoryPercent: {percent: 50}}, existing: SetLimit}",
	"{match: [{mounted: true}], hostShm: Denied, memory: {handling: Require}}",
	"{match: [{podSelector: {matchLabels: {app: web}}}], exclude: [{tmpfsPaths: Detect}], sizing: {units: {each: 64Mi, count: {resources: ['nvidia.com/*'], absent: 1}}}}",
	"{match: [{podSelector: {}}], sizing: {units: {each: 64Mi, count: {annotation: cameras}}}, existing: Require, mountPath: /cache}",
}

// views returns both views of a Pod's JSON. A Pod that corev1.Pod cannot represent is none: an
// API server sends no such thing.
func views(text []byte) (direct, viaPod *policy.PodView, err error) {
	var pod corev1.Pod
	if err := sigsjson.UnmarshalCaseSensitivePreserveInts(text, &pod); err != nil {
		return nil, nil, errNotAPod
	}
	direct = &policy.PodView{}
	if err := decode(runtime.RawExtension{Raw: text}, direct); err != nil {
		return nil, nil, err
	}
	return direct, policy.ViewOf(&pod.ObjectMeta, &pod.Spec), nil
}

var errNotAPod = errors.New("this is not a Pod")

// told is everything that an Evaluation says.
type told struct {
	Outcome  policy.Outcome
	Reason   policy.Reason
	Detail   string
	Policy   string
	Mode     v1alpha1.Mode
	Guess    bool
	Limit    sizing.Bytes
	Before   []policy.Violation
	After    []policy.Violation
	Warnings []string
	Patch    string
}

func evaluate(t fataler, set policy.Set, view *policy.PodView) [2]told {
	t.Helper()
	limitRange := &corev1.LimitRange{}
	limitRange.Name = "limits"
	limitRange.Spec.Limits = []corev1.LimitRangeItem{{
		Type:                 corev1.LimitTypeContainer,
		Max:                  corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
		MaxLimitRequestRatio: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4")},
	}}
	quota := &corev1.ResourceQuota{}
	quota.Name = "quota"
	quota.Spec.Scopes = []corev1.ResourceQuotaScope{
		corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopePriorityClass, corev1.ResourceQuotaScopeCrossNamespacePodAffinity,
	}
	quota.Status.Hard = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("1Gi")}
	quota.Status.Used = corev1.ResourceList{corev1.ResourceLimitsMemory: {}}
	subject := policy.Subject{
		Kind: "Pod", Namespace: "ns", Name: view.Metadata.Name, Pod: view,
		LimitRanges: []*corev1.LimitRange{limitRange}, ResourceQuotas: []*corev1.ResourceQuota{quota},
	}
	var out [2]told
	for i, s := range []policy.Subject{subject, subject.WithoutDefaults()} {
		e := set.Evaluate(s)
		patch, err := json.Marshal(e.Plan.Patch(s))
		if err != nil {
			t.Fatalf("%v", err)
		}
		out[i] = told{
			Outcome: e.Outcome, Reason: e.Reason, Detail: e.Detail, Policy: e.Policy, Mode: e.Mode, Guess: e.Guess,
			Limit: e.Size.Limit, Before: e.Before(), After: e.After, Warnings: e.Warnings, Patch: string(patch),
		}
	}
	return out
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func wireSets(t testing.TB) []policy.Set {
	t.Helper()
	var out []policy.Set
	for _, spec := range wireSpecs {
		out = append(out, policy.NewSet(compile(t, spec)))
	}
	return out
}

// checkViewsAgree compares what is evaluated of a Pod that is decoded into the narrow view with
// what is evaluated of the same Pod as corev1.Pod, and returns the outcomes.
func checkViewsAgree(t fataler, sets []policy.Set, text []byte) []policy.Outcome {
	t.Helper()
	direct, viaPod, err := views(text)
	if errors.Is(err, errNotAPod) {
		return nil
	}
	if err != nil {
		t.Fatalf("a Pod that corev1.Pod can represent is not read: %v\n%s", err, text)
	}
	var outcomes []policy.Outcome
	for i, set := range sets {
		want, got := evaluate(t, set, viaPod), evaluate(t, set, direct)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("policy %s\n-corev1.Pod +view:\n%s\n%s", wireSpecs[i], diff, text)
		}
		outcomes = append(outcomes, got[0].Outcome)
	}
	return outcomes
}

func FuzzDecode_ViewsAgree(f *testing.F) {
	for _, c := range policytest.Cases(f) {
		if c.Subject(f).Kind == "Pod" {
			f.Add([]byte(c.Object.Raw))
		}
	}
	f.Add([]byte(`{"metadata":null,"spec":{"containers":[{"name":"a","resources":null,"env":[{"name":"x","value":"/dev/shm"}]}],"volumes":[]}}`))
	f.Add([]byte(`{"metadata":{"deletionTimestamp":"2026-04-18T00:00:00Z"},"spec":{"ephemeralContainers":[{"name":"d","volumeMounts":[{"name":"v","mountPath":"/dev/shm"}]}]}}`))
	sets := wireSets(f)
	f.Fuzz(func(t *testing.T, text []byte) { checkViewsAgree(t, sets, text) })
}

// The same for Pods that are put together field by field, each there, empty, null or absent.
func TestDecode_ViewsAgree(t *testing.T) {
	sets := wireSets(t)
	reached := map[policy.Outcome]int{}
	total := 0
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(genPodJSON(t))
		if err != nil {
			t.Fatal(err)
		}
		outcomes := checkViewsAgree(t, sets, text)
		if outcomes == nil {
			t.Fatalf("the generator made what is not a Pod: %s", text)
		}
		for _, o := range outcomes {
			reached[o]++
			total++
		}
	})
	for _, o := range []policy.Outcome{policy.NotMatched, policy.Skipped, policy.Compliant, policy.Mutated, policy.Violating} {
		if reached[o]*50 < total {
			t.Errorf("outcome %s was reached in %d of %d evaluations, want 2 per cent", o, reached[o], total)
		}
	}
}

// member is one of an object's, made by a generator.
type member struct {
	name string
	make func(*rapid.T) any
}

// object has some of its fields, some of them null.
func object(fields ...member) func(*rapid.T) any {
	return func(t *rapid.T) any {
		out := map[string]any{}
		for _, f := range fields {
			switch rapid.IntRange(0, 9).Draw(t, f.name) {
			case 0:
				out[f.name] = nil
			case 1, 2:
			default:
				out[f.name] = f.make(t)
			}
		}
		return out
	}
}

// always returns an object with all of its fields.
func always(fields ...member) func(*rapid.T) any {
	return func(t *rapid.T) any {
		out := map[string]any{}
		for _, f := range fields {
			out[f.name] = f.make(t)
		}
		return out
	}
}

func one(of ...any) func(*rapid.T) any {
	return func(t *rapid.T) any { return rapid.SampledFrom(of).Draw(t, "one") }
}

func list(most int, of func(*rapid.T) any) func(*rapid.T) any {
	return func(t *rapid.T) any {
		out := []any{}
		for range rapid.IntRange(0, most).Draw(t, "length") {
			out = append(out, of(t))
		}
		return out
	}
}

// named gives the elements of a list names of their own.
func named(prefix string, least, most int, of func(*rapid.T) any) func(*rapid.T) any {
	return func(t *rapid.T) any {
		out := []any{}
		for i := range rapid.IntRange(least, most).Draw(t, "length") {
			element, ok := of(t).(map[string]any)
			if !ok {
				t.Fatal("not an object")
			}
			element["name"] = fmt.Sprintf("%s-%d", prefix, i)
			out = append(out, element)
		}
		return out
	}
}

func genPodJSON(t *rapid.T) any {
	quantity := one("0", "64Mi", "256Mi", "268435456", 536870912, "1Gi", "1.5Gi", "100001", "2Gi", "4Gi")
	resources := object(
		member{"limits", object(member{"memory", quantity}, member{"cpu", one("1", 1)}, member{"nvidia.com/gpu", one("2", 2)})},
		member{"requests", object(member{"memory", one("0", "32Mi", 33554432)}, member{"cpu", one("100m")})},
		member{"claims", list(1, always(member{"name", one("claim")}))},
	)
	text := one("run", "--dir=/dev/shm", "/dev/shm/x", "/cache", "serve", "-XX:MaxRAMPercentage=75")
	command := list(2, text)
	path := one("/dev/shm", "/dev/shm", "/dev/shm/", "/dev//shm", "/dev/shm/sub", "/cache", "/data")
	volume := one("vol-0", "vol-0", "vol-1", "vol-2", "missing")
	container := object(
		member{"image", one("web", "ghcr.io/goauthentik/proxy:1", "busybox", "")},
		member{"command", command}, member{"args", command},
		member{"env", list(2, object(
			member{"name", one("TMPDIR", "LIMIT")}, member{"value", text},
			member{"valueFrom", one(map[string]any{"resourceFieldRef": map[string]any{"resource": "limits.memory"}}, map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}})},
		))},
		member{"resources", resources},
		member{"volumeMounts", list(2, always(
			member{"name", volume}, member{"mountPath", path}, member{"readOnly", one(true, false, nil)},
			member{"subPath", one("", "", "sub", nil)}, member{"subPathExpr", one("", "", "$(X)", nil)},
		))},
		member{"volumeDevices", list(1, always(member{"name", volume}, member{"devicePath", one("/dev/shm", "/dev/xvda")}))},
		member{"restartPolicy", one("Always", nil, nil)},
		member{"lifecycle", object(member{"postStart", object(member{"exec", object(member{"command", command})})})},
		member{"securityContext", object(member{"privileged", one(true, false)}, member{"capabilities", object(member{"add", list(1, one("SYS_ADMIN"))})})},
		member{"terminationMessagePath", one("/dev/termination-log")},
	)
	containers := named("main", 1, 2, container)(t)
	volumes := named("vol", 0, 3, object(
		member{"emptyDir", object(member{"medium", one("Memory", "Memory", "")}, member{"sizeLimit", quantity})},
		member{"hostPath", func(t *rapid.T) any {
			if rapid.IntRange(0, 3).Draw(t, "host path") > 0 {
				return nil
			}
			return map[string]any{"path": rapid.SampledFrom([]string{"/dev/shm", "/data"}).Draw(t, "path")}
		}},
	))(t)
	if rapid.IntRange(0, 3).Draw(t, "sized by its owner") == 0 {
		containers = []any{map[string]any{
			"name": "main-0", "image": "web", "volumeMounts": []any{map[string]any{"name": "own", "mountPath": "/dev/shm"}},
			"resources": map[string]any{"limits": map[string]any{"memory": "8Gi"}, "requests": map[string]any{"memory": "4Gi"}},
		}}
		volumes = []any{map[string]any{"name": "own", "emptyDir": map[string]any{"medium": "Memory", "sizeLimit": "4Gi"}}}
	}
	affinity := object(member{"podAffinity", object(member{
		"requiredDuringSchedulingIgnoredDuringExecution",
		list(1, object(member{"topologyKey", one("zone")}, member{"namespaces", list(1, one("other"))}, member{"namespaceSelector", one(map[string]any{})})),
	})})
	label := one("web", "other", "")
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": object(
			member{"name", one("pod")}, member{"generateName", one("pod-")}, member{"namespace", one("ns")},
			member{"labels", object(member{"app", label}, member{"goauthentik.io/outpost-type", label})},
			member{"annotations", object(
				member{"cameras", one("3", "x")}, member{"shmkeeper.dev/size-limit", one("128Mi", "2Gi", "x")},
				member{rapid.SampledFrom(append(slices.Repeat([]string{"note"}, 9), corev1.MirrorPodAnnotationKey)).Draw(t, "mirror"), one("x")},
				member{"kubectl.kubernetes.io/default-container", one("main-1", "x")},
				member{"io.kubernetes.cri-o.ShmSize", one("512Mi")},
				member{"vpaUpdates", one("Pod resources updated by vpa: container 0: memory request")},
			)},
			member{"deletionTimestamp", one("2026-04-18T00:00:00Z")},
			member{"managedFields", list(1, object(
				member{"manager", one("kubectl")}, member{"operation", one("Update")}, member{"apiVersion", one("v1")}, member{"fieldsType", one("FieldsV1")},
				member{"fieldsV1", one(map[string]any{"f:spec": map[string]any{"f:resources": map[string]any{"f:limits": map[string]any{"f:memory": map[string]any{}}}}}, map[string]any{})},
			))},
		)(t),
		"spec": map[string]any{
			"containers":            containers,
			"initContainers":        named("init", 0, 1, container)(t),
			"ephemeralContainers":   named("debug", 0, 1, container)(t),
			"volumes":               volumes,
			"hostIPC":               rapid.SampledFrom([]any{nil, nil, nil, false, true}).Draw(t, "hostIPC"),
			"os":                    rapid.SampledFrom([]any{nil, nil, nil, nil, nil, map[string]any{"name": "linux"}, map[string]any{"name": "windows"}}).Draw(t, "os"),
			"nodeSelector":          object(member{"kubernetes.io/os", one("linux", "linux", "linux", "linux", "linux", "linux", "windows")})(t),
			"resources":             object(member{"limits", object(member{"memory", quantity})}, member{"requests", object(member{"memory", quantity})})(t),
			"overhead":              object(member{"memory", quantity})(t),
			"affinity":              affinity(t),
			"priorityClassName":     rapid.SampledFrom([]any{nil, "", "high"}).Draw(t, "priority"),
			"activeDeadlineSeconds": rapid.SampledFrom([]any{nil, 0, 60}).Draw(t, "deadline"),
			"tolerations":           []any{map[string]any{}},
		},
	}
}
