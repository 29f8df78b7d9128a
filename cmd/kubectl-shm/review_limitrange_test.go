package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
)

func TestReviewDecidesWithWhatLimitRangesGive(t *testing.T) {
	const adds = `adds a Memory emptyDir of 2Gi, mounts it at /dev/shm in "chrome"`
	limitRange := func(item string) string {
		return "{apiVersion: v1, kind: LimitRange, metadata: {name: small}, spec: {limits: [{type: Container, " + item + "}]}}\n---\n"
	}
	mutated := func(warning string) ran {
		if warning != "" {
			warning = "  warning: " + warning + "\n"
		}
		return ran{out: "Mutated  Pod/default/browser  selenium  2Gi\n  " + adds + "\n" + warning + "\n1 object reviewed: 1 Mutated; 1 other object passed\n"}
	}
	tests := map[string]struct {
		in, args string
		want     ran
	}{
		"a default limit that a maximum keeps from being raised is refused": {
			in: limitRange("default: {memory: 256Mi}, max: {memory: 1Gi}") + simplePod,
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the memory limit of container "chrome" would have to be raised from 256Mi to 2308.7Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: raise max.memory of the LimitRange to 2309Mi, or lower the size by a shorter retention or a lower sizing.max
  warning: LimitRange "small" gives container "chrome" a memory limit of 256Mi, with which it was judged

1 object reviewed: 1 Violating; 1 other object passed; 1 would be refused
`},
		},
		"a maximum alone is the default limit too": {
			in: limitRange("max: {memory: 1Gi}") + simplePod,
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the memory limit of container "chrome" would have to be raised from 1Gi to 3076.7Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: raise max.memory of the LimitRange to 3077Mi, or lower the size by a shorter retention or a lower sizing.max
  warning: LimitRange "small" gives container "chrome" a memory limit of 1Gi, with which it was judged

1 object reviewed: 1 Violating; 1 other object passed; 1 would be refused
`},
		},
		"a default limit that is raised is a warning": {
			in:   limitRange("default: {memory: 256Mi}, defaultRequest: {memory: 64Mi}") + simplePod,
			want: mutated(`LimitRange "small" gives container "chrome" a memory limit of 256Mi: with it shmkeeper also raises the memory limit of "chrome" from 256Mi to 2308.7Mi and its request from 64Mi to 2116.7Mi`),
		},
		"a default limit serves as request where no other is named": {
			in:   limitRange("default: {memory: 256Mi}") + simplePod,
			want: mutated(`LimitRange "small" gives container "chrome" a memory limit of 256Mi: with it shmkeeper also raises the memory limit of "chrome" from 256Mi to 2308.7Mi and its request from 256Mi to 2308.7Mi`),
		},
		"a template is judged like the Pods that it makes": {
			in: limitRange("default: {memory: 256Mi}, max: {memory: 1Gi}") +
				"{apiVersion: apps/v1, kind: Deployment, metadata: {name: browser}, spec: {template: {spec: {containers: [{name: chrome, image: selenium/node-chrome}]}}}}",
			want: ran{code: 1, out: `Violating  Deployment/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the memory limit of container "chrome" would have to be raised from 256Mi to 2308.7Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: raise max.memory of the LimitRange to 2309Mi, or lower the size by a shorter retention or a lower sizing.max
  warning: LimitRange "small" gives container "chrome" a memory limit of 256Mi, with which it was judged

1 object reviewed: 1 Violating; 1 other object passed; 1 would be refused
`},
		},
		"a default that changes nothing is not told": {
			in:   limitRange("defaultRequest: {memory: 64Mi}") + simplePod,
			want: mutated(""),
		},
		"a container that has a limit of its own keeps it": {
			in: limitRange("default: {memory: 256Mi}, max: {memory: 8Gi}") + simplePod + "    resources: {limits: {memory: 512Mi}}\n",
			want: ran{out: `Mutated  Pod/default/browser  selenium  2Gi
  ` + adds + `, raises the memory limit of "chrome" from 512Mi to 2564.7Mi and makes its request 2564.7Mi

1 object reviewed: 1 Mutated; 1 other object passed
`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, append([]string{"review", "-f", "-"}, strings.Fields(test.args)...)...)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(ran{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What a LimitRange gives is not written, so that the output changes nothing when it is reviewed again.
func TestWhatLimitRangesGiveIsNotWritten(t *testing.T) {
	in := "{apiVersion: v1, kind: LimitRange, metadata: {name: small}, spec: {limits: [{type: Container, default: {memory: 256Mi}}]}}\n---\n" + simplePod
	first := shm(in, "review", "-f", "-", "-o", "yaml")
	if first.code != exitOK || strings.Contains(first.out, "resources") || !strings.Contains(first.out, "sizeLimit: 2Gi") {
		t.Errorf("got %+v", first)
	}
	again := shm(first.out, "review", "-f", "-", "-o", "yaml")
	want := `Pod/default/browser: warning: LimitRange "small" gives container "chrome" a memory limit of 256Mi: with it shmkeeper raises the memory limit of "chrome" from 256Mi to 2308.7Mi and its request from 256Mi to 2308.7Mi` + "\n"
	if diff := cmp.Diff(ran{out: first.out, errOut: want}, again, cmp.AllowUnexported(ran{})); diff != "" {
		t.Errorf("the second review (-want +got):\n%s", diff)
	}
}

func TestLimitRangesGiveWhatTheirPluginGives(t *testing.T) {
	const two = "containers: [{name: a}, {name: b, resources: {limits: {memory: 1Gi}}}]\ninitContainers: [{name: i, restartPolicy: Always}]\nephemeralContainers: [{name: e}]\n"
	tests := map[string]struct {
		limitRanges []string // what stands behind "limits:"
		pod         string
		want        string // the resources of a, b and i
		told        string
	}{
		"nothing where there are none": {
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
			s := policy.Subject{Spec: &corev1.PodSpec{}}
			into(t, test.pod, s.Spec)
			for i, limits := range test.limitRanges {
				l := &corev1.LimitRange{}
				into(t, "spec: {limits: "+limits+"}", l)
				l.Name = string(rune('0' + i))
				// Their order is that of their names.
				s.LimitRanges = append([]*corev1.LimitRange{l}, s.LimitRanges...)
			}
			before := s.Spec.DeepCopy()
			got, given := withLimitRangeDefaults(s)
			if diff := cmp.Diff(before, s.Spec); diff != "" {
				t.Errorf("the subject itself changes (-before +after):\n%s", diff)
			}
			want := map[string]corev1.ResourceRequirements{}
			into(t, "{"+strings.NewReplacer("a {", "a: {", "b {", "b: {", "i {", "i: {").Replace(test.want)+"}", &want)
			has := map[string]corev1.ResourceRequirements{}
			for _, c := range append(got.Spec.Containers, got.Spec.InitContainers...) {
				has[c.Name] = c.Resources
			}
			if diff := cmp.Diff(want, has); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
			if given.String() != test.told {
				t.Errorf("told as %q, want %q", given, test.told)
			}
			if diff := cmp.Diff(corev1.ResourceRequirements{}, firstEphemeral(got.Spec).Resources); diff != "" {
				t.Errorf("an ephemeral container is given something (-want +got):\n%s", diff)
			}
		})
	}
}

func firstEphemeral(spec *corev1.PodSpec) corev1.EphemeralContainer {
	if len(spec.EphemeralContainers) == 0 {
		return corev1.EphemeralContainer{}
	}
	return spec.EphemeralContainers[0]
}

func into(t *testing.T, text string, object any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatal(err)
	}
}
