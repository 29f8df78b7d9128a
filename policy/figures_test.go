package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// figuresOf returns the memory of a Pod as "limit/request", with - for none: of each container, and
// under "pod" of the Pod as a whole if it has resources of its own.
func figuresOf(pod *corev1.Pod) map[string]string {
	figure := func(r *corev1.ResourceRequirements) string {
		part := func(list corev1.ResourceList) string {
			if q, found := list[corev1.ResourceMemory]; found {
				return q.String()
			}
			return "-"
		}
		return part(r.Limits) + "/" + part(r.Requests)
	}
	out := map[string]string{}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			out[list[i].Name] = figure(&list[i].Resources)
		}
	}
	if pod.Spec.Resources != nil {
		out["pod"] = figure(pod.Spec.Resources)
	}
	return out
}

// What the memory of each container is afterwards. A volume of 256Mi costs 257Mi, of which 256Mi
// are requested, or under `unused` nothing.
func TestEvaluate_Figures(t *testing.T) {
	const (
		fixed    = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web]}}"
		unused   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi, expectedUsePercent: 0}}, writers: {names: [web]}}"
		oneInTen = "{match: [{podSelector: {}}], sizing: {fixed: {size: 200Mi, expectedUsePercent: 1}}, writers: {names: [web, helper]}}"
		grows    = "{match: [{podSelector: {}}], sizing: {fixed: {size: 257Mi}}, writers: {names: [web]}}"
		percent  = "{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 50}}, writers: {names: [web]}}"
		ignore   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}"
	)
	container := func(name, limit, request string) string {
		var parts []string
		if limit != "" {
			parts = append(parts, "limits: {memory: "+limit+"}")
		}
		if request != "" {
			parts = append(parts, "requests: {memory: "+request+"}")
		}
		return "{name: " + name + ", resources: {" + strings.Join(parts, ", ") + "}}"
	}
	pod := func(resources string, containers ...string) string {
		if resources != "" {
			resources = ", resources: " + resources
		}
		return "{spec: {containers: [" + strings.Join(containers, ", ") + "]" + resources + "}}"
	}
	ratio := func(kind, most string) string {
		return "{metadata: {name: l}, spec: {limits: [{type: " + kind + ", maxLimitRequestRatio: {memory: '" + most + "'}}]}}"
	}
	highest := func(kind, most string) string {
		return "{metadata: {name: l}, spec: {limits: [{type: " + kind + ", max: {memory: " + most + "}}]}}"
	}
	for name, c := range map[string]struct {
		policy, pod, limitRange string
		outcome                 policy.Outcome
		want                    map[string]string
	}{
		// 769Mi / 1.5 is 512.7Mi.
		"a ratio with a fraction": {
			unused, pod("", container("web", "512Mi", "400Mi")), ratio("Container", "1.5"),
			policy.Mutated,
			map[string]string{"web": "769Mi/513Mi"},
		},
		"a ratio that stands behind an item for claims": {
			unused, pod("", container("web", "512Mi", "64Mi")),
			"{metadata: {name: l}, spec: {limits: [{type: PersistentVolumeClaim, maxLimitRequestRatio: {memory: '1'}}, {type: Pod, max: {memory: 8Gi}}, {type: Container, maxLimitRequestRatio: {memory: '8'}}]}}",
			policy.Mutated,
			map[string]string{"web": "769Mi/97Mi"},
		},
		// 869Mi / 8 is 108.6Mi, of which the other container requests 10Mi.
		"a ratio over the Pod raises the writer's request and no other": {
			unused, pod("", container("other", "100Mi", "10Mi"), container("web", "512Mi", "64Mi")), ratio("Pod", "8"),
			policy.Mutated,
			map[string]string{"other": "100Mi/10Mi", "web": "769Mi/99Mi"},
		},
		"a ratio over the Pod that the requests keep already, to the byte": {
			unused, pod("", container("web", "512Mi", "96.5Mi"), container("other", "", "512Ki")), ratio("Pod", "8"),
			policy.Mutated,
			map[string]string{"web": "769Mi/98816Ki", "other": "-/512Ki"},
		},
		// 200Mi cost 201Mi, and 2Mi are in use. 713Mi / 8 is 89.1Mi, of which the first writer
		// requests 66Mi.
		"a ratio over the Pod passes by a writer that has no limit": {
			oneInTen, pod("", container("web", "", "64Mi"), container("helper", "512Mi", "1Mi")), ratio("Pod", "8"),
			policy.Mutated,
			map[string]string{"web": "-/66Mi", "helper": "713Mi/24Mi"},
		},
		"a ratio over the Pod is not enforced where no limit is raised": {
			fixed, pod("{requests: {memory: 74Mi}}", container("web", "", ""), container("other", "1Gi", "10Mi")), ratio("Pod", "2"),
			policy.Mutated,
			map[string]string{"web": "-/-", "other": "1Gi/10Mi", "pod": "-/330Mi"},
		},
		"a ratio over the Pod of one, with a limit that is not a whole MiB": { // 769Mi and 100.5Mi
			unused, pod("{requests: {memory: 612.5Mi}}", container("web", "512Mi", "512Mi"), container("other", "100.5Mi", "100.5Mi")), ratio("Pod", "1"),
			policy.Mutated,
			map[string]string{"web": "769Mi/512Mi", "other": "102912Ki/102912Ki", "pod": "-/870Mi"},
		},
		"a ratio over the Pod where a pod-level limit stands alone": { // its request is filled in
			fixed, pod("{limits: {memory: 1Gi}}", container("web", "", "")), ratio("Pod", "2"),
			policy.Mutated,
			map[string]string{"web": "-/-", "pod": "1281Mi/-"},
		},
		"a maximum for the Pod that another container exceeds already": {
			fixed, pod("", container("web", "", "64Mi"), container("other", "1Gi", "10Mi")), highest("Pod", "512Mi"),
			policy.Mutated,
			map[string]string{"web": "-/320Mi", "other": "1Gi/10Mi"},
		},
		"a ratio over the Pod that no request of a writer keeps": {
			fixed, pod("", container("web", "512Mi", "64Mi"), container("other", "4Gi", "64Mi")), ratio("Pod", "2"),
			policy.Violating,
			map[string]string{"web": "512Mi/64Mi", "other": "4Gi/64Mi"},
		},
		// Written figures are whole MiB. 300M are 286.1Mi.
		"a limit alone that is not a whole MiB, of which nothing is in use": {
			unused, pod("", container("web", "300M", "")), "",
			policy.Mutated,
			map[string]string{"web": "543Mi/287Mi"},
		},
		"a request that is the limit, and no whole MiB": {
			fixed, pod("", container("web", "512.5Mi", "512.5Mi")), "",
			policy.Mutated,
			map[string]string{"web": "769Mi/769Mi"},
		},
		"a request just below the limit stays below it": { // 512.25Mi and 256Mi
			fixed, pod("", container("web", "512.5Mi", "512.25Mi")), "",
			policy.Mutated,
			map[string]string{"web": "769Mi/768Mi"},
		},
		"a request just below the limit, with a ratio that a MiB less keeps": { // 769 / 1.002 is 767.5
			fixed, pod("", container("web", "512.5Mi", "512.25Mi")), ratio("Container", "1.002"),
			policy.Mutated,
			map[string]string{"web": "769Mi/768Mi"},
		},
		"a pod-level request that is the limit, and no whole MiB": {
			fixed, pod("{limits: {memory: 512.5Mi}, requests: {memory: 512.5Mi}}", container("web", "", "")), "",
			policy.Mutated,
			map[string]string{"web": "-/-", "pod": "769Mi/769Mi"},
		},
		"a pod-level request just below the limit stays below it": {
			fixed, pod("{limits: {memory: 512.5Mi}, requests: {memory: 512.25Mi}}", container("web", "", "")), "",
			policy.Mutated,
			map[string]string{"web": "-/-", "pod": "769Mi/768Mi"},
		},
		"a pod-level request of which nothing more is in use stays as it is written": {
			unused, pod("{limits: {memory: 512Mi}, requests: {memory: 100.5Mi}}", container("web", "", "100.5Mi")), "",
			policy.Mutated,
			map[string]string{"web": "-/102912Ki", "pod": "769Mi/102912Ki"},
		},
		"a pod-level request holds what a ratio adds to a container's": {
			unused, pod("{limits: {memory: 1Gi}, requests: {memory: 64Mi}}", container("web", "512Mi", "64Mi")), ratio("Container", "2"),
			policy.Mutated,
			map[string]string{"web": "769Mi/385Mi", "pod": "1281Mi/385Mi"},
		},
		"a container's limit above the pod-level one is its owner's": {
			fixed, pod("{limits: {memory: 512Mi}, requests: {memory: 64Mi}}", container("web", "", ""), container("other", "2Gi", "1Mi")), "",
			policy.Mutated,
			map[string]string{"web": "-/-", "other": "2Gi/1Mi", "pod": "769Mi/320Mi"},
		},
		"a Guaranteed Pod with pod-level resources without a figure": {
			fixed, "{spec: {resources: {}, containers: [{name: web, resources: {limits: {cpu: 1, memory: 512Mi}, requests: {cpu: 1, memory: 512Mi}}}]}}", "",
			policy.Mutated,
			map[string]string{"web": "769Mi/769Mi", "pod": "-/-"},
		},
		"a pod-level request alone": {
			fixed, pod("{requests: {memory: 64Mi}}", container("web", "", "")), "",
			policy.Mutated,
			map[string]string{"web": "-/-", "pod": "-/320Mi"},
		},
		"pod-level figures of a Guaranteed Pod stay equal": {
			fixed, "{spec: {resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1, memory: 1Gi}}, containers: [{name: web, resources: {requests: {cpu: 500m, memory: 64Mi}}}]}}", "",
			policy.Mutated,
			map[string]string{"web": "-/320Mi", "pod": "1281Mi/1281Mi"},
		},
		// 256.5Mi and 257Mi cost 258Mi, and half a MiB more is in use.
		"a volume grows by less than a MiB": {
			grows, "{spec: {containers: [" + strings.Replace(container("web", "1Gi", "64Mi"), "}}}", "}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}", 1) + "], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256.5Mi}}]}}",
			ratio("Container", "8"),
			policy.Mutated,
			map[string]string{"web": "1Gi/65Mi"},
		},
		"a volume grows by less than a MiB, and the ratio over the Pod is one": {
			grows, "{spec: {resources: {limits: {memory: 1Gi}, requests: {memory: 1023.75Mi}}, containers: [{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256.5Mi}}]}}",
			ratio("Pod", "1"),
			policy.Mutated,
			map[string]string{"web": "-/-", "pod": "1Gi/1Gi"},
		},
		"a share of the pod-level limit, without what a writer has not mounted": {
			percent, "{spec: {resources: {limits: {memory: 1Gi}, requests: {memory: 64Mi}}, containers: [{name: web}, {name: helper, volumeMounts: [{name: own, mountPath: /dev/shm}]}], volumes: [{name: own, emptyDir: {medium: Memory, sizeLimit: 512Mi}}]}}", "",
			policy.Mutated,
			map[string]string{"web": "-/-", "helper": "-/-", "pod": "1538Mi/576Mi"}, // 512Mi cost 514Mi
		},
		"a volume that the memory limit makes as small as the runtime's": {
			ignore, pod("", container("web", "64Mi", "64Mi")), "",
			policy.Mutated,
			map[string]string{"web": "64Mi/64Mi"},
		},
		"a volume that the memory limit makes smaller than the runtime's": {
			ignore, pod("", container("web", "67108863", "67108863")), "",
			policy.Violating,
			map[string]string{"web": "67108863/67108863"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, c.limitRange, "")
			e, after := w.evaluate(t)
			if e.Outcome != c.outcome {
				t.Errorf("want %s, got %s", c.outcome, w.told(&e))
			}
			if diff := cmp.Diff(c.want, figuresOf(after)); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, w.told(&e))
			}
		})
	}
}

// A vertical autoscaler has measured what is in a volume, so its figures grow by nothing; what its
// annotations say is read up to 64 KiB.
func TestEvaluate_FiguresOfAnAutoscaler(t *testing.T) {
	const wrote = "Pod resources updated by v: container 0: memory request, memory limit"
	padded := func(text string, length int) string { return text + strings.Repeat(";", length-len(text)) }
	for name, c := range map[string]struct {
		updates, observed string
		want              string
	}{
		"the figures are its":                    {wrote, "web", "512Mi/64Mi"},
		"an annotation of 64 KiB":                {padded(wrote, 65536), "", "512Mi/64Mi"},
		"an annotation of a byte more":           {padded(wrote, 65537), "", "769Mi/320Mi"},
		"two annotations of 64 KiB together":     {padded(wrote, 65530), "web,,,", "512Mi/64Mi"},
		"two annotations of a byte more":         {padded(wrote, 65530), "web,,,,", "769Mi/320Mi"},
		"two annotations of 40,000 bytes":        {padded(wrote, 40000), "web" + strings.Repeat(",", 39997), "769Mi/320Mi"},
		"the figures of another container":       {"Pod resources updated by v: container 1: memory limit", "", "769Mi/320Mi"},
		"the figures of an init container":       {"Pod resources updated by v: init container 0: memory limit", "", "769Mi/320Mi"},
		"other figures of the container":         {"Pod resources updated by v: container 0: cpu request", "", "769Mi/320Mi"},
		"a container that it does not know":      {wrote, "other", "769Mi/320Mi"},
		"an index of four digits":                {"container 0000: memory limit", "", "512Mi/64Mi"},
		"an index of five digits":                {"container 00000: memory limit", "", "769Mi/320Mi"},
		"an index with a sign":                   {"container +0: memory limit", "", "769Mi/320Mi"},
		"an index with a character below digits": {"container 0/: memory limit", "", "769Mi/320Mi"},
		"an index with a character above digits": {"container 0:: memory limit", "", "512Mi/64Mi"},
		"a part without a container before it":   {"Pod resources updated by v; container 0: memory limit", "", "512Mi/64Mi"},
		"no index":                               {"container : memory limit", "", "769Mi/320Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
				"{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 64Mi}}}]}}", "", "")
			w.pod.Annotations = map[string]string{"vpaUpdates": c.updates}
			if c.observed != "" {
				w.pod.Annotations["vpaObservedContainers"] = c.observed
			}
			e, after := w.evaluate(t)
			if got := figuresOf(after)["web"]; got != c.want {
				t.Errorf("got %s, want %s\n%s", got, c.want, told(&e))
			}
		})
	}
}

// The index of an autoscaler's annotation is that among the regular containers.
func TestEvaluate_FiguresOfAnAutoscaler_ByIndex(t *testing.T) {
	figures := "resources: {limits: {memory: 512Mi}, requests: {memory: 64Mi}}"
	w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [side, web]}}",
		"{spec: {initContainers: [{name: side, restartPolicy: Always, "+figures+"}], containers: [{name: web, "+figures+"}]}}", "", "")
	w.pod.Annotations = map[string]string{"vpaUpdates": "container 0: memory limit"}
	e, after := w.evaluate(t)
	want := map[string]string{"side": "769Mi/320Mi", "web": "512Mi/64Mi"}
	if diff := cmp.Diff(want, figuresOf(after)); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, told(&e))
	}

	// The first writer's figures include the volume already, and with it the pod-level ones; what is
	// added to the second one's limit has to fit in them.
	both := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web, helper]}}",
		"{spec: {resources: {limits: {memory: 600Mi}, requests: {memory: 200Mi}}, containers: [{name: web, resources: {limits: {memory: 300Mi}, requests: {memory: 64Mi}}}, {name: helper, "+figures+"}]}}", "", "")
	both.pod.Annotations = map[string]string{"vpaUpdates": "container 0: memory limit"}
	e, after = both.evaluate(t)
	want = map[string]string{"web": "300Mi/64Mi", "helper": "769Mi/64Mi", "pod": "769Mi/200Mi"}
	if diff := cmp.Diff(want, figuresOf(after)); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, told(&e))
	}

	// 'A' lies 17 characters behind '0'.
	for text, want := range map[string]string{"9": "512Mi/64Mi", "17": "769Mi/320Mi", "A": "769Mi/320Mi", "C": "769Mi/320Mi"} {
		many := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [c9, c17]}}", "{}", "", "")
		for i := range 20 {
			many.pod.Spec.Containers = append(many.pod.Spec.Containers, corev1.Container{
				Name: fmt.Sprintf("c%d", i),
				Resources: corev1.ResourceRequirements{
					Limits:   corev1.ResourceList{corev1.ResourceMemory: *quantity("512Mi")},
					Requests: corev1.ResourceList{corev1.ResourceMemory: *quantity("64Mi")},
				},
			})
		}
		many.pod.Annotations = map[string]string{"vpaUpdates": "container " + text + ": memory limit"}
		e, after := many.evaluate(t)
		figures := figuresOf(after)
		if got := figures["c9"]; got != want {
			t.Errorf("container %s was written: the tenth container has %s, want %s\n%s", text, got, want, told(&e))
		}
		// The second writer's request holds nothing of the volume, which the first one's holds.
		second := "769Mi/64Mi"
		if text == "17" {
			second = "512Mi/64Mi"
		}
		if got := figures["c17"]; got != second {
			t.Errorf("container %s was written: the 18th container has %s, want %s\n%s", text, got, second, told(&e))
		}
	}
}
