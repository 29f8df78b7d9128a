package limitrange_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/limitrange"
	"github.com/shmkeeper/shmkeeper/policy"
)

func TestApply_GivesWhatTheLimitRangerPluginGives(t *testing.T) {
	const two = "containers: [{name: a}, {name: b, resources: {limits: {memory: 1Gi}}}]\ninitContainers: [{name: i, restartPolicy: Always}]\nephemeralContainers: [{name: e}]\n"
	tests := map[string]struct {
		limitRanges []string // what stands behind "limits:"
		pod         string
		want        string // the resources of a, b and i
		told        string
	}{
		"nothing if there are none": {
			pod:  two,
			want: "a {}, b {limits: {memory: 1Gi}}, i {}",
		},
		"limits and requests to all that have none, sidecars too": {
			limitRanges: []string{"[{type: Container, default: {memory: 256Mi, cpu: 1}, defaultRequest: {memory: 64Mi}}]"},
			pod:         two,
			want: "a {limits: {cpu: 1, memory: 256Mi}, requests: {cpu: 1, memory: 64Mi}}, " +
				"b {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1, memory: 1Gi}}, i {limits: {cpu: 1, memory: 256Mi}, requests: {cpu: 1, memory: 64Mi}}",
			told: `LimitRange "0" gives containers "a", "i" a memory limit of 256Mi, and LimitRange "0" gives container "b" a cpu limit of 1`,
		},
		"a maximum as limit, and a minimum as request": {
			limitRanges: []string{"[{type: Container, max: {memory: 2Gi}}]", "[{type: Container, min: {cpu: 100m}}]"},
			pod:         "containers: [{name: a}]",
			want:        "a {limits: {memory: 2Gi}, requests: {cpu: 100m, memory: 2Gi}}",
			told:        `LimitRange "0" gives container "a" a memory limit of 2Gi`,
		},
		"of several LimitRanges the first, of several items of one the last": {
			limitRanges: []string{"[{type: Container, default: {memory: 1Gi}}, {type: Container, default: {memory: 2Gi}}]", "[{type: Container, default: {memory: 3Gi}}]"},
			pod:         "containers: [{name: a}]",
			want:        "a {limits: {memory: 2Gi}, requests: {memory: 2Gi}}",
			told:        `LimitRange "0" gives container "a" a memory limit of 2Gi`,
		},
		"a limit is told before a request": {
			limitRanges: []string{"[{type: Container, defaultRequest: {memory: 64Mi}}]", "[{type: Container, default: {memory: 1Gi}}]"},
			pod:         "containers: [{name: a}]",
			want:        "a {limits: {memory: 1Gi}, requests: {memory: 64Mi}}",
			told:        `LimitRange "1" gives container "a" a memory limit of 1Gi`,
		},
		"nothing for whole Pods": {
			limitRanges: []string{"[{type: Pod, max: {memory: 2Gi}}]"},
			pod:         "containers: [{name: a}]",
			want:        "a {}",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec := &corev1.PodSpec{}
			into(t, test.pod, spec)
			s := policy.Subject{Pod: policy.ViewOf(&metav1.ObjectMeta{}, spec)}
			for i, limits := range test.limitRanges {
				l := &corev1.LimitRange{}
				into(t, "spec: {limits: "+limits+"}", l)
				l.Name = string(rune('0' + i))
				// Their order is that of their names.
				s.LimitRanges = append([]*corev1.LimitRange{l}, s.LimitRanges...)
			}
			before := spec.DeepCopy()
			got, given := limitrange.Apply(s)
			if diff := cmp.Diff(before, spec); diff != "" {
				t.Errorf("the subject itself changes (-before +after):\n%s", diff)
			}
			want := map[string]corev1.ResourceRequirements{}
			into(t, "{"+strings.NewReplacer("a {", "a: {", "b {", "b: {", "i {", "i: {").Replace(test.want)+"}", &want)
			has := map[string]corev1.ResourceRequirements{}
			for _, c := range slices.Concat(got.Pod.Spec.Containers, got.Pod.Spec.InitContainers) {
				has[c.Name] = *c.Resources
			}
			if diff := cmp.Diff(want, has); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
			if given.String() != test.told {
				t.Errorf("told as %q, want %q", given, test.told)
			}
			for _, c := range got.Pod.Spec.EphemeralContainers {
				if diff := cmp.Diff(corev1.ResourceRequirements{}, *c.Resources); diff != "" {
					t.Errorf("an ephemeral container is given something (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func into(t *testing.T, text string, object any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatal(err)
	}
}
