package policytest

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy"
)

// pair returns the spec of a Pod in which "web" and "helper" mount the given volumes at
// /dev/shm; "" stands for none.
func pair(web, helper string) *corev1.PodSpec {
	size := resource.MustParse("256Mi")
	spec := &corev1.PodSpec{}
	for _, name := range []string{"one", "two"} {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &size},
		}})
	}
	for name, volume := range map[string]string{"web": web, "helper": helper} {
		c := corev1.Container{Name: name, Resources: corev1.ResourceRequirements{
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
		}}
		if volume != "" {
			c.VolumeMounts = []corev1.VolumeMount{{Name: volume, MountPath: "/dev/shm/"}}
		}
		spec.Containers = append(spec.Containers, c)
	}
	return spec
}

func TestCase_Diff(t *testing.T) {
	mounted := Container{Volume: "one", SizeLimit: "256Mi", Memory: Memory{Limit: "512Mi"}}
	for name, c := range map[string]struct {
		want Want
		got  Result
		part string // of the difference; "" if there is none
	}{
		"the same outcome": {
			Want{Outcome: policy.Compliant}, Result{Outcome: policy.Compliant}, "",
		},
		"another outcome": {
			Want{Outcome: policy.Compliant}, Result{Outcome: policy.Mutated}, "Mutated",
		},
		"another reason": {
			Want{Reason: policy.AddVolume}, Result{Reason: policy.RaiseMemory}, "RaiseMemory",
		},
		"another policy": {
			Want{Policy: "a"}, Result{Policy: "b"}, `"b"`,
		},
		"violations in another order": {
			Want{Outcome: policy.Violating, Violations: []policy.Reason{policy.NoMount, policy.HostShm}},
			Result{Outcome: policy.Violating, Violations: []policy.Reason{policy.HostShm, policy.NoMount}},
			"",
		},
		"a violation too many": {
			Want{Outcome: policy.Violating},
			Result{Outcome: policy.Violating, Violations: []policy.Reason{policy.HostShm}},
			"HostShm",
		},
		"a violation too few": {
			Want{Outcome: policy.Violating, Violations: []policy.Reason{policy.HostShm}},
			Result{Outcome: policy.Violating},
			"HostShm",
		},
		"a warning too many": {
			Want{}, Result{Warnings: []string{"loud"}}, "warning: loud",
		},
		"a warning with the text": {
			Want{Warnings: 1, WarningsContain: []string{"ou"}}, Result{Warnings: []string{"loud"}}, "",
		},
		"a warning without the text": {
			Want{Warnings: 1, WarningsContain: []string{"x"}},
			Result{Warnings: []string{"loud"}},
			`no warning contains "x"`,
		},
		"a message is not a warning": {
			Want{WarningsContain: []string{"said"}},
			Result{Messages: []string{"said"}},
			`no warning contains "said"`,
		},
		"a warning is a message": {
			Want{Warnings: 1, MessagesContain: []string{"loud"}}, Result{Warnings: []string{"loud"}}, "",
		},
		"no message has the text": {
			Want{MessagesContain: []string{"x"}},
			Result{Messages: []string{"said"}},
			`no message contains "x"`,
		},
		"a warning has a text that none may have": {
			Want{Warnings: 1, MessagesLack: []string{"loud"}},
			Result{Warnings: []string{"loud"}},
			`a message contains "loud"`,
		},
		"a message has a text that none may have": {
			Want{MessagesLack: []string{"said"}},
			Result{Messages: []string{"said"}},
			`a message contains "said"`,
		},
		"the container that is wanted": {
			Want{Containers: map[string]Container{"web": mounted}}, Result{Spec: pair("one", "")}, "",
		},
		"another volume": {
			Want{Containers: map[string]Container{"web": mounted}}, Result{Spec: pair("two", "")}, `"two"`,
		},
		"a mount that is not wanted": {
			Want{Containers: map[string]Container{"web": {Memory: Memory{Limit: "512Mi"}}}},
			Result{Spec: pair("one", "")},
			`"one"`,
		},
		"a request that is not wanted": {
			Want{Containers: map[string]Container{"web": {Memory: Memory{Request: "512Mi"}}}},
			Result{Spec: pair("", "")},
			`request: want "512Mi"`,
		},
		"any limit": {
			Want{Containers: map[string]Container{"web": {Memory: Memory{Limit: "*"}}}},
			Result{Spec: pair("", "")},
			"",
		},
		"a container that is not there": {
			Want{Containers: map[string]Container{"other": {}}},
			Result{Spec: pair("", "")},
			"there is no such container",
		},
		"the size of a volume": {
			Want{Volumes: map[string]string{"one": "256Mi"}}, Result{Spec: pair("", "")}, "",
		},
		"another size of a volume": {
			Want{Volumes: map[string]string{"one": ""}}, Result{Spec: pair("", "")}, "256Mi",
		},
		"a volume that is not there": {
			Want{Volumes: map[string]string{"three": ""}}, Result{Spec: pair("", "")}, "three",
		},
		"one volume is shared": {
			Want{Sharing: [][]string{{"web", "helper"}}}, Result{Spec: pair("one", "one")}, "",
		},
		"the runtime's is shared": {
			Want{Sharing: [][]string{{"web", "helper"}}}, Result{Spec: pair("", "")}, "",
		},
		"two volumes are not shared": {
			Want{Sharing: [][]string{{"web", "helper"}}}, Result{Spec: pair("one", "two")}, "do not share",
		},
		"two groups differ": {
			Want{Sharing: [][]string{{"web"}, {"helper"}}}, Result{Spec: pair("one", "")}, "",
		},
		"two groups share": {
			Want{Sharing: [][]string{{"web"}, {"helper"}}},
			Result{Spec: pair("one", "one")},
			`"web" and "helper" share`,
		},
		"a Pod that is not known": {
			Want{Containers: map[string]Container{"web": mounted}}, Result{}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			diff := Case{Name: name, Want: c.want}.Diff(t, c.got)
			if c.part == "" && diff != "" || !strings.Contains(diff, c.part) {
				t.Errorf("got difference %q, want it to contain %q", diff, c.part)
			}
		})
	}
}
