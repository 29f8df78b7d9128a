package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
  violates SharedMemoryPolicy "selenium": the memory limit of container "chrome" would have to be raised from 256Mi to 2308.7Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: raise max.memory of the LimitRange to 2309Mi, or lower the size by a lower sizing.fixed
  warning: LimitRange "small" gives container "chrome" a memory limit of 256Mi, with which it was judged

1 object reviewed: 1 Violating; 1 other object passed; 1 would be refused
`},
		},
		"a maximum alone is the default limit too": {
			in: limitRange("max: {memory: 1Gi}") + simplePod,
			want: ran{code: 1, out: `Violating  Pod/default/browser  selenium  2Gi
  violates SharedMemoryPolicy "selenium": the memory limit of container "chrome" would have to be raised from 1Gi to 3076.7Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: raise max.memory of the LimitRange to 3077Mi, or lower the size by a lower sizing.fixed
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
  violates SharedMemoryPolicy "selenium": the memory limit of container "chrome" would have to be raised from 256Mi to 2308.7Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: raise max.memory of the LimitRange to 2309Mi, or lower the size by a lower sizing.fixed
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
