package policy_test

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func readPod(t testing.TB, text string) *corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(text), &pod); err != nil {
		t.Fatal(err)
	}
	return &pod
}

func readPolicy(t testing.TB, spec string) policy.Policy {
	t.Helper()
	p := v1alpha1.SharedMemoryPolicy{}
	p.Name = "p"
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	return mustCompile(t, &p)
}

// What a person reads, word for word.
func TestMessages(t *testing.T) {
	const (
		fixed   = "{match: {podSelector: {}}, sizing: {fixed: 256Mi}}"
		require = "{match: {podSelector: {}}, sizing: {fixed: 512Mi}, memory: Require}"
		keep    = "{match: {podSelector: {}}, sizing: {fixed: 256Mi}, existing: Keep}"
		files   = "{match: {podSelector: {}}, sizing: {files: {createdPerMinute: '18', retention: 168h, fileSize: 1500}, max: 256Mi}}"
		forever = "{match: {podSelector: {}}, sizing: {files: {createdPerMinute: '18', fileSize: 1500}}}"
		plain   = "{spec: {containers: [{name: web, image: web}]}}"
	)
	mounted := func(mount, volume string) string {
		return "{spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm" + mount + "}]}], volumes: [{name: shm, " + volume + "}]}}"
	}
	for name, c := range map[string]struct {
		policy, pod string
		detail      string
		warnings    []string
		check       []policy.Violation
	}{
		"a volume is added": {
			policy: fixed,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}}}]}}",
			detail: `adds a Memory emptyDir of 256Mi, mounts it at /dev/shm in "web", raises the memory limit of "web" from 512Mi to 768.6Mi and makes its request 768.6Mi`,
			check: []policy.Violation{{
				Reason: policy.NoMount, Container: "web",
				Detail: `container "web" mounts nothing at /dev/shm and gets the runtime's 64Mi; mount a Memory emptyDir with sizeLimit: 256Mi there`,
			}},
		},
		"a volume is resized": {
			policy: fixed,
			pod:    mounted("", "emptyDir: {medium: Memory}"),
			detail: `changes the sizeLimit of volume "shm" from none to 256Mi`,
			check: []policy.Violation{{
				Reason: policy.Unbounded, Container: "web",
				Detail: `container "web" mounts volume "shm" at /dev/shm, a Memory emptyDir without sizeLimit; set sizeLimit: 256Mi`,
			}},
		},
		"a volume is kept that is too small": {
			policy: keep,
			pod:    mounted("", "emptyDir: {medium: Memory, sizeLimit: 128Mi}"),
			detail: `container "web" mounts volume "shm" of 128Mi at /dev/shm and needs 256Mi; set sizeLimit: 256Mi`,
			check: []policy.Violation{{
				Reason: policy.TooSmall, Container: "web",
				Detail: `container "web" mounts volume "shm" of 128Mi at /dev/shm and needs 256Mi; set sizeLimit: 256Mi`,
			}},
		},
		"a disk is mounted": {
			policy: fixed,
			pod:    mounted("", "emptyDir: {}"),
			detail: `container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir; mount a Memory emptyDir with sizeLimit: 256Mi there`,
			check: []policy.Violation{{
				Reason: policy.NotMemory, Container: "web",
				Detail: `container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir; mount a Memory emptyDir with sizeLimit: 256Mi there`,
			}},
		},
		"a volume is mounted that is not there": {
			policy: fixed,
			pod:    "{spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}]}}",
			detail: `container "web" mounts volume "shm" at /dev/shm, which the Pod does not have; add a Memory emptyDir with sizeLimit: 256Mi of that name`,
			check: []policy.Violation{{
				Reason: policy.NotMemory, Container: "web",
				Detail: `container "web" mounts volume "shm" at /dev/shm, which the Pod does not have; add a Memory emptyDir with sizeLimit: 256Mi of that name`,
			}},
		},
		"a part of a volume is mounted read-only": {
			policy: fixed,
			pod:    mounted(", subPath: x, readOnly: true", "emptyDir: {medium: Memory, sizeLimit: 256Mi}"),
			detail: `container "web" mounts only "x" of volume "shm" at /dev/shm; remove the subPath; container "web" mounts volume "shm" read-only at /dev/shm; remove readOnly`,
			check: []policy.Violation{
				{Reason: policy.SubPath, Container: "web", Detail: `container "web" mounts only "x" of volume "shm" at /dev/shm; remove the subPath`},
				{Reason: policy.ReadOnly, Container: "web", Detail: `container "web" mounts volume "shm" read-only at /dev/shm; remove readOnly`},
			},
		},
		"the kubelet would clamp the volume": {
			policy: require,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 256Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]}}",
			detail: `the kubelet would mount 256Mi at /dev/shm instead of the 512Mi that volume "shm" has, because the Pod's memory limit is 256Mi; raise the memory limit to at least 514Mi and what the process needs; ` +
				`container "web" would be OOM-killed before the volume is full: 256Mi of files at /dev/shm cost 256.6Mi with their kernel memory, and its memory limit is 256Mi; raise the memory limit to at least 514Mi and what the process needs`,
			check: []policy.Violation{
				{Reason: policy.ClampedByMemoryLimit, Detail: `the kubelet would mount 256Mi at /dev/shm instead of the 512Mi that volume "shm" has, because the Pod's memory limit is 256Mi; raise the memory limit to at least 514Mi and what the process needs`},
				{Reason: policy.OOMBeforeFull, Container: "web", Detail: `container "web" would be OOM-killed before the volume is full: 256Mi of files at /dev/shm cost 256.6Mi with their kernel memory, and its memory limit is 256Mi; raise the memory limit to at least 514Mi and what the process needs`},
			},
		},
		"the volume will fill": {
			policy:   files,
			pod:      plain,
			detail:   `adds a Memory emptyDir of 256Mi, mounts it at /dev/shm in "web"`,
			warnings: []string{"256Mi fills after 2 d 12 h: 717.0Mi are needed; raise sizing.max, or shorten the retention"},
			check: []policy.Violation{{
				Reason: policy.NoMount, Container: "web",
				Detail: `container "web" mounts nothing at /dev/shm and gets the runtime's 64Mi; mount a Memory emptyDir with sizeLimit: 256Mi there`,
			}},
		},
		"nothing is ever deleted": {
			policy:   forever,
			pod:      plain,
			detail:   `adds a Memory emptyDir of 4Gi, mounts it at /dev/shm in "web"`,
			warnings: []string{"files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h; delete files, and tell the policy by retention"},
			check: []policy.Violation{{
				Reason: policy.NoMount, Container: "web",
				Detail: `container "web" mounts nothing at /dev/shm and gets the runtime's 64Mi; mount a Memory emptyDir with sizeLimit: 4Gi there`,
			}},
		},
		"overrides and an exemption do not count": {
			policy: fixed,
			pod:    "{metadata: {annotations: {shmkeeper.dev/retention: 24h, shmkeeper.dev/size-limit: 1e400, shmkeeper.dev/exempt: please}}, spec: {containers: [{name: web, image: web}]}}",
			detail: `annotation shmkeeper.dev/exempt: "please" does not count, as the policy allows no exemptions; remove the annotation, or ask for exemptions: Allowed in the policy; ` +
				`annotation shmkeeper.dev/retention: "24h" has no effect on a policy without sizing.files: use shmkeeper.dev/size-limit; mend or remove the annotation; ` +
				`annotation shmkeeper.dev/size-limit: "1e400" must be a number of bytes or a quantity, such as 1500 or 512Mi; mend or remove the annotation`,
			check: []policy.Violation{
				{Reason: policy.NotExempt, Detail: `annotation shmkeeper.dev/exempt: "please" does not count, as the policy allows no exemptions; remove the annotation, or ask for exemptions: Allowed in the policy`},
				{Reason: policy.InvalidOverride, Detail: `annotation shmkeeper.dev/retention: "24h" has no effect on a policy without sizing.files: use shmkeeper.dev/size-limit; mend or remove the annotation`},
				{Reason: policy.InvalidOverride, Detail: `annotation shmkeeper.dev/size-limit: "1e400" must be a number of bytes or a quantity, such as 1500 or 512Mi; mend or remove the annotation`},
				{Reason: policy.NoMount, Container: "web", Detail: `container "web" mounts nothing at /dev/shm and gets the runtime's 64Mi; mount a Memory emptyDir with sizeLimit: 256Mi there`},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set := policy.NewSet(readPolicy(t, c.policy))
			subject := subjectOf(readPod(t, c.pod))
			d := set.Decide(subject)
			if diff := cmp.Diff(c.detail, d.Detail); diff != "" {
				t.Errorf("detail: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(c.warnings, d.Warnings); diff != "" {
				t.Errorf("warnings: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(c.check, set.Check(subject)); diff != "" {
				t.Errorf("check: -want +got:\n%s", diff)
			}
		})
	}
}

func TestALimitRangeThatForbidsTheRaiseIsNamed(t *testing.T) {
	limitRange := &corev1.LimitRange{}
	limitRange.Name = "defaults"
	limitRange.Spec.Limits = []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer,
		Max:  corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}}
	set := policy.NewSet(readPolicy(t, "{match: {podSelector: {}}, sizing: {fixed: 1Gi}}"))
	d := set.Decide(subjectOf(readPod(t, "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 256Mi}}}]}}"), limitRange))
	const want = `the memory limit of container "web" would have to be raised from 256Mi to 1282.4Mi for a /dev/shm of 1Gi, and LimitRange "defaults" allows a container at most 1Gi: ` +
		`raise max.memory of the LimitRange to 1283Mi, or lower the size by a lower sizing.fixed`
	if diff := cmp.Diff(want, d.Detail); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The patch of the incident's Pod, in the order in which it is applied, on a Pod
// with a field that this program's types do not have.
func TestThePatchIsTheSmallestAndSparesUnknownFields(t *testing.T) {
	const original = `{"metadata":{"labels":{"app":"web"}},"spec":{"fromTheFuture":{"a":1},"containers":[{"name":"web","image":"web","novel":true,"resources":{"limits":{"memory":"256Mi","future/thing":"1"}}}]}}`
	var pod corev1.Pod
	if err := json.Unmarshal([]byte(original), &pod); err != nil {
		t.Fatal(err)
	}
	set := policy.NewSet(readPolicy(t, "{match: {podSelector: {}}, sizing: {fixed: 64Mi}}"))
	subject := subjectOf(&pod)
	text, err := json.Marshal(set.Decide(subject).JSONPatch(subject))
	if err != nil {
		t.Fatal(err)
	}
	const wantPatch = `[` +
		`{"op":"add","path":"/spec/volumes","value":[{"name":"shmkeeper-shm","emptyDir":{"medium":"Memory","sizeLimit":"64Mi"}}]},` +
		`{"op":"add","path":"/spec/containers/0/volumeMounts","value":[{"name":"shmkeeper-shm","mountPath":"/dev/shm"}]},` +
		`{"op":"replace","path":"/spec/containers/0/resources/limits/memory","value":"335699896"},` +
		`{"op":"add","path":"/spec/containers/0/resources/requests","value":{"memory":"335699896"}},` +
		`{"op":"add","path":"/metadata/annotations","value":{` +
		`"shmkeeper.dev/injected":"{\"policy\":\"p\",\"volume\":\"shmkeeper-shm\",\"sizeLimit\":\"64Mi\",\"memory\":{\"web\":{\"limit\":335699896,\"request\":335699896,\"limitAdded\":67264440,\"requestAdded\":67264440,\"charge\":67264440}}}",` +
		`"shmkeeper.dev/policy":"p"}}]`
	if diff := cmp.Diff(wantPatch, string(text)); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply([]byte(original))
	if err != nil {
		t.Fatal(err)
	}
	var after struct {
		Spec struct {
			FromTheFuture map[string]int `json:"fromTheFuture"`
			Containers    []struct {
				Novel bool `json:"novel"`
			} `json:"containers"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(patched, &after); err != nil {
		t.Fatal(err)
	}
	if after.Spec.FromTheFuture["a"] != 1 || !after.Spec.Containers[0].Novel {
		t.Errorf("unknown fields are gone: %s", patched)
	}
}

func TestTheLeastModeIsInForce(t *testing.T) {
	modes := []v1alpha1.Mode{v1alpha1.Audit, v1alpha1.Warn, v1alpha1.Enforce}
	for server := range modes {
		for namespace := range modes {
			for own := range modes {
				want := modes[min(server, namespace, own)]
				if got := policy.EffectiveMode(modes[server], modes[namespace], modes[own]); got != want {
					t.Errorf("server %s, namespace %s, policy %s: %s, want %s", modes[server], modes[namespace], modes[own], got, want)
				}
			}
		}
	}
	if mode, err := policy.ParseMode("strict"); mode != v1alpha1.Audit || err == nil || err.Error() != `mode "strict" is unknown and counts as audit: write audit, warn or enforce` {
		t.Errorf("ParseMode(strict) = %s, %v", mode, err)
	}
}
