package policy_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// The outcome for a Pod, and its reason, if neither a plan nor a violation says so.
func TestEvaluate_Outcomes(t *testing.T) {
	const (
		fixed   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}"
		leave   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}, existing: Leave}"
		checks  = "{match: [{podSelector: {}}]}"
		exempts = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, exemptions: Allowed}"
		guess   = "{match: [{tmpfsPaths: Detect}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}"
		noGuess = "{match: [{tmpfsPaths: Detect}, {podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}"
		guessed = `policy "p" only guesses that the Pod writes there, so nothing that is there is changed or rejected`
		left    = `volume "shm" of 128Mi at /dev/shm is left as it is`
		node    = `container "web" uses the node's own /dev/shm %s, which it shares with every Pod of the node that does so: nothing bounds it but the node's memory`
	)
	own := func(container, size string) string {
		return "{spec: {containers: [{name: web, " + container + "volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: " + size + "}}]}}"
	}
	for name, c := range map[string]struct {
		policy, pod string
		outcome     policy.Outcome
		reason      policy.Reason
		detail      string
	}{
		"a mirror Pod": {
			fixed, "{metadata: {annotations: {kubernetes.io/config.mirror: x}}, spec: {containers: [{name: web}]}}",
			policy.Skipped, policy.MirrorPod, "it mirrors a static Pod, which only the node's own files can change",
		},
		"Windows, by its field": {
			fixed, "{spec: {os: {name: windows}, containers: [{name: web}]}}", policy.Skipped, policy.Windows, "it runs on Windows, which has no /dev/shm",
		},
		"Windows, by its node selector": {
			fixed, "{spec: {nodeSelector: {kubernetes.io/os: windows}, containers: [{name: web}]}}", policy.Skipped, policy.Windows, "it runs on Windows, which has no /dev/shm",
		},
		"Linux": {
			fixed, "{spec: {os: {name: linux}, nodeSelector: {kubernetes.io/os: linux}, containers: [{name: web}]}}", policy.Mutated, policy.AddVolume,
			`adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`,
		},
		"an exemption": {
			exempts, "{metadata: {annotations: {shmkeeper.dev/exempt: ' small files '}}, spec: {containers: [{name: web}]}}", policy.Exempt, policy.Exempted,
			`exempt by its annotation: "small files"`,
		},
		"an exemption without a reason": {
			exempts, "{metadata: {annotations: {shmkeeper.dev/exempt: ' '}}, spec: {containers: [{name: web}]}}", policy.Violating, policy.NotExempt,
			`annotation shmkeeper.dev/exempt is empty: write there why the Pod needs no sized /dev/shm`,
		},
		"the node's IPC namespace": {
			fixed, "{spec: {hostIPC: true, containers: [{name: web}]}}", policy.Skipped, policy.UsesHostShm, fmt.Sprintf(node, "by hostIPC"),
		},
		"the node's /dev/shm as a volume": {
			fixed, "{spec: {containers: [{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, hostPath: {path: /dev/shm}}]}}",
			policy.Skipped, policy.UsesHostShm, fmt.Sprintf(node, "by a hostPath volume"),
		},
		"the node's IPC namespace, hidden by a volume": {
			fixed, strings.Replace(own("", "256Mi"), "{spec: {", "{spec: {hostIPC: true, ", 1), policy.Compliant, policy.AlreadySized,
			`volume "shm" of 256Mi at /dev/shm is as large as policy "p" asks for`,
		},
		"one of two writers on the node's": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}, writers: {names: ['*']}}",
			"{spec: {hostIPC: true, containers: [{name: other}, {name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}",
			policy.Compliant, policy.AlreadySized, `volume "shm" of 256Mi at /dev/shm is as large as policy "p" asks for`,
		},
		"a volume that is left": {leave, own("", "128Mi"), policy.Compliant, policy.AlreadySized, left},
		"a volume that is checked": {
			checks, own("", "128Mi"), policy.Compliant, policy.AlreadySized, left,
		},
		"nothing that is checked": {checks, "{spec: {containers: [{name: web}]}}", policy.Compliant, policy.AlreadySized, "nothing has to change"},
		"a volume behind a disk below": {
			fixed, "{spec: {containers: [{name: web, volumeMounts: [{name: disk, mountPath: /dev/shm/disk}, {name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}, {name: disk, emptyDir: {}}]}}",
			policy.Compliant, policy.AlreadySized, `volume "shm" of 256Mi at /dev/shm is as large as policy "p" asks for`,
		},
		"a volume behind one below": {
			fixed, "{spec: {containers: [{name: web, volumeMounts: [{name: cache, mountPath: /dev/shm/cache}, {name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}, {name: cache, emptyDir: {medium: Memory, sizeLimit: 1Gi}}]}}",
			policy.Compliant, policy.AlreadySized, `volume "shm" of 256Mi at /dev/shm is as large as policy "p" asks for`,
		},
		"a guess at a Pod that mounts nothing": {
			guess, "{spec: {containers: [{name: web, args: [/dev/shm/x]}]}}", policy.Mutated, policy.AddVolume,
			`adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`,
		},
		"a guess at a volume that is too small":    {guess, own("args: [/dev/shm/x], ", "128Mi"), policy.Skipped, policy.Guessed, guessed},
		"a guess at a volume that is large enough": {guess, own("args: [/dev/shm/x], ", "256Mi"), policy.Compliant, policy.AlreadySized, `volume "shm" of 256Mi at /dev/shm is as large as policy "p" asks for`},
		"a guess at two, of which one has its own": {
			"{match: [{tmpfsPaths: Detect}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}, writers: {names: ['*']}}",
			"{spec: {containers: [{name: web, args: [/dev/shm/x], volumeMounts: [{name: shm, mountPath: /dev/shm}]}, {name: other}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}",
			policy.Skipped, policy.Guessed, guessed,
		},
		"a guess, and the word of the administrator":   {noGuess, own("args: [/dev/shm/x], ", "128Mi"), policy.Mutated, policy.ResizeVolume, `changes the sizeLimit of volume "shm" from 128Mi to 256Mi`},
		"a guess at one that is beyond every bound":    {guess, "{spec: {containers: [{name: web, args: [/dev/shm/x, " + strings.Repeat("y", 65536) + "]}]}}", policy.Skipped, policy.Guessed, guessed},
		"a guess at a Pod that names nothing":          {guess, "{spec: {containers: [{name: web}]}}", policy.NotMatched, policy.NoPolicy, "no policy matches"},
		"one that is Mutated in its memory alone":      {"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}", own("resources: {limits: {memory: 288Mi}, requests: {memory: 1Mi}}, ", "256Mi"), policy.Mutated, policy.RaiseMemory, `raises the memory limit of "web" from 288Mi to 289Mi`},
		"a policy that only checks beside one of size": {checks, "{spec: {containers: [{name: web}]}}", policy.Compliant, policy.AlreadySized, "nothing has to change"},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, "", "")
			e, _ := w.evaluate(t)
			if e.Outcome != c.outcome || e.Reason != c.reason || e.Detail != c.detail {
				t.Errorf("want %s %s: %s\ngot %s", c.outcome, c.reason, c.detail, told(&e))
			}
		})
	}
}

// Of many violations of a Pod that is guessed at 16 become warnings, and then one that there are more.
func TestEvaluate_GuessWarnsOfTheFirst(t *testing.T) {
	for n, want := range map[int]int{15: 15, 16: 16, 17: 17, 20: 17} {
		w := readWorld(t, "{match: [{tmpfsPaths: Detect}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}, writers: {names: ['*']}}", "{}", "", "")
		for i := range n {
			w.pod.Spec.Containers = append(w.pod.Spec.Containers, corev1.Container{
				Name: fmt.Sprintf("c%d", i), Args: []string{"/dev/shm"},
				VolumeMounts: []corev1.VolumeMount{{Name: "disk", MountPath: "/dev/shm"}},
			})
		}
		w.pod.Spec.Volumes = []corev1.Volume{{Name: "disk"}}
		e, _ := w.evaluate(t)
		if e.Outcome != policy.Skipped || len(e.Warnings) != want {
			t.Fatalf("%d disks: %d warnings, want %d: %s", n, len(e.Warnings), want, told(&e))
		}
		if last := e.Warnings[len(e.Warnings)-1]; n > 16 && last != fmt.Sprintf("and %d more", n-16) {
			t.Errorf("%d disks: the last warning is %q", n, last)
		}
	}
}

// What remains of a plan that does not fix everything is said in the words that are true of the Pod as
// it is: what a container has wrong twice, twice.
func TestEvaluate_SaysWhatIsWrongAsWritten(t *testing.T) {
	w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}",
		"{spec: {containers: [{name: web, volumeMounts: [{name: a, mountPath: /dev/shm}, {name: b, mountPath: /dev/shm/}, {name: c, mountPath: /dev//shm}]}], volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}, {name: c, emptyDir: {medium: Memory, sizeLimit: 128Mi}}]}}", "", "")
	e, _ := w.evaluate(t)
	const wrong = `container "web" mounts volume %q at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`
	want := fmt.Sprintf(wrong, "a") + "; " + fmt.Sprintf(wrong, "b")
	if e.Outcome != policy.Violating || e.Detail != want {
		t.Errorf("want %s\ngot %s", want, told(&e))
	}
}
