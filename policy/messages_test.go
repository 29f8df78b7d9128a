package policy_test

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// What a person reads, word for word.
func TestEvaluate_Messages(t *testing.T) {
	const (
		fixed   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}"
		require = "{match: [{podSelector: {}}], sizing: {fixed: {size: 512Mi}}, memory: {handling: Require}}"
		keep    = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, existing: Require}"
		files   = "{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', retention: 168h, fileSize: 1500}, max: 256Mi}}"
		forever = "{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', fileSize: 1500}}}"
		allowed = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, overrides: Allowed, hostShm: Denied}"
		plain   = "{spec: {containers: [{name: web, image: web, resources: {requests: {memory: 64Mi}}}]}}"
	)
	mounted := func(mount, volume string) string {
		return "{spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm" + mount + "}]}], volumes: [{name: shm, " + volume + "}]}}"
	}
	type message struct {
		Detail   string
		Before   []string
		Warnings []string
	}
	oomKilled := func(why string) message {
		detail := `container "web" would be OOM-killed before the volume is full: ` + why
		return message{Detail: detail, Before: []string{"OOMBeforeFull web: " + detail}}
	}
	for name, c := range map[string]struct {
		policy, pod string
		want        message
	}{
		"a volume is added": {
			policy: fixed,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}}}]}}",
			want: message{
				Detail: `adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web", raises the memory limit of "web" from 512Mi to 769Mi and makes its request 768Mi`,
				Before: []string{
					`NoMount web: container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 256Mi there`,
				},
			},
		},
		"a volume is enlarged": {
			policy: fixed,
			pod:    mounted("", "emptyDir: {medium: Memory, sizeLimit: 128Mi}"),
			want: message{
				Detail: `changes the sizeLimit of volume "shm" from 128Mi to 256Mi`,
				Before: []string{
					`TooSmall web: container "web" mounts volume "shm" of 128Mi at /dev/shm and needs 256Mi: set sizeLimit: 256Mi`,
				},
				Warnings: []string{
					"the Pod has no memory request or limit, so none is raised: the scheduler does not know that 256Mi are in use at /dev/shm on average: set a memory request",
				},
			},
		},
		"a volume without sizeLimit is left": {
			policy: fixed,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 1Gi}, requests: {memory: 64Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory}}]}}",
			want: message{
				Detail: `volume "shm" at /dev/shm has no sizeLimit and is left as it is`,
				Warnings: []string{
					`volume "shm" at /dev/shm has no sizeLimit, so it can take all of the memory limit: set one that holds what the program needs (policy "p" gives 256Mi)`,
				},
			},
		},
		"a volume that is too small is required to be larger": {
			policy: keep,
			pod:    mounted("", "emptyDir: {medium: Memory, sizeLimit: 128Mi}"),
			want: message{
				Detail: `container "web" mounts volume "shm" of 128Mi at /dev/shm and needs 256Mi: set sizeLimit: 256Mi`,
				Before: []string{
					`TooSmall web: container "web" mounts volume "shm" of 128Mi at /dev/shm and needs 256Mi: set sizeLimit: 256Mi`,
				},
				Warnings: []string{
					"the Pod has no memory request or limit, so none is raised: the scheduler does not know that 128Mi are in use at /dev/shm on average: set a memory request",
				},
			},
		},
		"a disk is mounted": {
			policy: fixed,
			pod:    mounted("", "emptyDir: {}"),
			want: message{
				Detail: `container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`,
				Before: []string{
					`NotMemory web: container "web" mounts volume "shm" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`,
				},
			},
		},
		"the node's /dev/shm is mounted": {
			policy: allowed,
			pod:    mounted("", "hostPath: {path: /dev/shm}"),
			want: message{
				Detail: `container "web" uses the node's own /dev/shm at /dev/shm by a hostPath volume, shared with every Pod of the node that does so, and policy "p" denies it: mount a Memory emptyDir with sizeLimit: 256Mi there, which ends the sharing, or ask the policy's administrator for an exemption`,
				Before: []string{
					`HostShm web: container "web" uses the node's own /dev/shm at /dev/shm by a hostPath volume, shared with every Pod of the node that does so, and policy "p" denies it: mount a Memory emptyDir with sizeLimit: 256Mi there, which ends the sharing, or ask the policy's administrator for an exemption`,
				},
			},
		},
		"a volume is mounted that is not there": {
			policy: fixed,
			pod:    "{spec: {containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}]}}",
			want: message{
				Detail: `container "web" mounts volume "shm" at /dev/shm, which the Pod does not have: add a Memory emptyDir with sizeLimit: 256Mi of that name`,
				Before: []string{
					`NotMemory web: container "web" mounts volume "shm" at /dev/shm, which the Pod does not have: add a Memory emptyDir with sizeLimit: 256Mi of that name`,
				},
			},
		},
		"a part of a volume is mounted read-only": {
			policy: fixed,
			pod:    mounted(", subPath: x, readOnly: true", "emptyDir: {medium: Memory, sizeLimit: 256Mi}"),
			want: message{
				Detail: `container "web" mounts only "x" of volume "shm" at /dev/shm: remove the subPath; container "web" mounts volume "shm" read-only at /dev/shm: remove readOnly`,
				Before: []string{
					`SubPath web: container "web" mounts only "x" of volume "shm" at /dev/shm: remove the subPath`,
					`ReadOnly web: container "web" mounts volume "shm" read-only at /dev/shm: remove readOnly`,
				},
			},
		},
		"the kubelet would clamp the volume": {
			policy: require,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 256Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]}}",
			want: message{
				Detail: `the kubelet would mount 256Mi at /dev/shm instead of the 512Mi of volume "shm", because the Pod's memory limit is 256Mi: raise the memory limit to at least 546Mi; container "web" would be OOM-killed before the volume is full: 256Mi of files at /dev/shm cost 257Mi with their kernel memory, and its memory limit is 256Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 256Mi, so each restart is OOM-killed again: raise the memory limit to at least 546Mi`,
				Before: []string{
					`ClampedByMemoryLimit : the kubelet would mount 256Mi at /dev/shm instead of the 512Mi of volume "shm", because the Pod's memory limit is 256Mi: raise the memory limit to at least 546Mi`,
					`OOMBeforeFull web: container "web" would be OOM-killed before the volume is full: 256Mi of files at /dev/shm cost 257Mi with their kernel memory, and its memory limit is 256Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 256Mi, so each restart is OOM-killed again: raise the memory limit to at least 546Mi`,
				},
			},
		},
		"a container is restarted into a Pod without a limit": {
			policy: require,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 513Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}, {name: free, image: free}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]}}",
			want:   oomKilled(`512Mi of files at /dev/shm cost 514Mi with their kernel memory, and its memory limit is 513Mi, which must hold 32Mi for the process too; the files outlive it, and as the Pod as a whole has no memory limit, each restart adds to them on the node: raise the memory limit to at least 546Mi`),
		},
		"a container is restarted into a Pod with room": {
			policy: require,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 513Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}, {name: other, image: other, resources: {limits: {memory: 33Mi}}}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]}}",
			want:   oomKilled(`512Mi of files at /dev/shm cost 514Mi with their kernel memory, and its memory limit is 513Mi, which must hold 32Mi for the process too; the files outlive it, and each restart adds to them within the Pod's 546Mi: raise the memory limit to at least 546Mi`),
		},
		"a container is restarted into a Pod that is used up": {
			policy: require,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 513Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}, {name: other, image: other, resources: {limits: {memory: 32Mi}}}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]}}",
			want:   oomKilled(`512Mi of files at /dev/shm cost 514Mi with their kernel memory, and its memory limit is 513Mi, which must hold 32Mi for the process too; the files outlive it and use up the Pod's 545Mi, so each restart is OOM-killed again: raise the memory limit to at least 546Mi`),
		},
		"a limit holds the files alone": {
			policy: require,
			pod:    "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 514Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}, {name: free, image: free}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]}}",
			want:   oomKilled(`512Mi of files at /dev/shm cost 514Mi with their kernel memory, and its memory limit is 514Mi, which must hold 32Mi for the process too (where the kubelet sets memoryThrottlingFactor, the writer stalls before it is killed); the files outlive it, and as the Pod as a whole has no memory limit, each restart adds to them on the node: raise the memory limit to at least 546Mi`),
		},
		"a pod-level limit holds the files alone": {
			policy: require,
			pod:    "{spec: {resources: {limits: {memory: 514Mi}}, containers: [{name: web, image: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]}}",
			want: message{
				Detail: `the Pod would be OOM-killed before the volume is full: what is mounted at /dev/shm costs 514Mi with its kernel memory, and the pod-level memory limit is 514Mi, which must hold 32Mi for the processes too (where the kubelet sets memoryThrottlingFactor, the writer stalls before it is killed); the files outlive it and use up the Pod's 514Mi, so each restart is OOM-killed again: raise the memory limit to at least 546Mi`,
				Before: []string{`OOMBeforeFull : the Pod would be OOM-killed before the volume is full: what is mounted at /dev/shm costs 514Mi with its kernel memory, and the pod-level memory limit is 514Mi, which must hold 32Mi for the processes too (where the kubelet sets memoryThrottlingFactor, the writer stalls before it is killed); the files outlive it and use up the Pod's 514Mi, so each restart is OOM-killed again: raise the memory limit to at least 546Mi`},
			},
		},
		"the volume will fill": {
			policy: files,
			pod:    plain,
			want: message{
				Detail: `adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web", raises the memory request of "web" from 64Mi to 320Mi`,
				Before: []string{
					`NoMount web: container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 256Mi there`,
				},
				Warnings: []string{
					`256Mi fills after 2 d 12 h, as 717.0Mi are required: ask the administrator of policy "p" for a larger one`,
				},
			},
		},
		"nothing is ever deleted": {
			policy: forever,
			pod:    plain,
			want: message{
				Detail: `adds a Memory emptyDir of 4Gi and mounts it at /dev/shm in "web", raises the memory request of "web" from 64Mi to 4160Mi`,
				Before: []string{
					`NoMount web: container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 4Gi there`,
				},
				Warnings: []string{
					`files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: delete files that are old, and tell the administrator of policy "p" how old they get`,
				},
			},
		},
		"overrides and an exemption do not count": {
			policy: allowed,
			pod:    "{metadata: {annotations: {shmkeeper.dev/retention: 24h, shmkeeper.dev/size-limit: 1e400, shmkeeper.dev/exempt: please}}, spec: {containers: [{name: web, image: web}]}}",
			want: message{
				Detail: `annotation shmkeeper.dev/exempt: "please" does not count, as policy "p" allows no exemptions: remove the annotation, or ask the policy's administrator to allow them; annotation shmkeeper.dev/retention: "24h" has no effect, as policy "p" counts no files: correct or remove the annotation; annotation shmkeeper.dev/size-limit: "1e400" must be a number of bytes or a quantity, such as 1500 or 512Mi: correct or remove the annotation`,
				Before: []string{
					`NotExempt : annotation shmkeeper.dev/exempt: "please" does not count, as policy "p" allows no exemptions: remove the annotation, or ask the policy's administrator to allow them`,
					`InvalidOverride : annotation shmkeeper.dev/retention: "24h" has no effect, as policy "p" counts no files: correct or remove the annotation`,
					`InvalidOverride : annotation shmkeeper.dev/size-limit: "1e400" must be a number of bytes or a quantity, such as 1500 or 512Mi: correct or remove the annotation`,
					`NoMount web: container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 256Mi there`,
				},
			},
		},
		"an annotation asks for less": {
			policy: fixed,
			pod:    "{metadata: {annotations: {shmkeeper.dev/size-limit: 100Mi}}, spec: {containers: [{name: web, image: web, resources: {requests: {memory: 64Mi}}}]}}",
			want: message{
				Detail: `adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web", raises the memory request of "web" from 64Mi to 320Mi`,
				Before: []string{
					`NoMount web: container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 256Mi there`,
				},
				Warnings: []string{
					`the annotations ask for a /dev/shm of 100Mi, less than the 256Mi that policy "p" gives, and are ignored: remove shmkeeper.dev/size-limit`,
				},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, "", "")
			e, _ := w.evaluate(t)
			got := message{Detail: e.Detail, Warnings: e.Warnings}
			for _, v := range e.Before {
				got.Before = append(got.Before, string(v.Reason)+" "+v.Container+": "+v.Detail)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The patch of a Pod with fields that this program's types do not have, in the order in which it is
// applied.
func TestPlan_PatchIsTheSmallestAndSparesUnknownFields(t *testing.T) {
	const original = `{"metadata":{"labels":{"app":"web"}},"spec":{"fromTheFuture":{"a":1},"containers":[{"name":"web","image":"web","novel":true,"resources":{"limits":{"memory":"256Mi","future/thing":"1"},"requests":{"memory":"64Mi"}}}]}}`
	var pod corev1.Pod
	if err := json.Unmarshal([]byte(original), &pod); err != nil {
		t.Fatal(err)
	}
	subject := subjectOf(&pod)
	e := evaluate(policy.NewSet(mustCompile(t, fixedPolicy("64Mi"))), subject)
	text, err := json.Marshal(e.Plan.Patch(subject))
	if err != nil {
		t.Fatal(err)
	}
	const wantPatch = `[` +
		`{"op":"add","path":"/spec/volumes","value":[{"name":"shmkeeper-shm","emptyDir":{"medium":"Memory","sizeLimit":"64Mi"}}]},` +
		`{"op":"add","path":"/spec/containers/0/volumeMounts","value":[{"name":"shmkeeper-shm","mountPath":"/dev/shm"}]},` +
		`{"op":"replace","path":"/spec/containers/0/resources/limits/memory","value":"321Mi"},` +
		`{"op":"replace","path":"/spec/containers/0/resources/requests/memory","value":"128Mi"},` +
		`{"op":"add","path":"/metadata/annotations","value":{` +
		`"shmkeeper.dev/injected":"{\"policy\":\"fixed\",\"volume\":\"shmkeeper-shm\",\"sizeLimit\":\"64Mi\",\"limits\":{\"web\":{\"from\":\"256Mi\",\"to\":\"321Mi\"}},\"requests\":{\"web\":{\"from\":\"64Mi\",\"to\":\"128Mi\"}}}",` +
		`"shmkeeper.dev/policy":"fixed"}}]`
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

func TestEffectiveMode_IsTheLeast(t *testing.T) {
	modes := []v1alpha1.Mode{v1alpha1.Audit, v1alpha1.Warn, v1alpha1.Enforce}
	if got := policy.EffectiveMode(v1alpha1.Enforce, v1alpha1.Audit, "unknown"); got != v1alpha1.Audit {
		t.Errorf("with an unknown mode: %s, want %s", got, v1alpha1.Audit)
	}
	for server := range modes {
		for namespace := range modes {
			for own := range modes {
				want := modes[min(server, namespace, own)]
				if got := policy.EffectiveMode(modes[server], modes[namespace], modes[own]); got != want {
					t.Errorf(
						"server %s, namespace %s, policy %s: %s, want %s",
						modes[server],
						modes[namespace],
						modes[own],
						got,
						want,
					)
				}
			}
		}
	}
}
