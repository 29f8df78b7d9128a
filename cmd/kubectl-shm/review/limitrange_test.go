package review

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
)

// limitRange returns a LimitRange for containers, and what separates it from the next document.
func limitRange(item string) string {
	return "{apiVersion: v1, kind: LimitRange, metadata: {name: small}, spec: {limits: [{type: Container, " + item + "}]}}\n---\n"
}

func TestReview_LimitRange(t *testing.T) {
	const (
		adds  = `adds a Memory emptyDir of 2Gi and mounts it at /dev/shm in "chrome"`
		given = `  note: LimitRange "small" gives container "chrome" a memory limit of `
		with  = ", with which it is evaluated\n"
	)
	mutated := func(raises, note, limits string) clitest.Result {
		return clitest.Result{Out: "Mutated  Pod/default/browser  selenium  2Gi\n  " + adds + raises + "\n" + note +
			"\nmemory that is added: 512Mi of requests, " + limits + " of limits, for 1 Pod of 1 object\n1 reviewed under the library's policies: 1 Mutated\n"}
	}
	violating := func(object, why, note string) clitest.Result {
		return clitest.Result{Code: 1, Out: "Violating  " + object + "  selenium  2Gi\n" +
			`  violates SharedMemoryPolicy "selenium": the memory of container "chrome" would have to be ` + why +
			" ask the namespace's administrator for more memory\n" + noVolume + note +
			"\n1 reviewed under the library's policies: 1 Violating; 1 would be rejected\n"}
	}
	const fits = `2309Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: ` +
		`the largest size that would fit is 766Mi: set annotation shmkeeper.dev/size-limit: 766Mi if that is enough, or`
	tests := map[string]struct {
		in   string
		want clitest.Result
	}{
		"a default limit that a maximum keeps from being raised is rejected": {
			in:   limitRange("default: {memory: 256Mi}, max: {memory: 1Gi}") + clitest.Pod,
			want: violating("Pod/default/browser", fits, given+"256Mi"+with),
		},
		"a maximum alone is the default limit too": {
			in: limitRange("max: {memory: 1Gi}") + clitest.Pod,
			want: violating("Pod/default/browser", `3077Mi for a /dev/shm of 2Gi, and LimitRange "small" allows a container at most 1Gi: no size would fit:`,
				given+"1Gi"+with),
		},
		"a template is evaluated like the Pods that it makes": {
			in: limitRange("default: {memory: 256Mi}, max: {memory: 1Gi}") +
				"{apiVersion: apps/v1, kind: Deployment, metadata: {name: browser}, spec: {template: {spec: {containers: [{name: chrome, image: selenium/node-chrome}]}}}}",
			want: violating("Deployment/default/browser", fits, given+"256Mi"+with),
		},
		"a default limit is raised": {
			in: limitRange("default: {memory: 256Mi}, defaultRequest: {memory: 64Mi}") + clitest.Pod,
			want: mutated(`, raises the memory limit of "chrome" from 256Mi to 2309Mi and its request from 64Mi to 576Mi`,
				given+"256Mi"+with, "2053Mi"),
		},
		"a default limit is the request if no other is named": {
			in: limitRange("default: {memory: 256Mi}") + clitest.Pod,
			want: mutated(`, raises the memory limit of "chrome" from 256Mi to 2309Mi and its request from 256Mi to 768Mi`,
				given+"256Mi"+with, "2053Mi"),
		},
		"a default request is raised": {
			in: limitRange("defaultRequest: {memory: 64Mi}") + clitest.Pod,
			want: mutated(`, raises the memory request of "chrome" from 64Mi to 576Mi`,
				strings.Replace(given, "limit of", "request of", 1)+"64Mi"+with, "0 B"),
		},
		"a container that has a limit keeps it": {
			in:   limitRange("default: {memory: 256Mi}, max: {memory: 8Gi}") + clitest.Pod + "    resources: {limits: {memory: 512Mi}}\n",
			want: mutated(`, raises the memory limit of "chrome" from 512Mi to 2565Mi and makes its request 1Gi`, "", "2053Mi"),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := shm(test.in, "review", "-f", "-")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What is raised is written, even if a LimitRange gives what it is raised from: a manifest without a
// limit would be given the LimitRange's, with which the full volume is an OOM kill.
func TestReview_WritesWhatLimitRangesLeadTo(t *testing.T) {
	const unused = "---\napiVersion: shmkeeper.dev/v1alpha1\nkind: SharedMemoryPolicy\nmetadata: {name: p}\nspec:\n" +
		"  match: [{images: [selenium/node-chrome]}]\n  sizing: {fixed: {size: 1Gi, expectedUsePercent: 0}}\n"
	tests := map[string]struct {
		in   string
		want string // the container's resources
	}{
		"limit and request": {
			in:   limitRange("default: {memory: 256Mi}, defaultRequest: {memory: 64Mi}") + clitest.Pod,
			want: "    resources:\n      limits:\n        memory: 2309Mi\n      requests:\n        memory: 576Mi\n",
		},
		"beside a request that is written": {
			in:   limitRange("default: {memory: 256Mi, cpu: 1}") + clitest.Pod + "    resources:\n      requests: {cpu: 1, memory: 100Mi}\n",
			want: "    resources:\n      requests: {cpu: 1, memory: 612Mi}\n      limits:\n        memory: 2309Mi\n",
		},
		"a request that does not change, since the limit would be taken for it": {
			in:   limitRange("default: {memory: 256Mi}, defaultRequest: {memory: 64Mi}") + clitest.Pod + unused,
			want: "    resources:\n      limits:\n        memory: 1283Mi\n      requests:\n        memory: 64Mi\n",
		},
		"a request alone": {
			in:   limitRange("defaultRequest: {memory: 64Mi}") + clitest.Pod,
			want: "    resources:\n      requests:\n        memory: 576Mi\n",
		},
		"nothing for another resource": {
			in:   limitRange("default: {cpu: 1}") + clitest.Pod,
			want: "    image: selenium/node-chrome\n    volumeMounts:\n    - name: shmkeeper-shm\n      mountPath: /dev/shm\n  volumes:\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			first := shm(test.in, "review", "-f", "-", "-o", "yaml")
			if first.Code != cli.ExitOK || !strings.Contains(first.Out, test.want) {
				t.Errorf("exit status %d, want %q in\n%s", first.Code, test.want, first.Out)
			}
			if again := shm(first.Out, "review", "-f", "-"); !strings.HasPrefix(again.Out, "Compliant ") {
				t.Errorf("the second review says\n%s", again.Out)
			}
		})
	}
}

// No such Pod reaches a webhook, so nothing of the LimitRange is written.
func TestReview_RequestAboveTheLimitOfALimitRange(t *testing.T) {
	in := limitRange("default: {memory: 256Mi}") + clitest.Pod + "    resources:\n      requests: {memory: 1Gi}\n"
	got := shm(in, "review", "-f", "-", "-o", "yaml")
	want := `container "chrome" requests 1Gi, and a LimitRange gives it a memory limit of 256Mi, so the API server rejects the Pod: set a limit of at least 1Gi`
	if !strings.Contains(got.ErrOut, "warning: "+want+"\n") || strings.Contains(got.Out, "limits: {memory") || strings.Contains(got.Out, "limits:\n") {
		t.Errorf("want the warning %q and no limit in\n%s%s", want, got.ErrOut, got.Out)
	}
}
