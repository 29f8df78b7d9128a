package review

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/policy"
)

// fivePolicies has one policy for each image: raise, files, percent, require, ignore.
const fivePolicies = `
apiVersion: shmkeeper.dev/v1alpha1
kind: SharedMemoryPolicy
metadata: {name: raise}
spec: {match: [{images: [raise]}], sizing: {fixed: {size: 512Mi, expectedUsePercent: 25}}}
---
apiVersion: shmkeeper.dev/v1alpha1
kind: SharedMemoryPolicy
metadata: {name: files}
spec:
  match: [{images: [files]}]
  sizing: {files: {createdPerMinute: "18", retention: 24h, fileSize: 1500}}
  existing: SetLimit
---
apiVersion: shmkeeper.dev/v1alpha1
kind: SharedMemoryPolicy
metadata: {name: percent}
spec: {match: [{images: [percent]}], sizing: {memoryPercent: {percent: 40, expectedUsePercent: 0}}}
---
apiVersion: shmkeeper.dev/v1alpha1
kind: SharedMemoryPolicy
metadata: {name: require}
spec: {match: [{images: [require]}], sizing: {fixed: {size: 512Mi}}, memory: {handling: Require}}
---
apiVersion: shmkeeper.dev/v1alpha1
kind: SharedMemoryPolicy
metadata: {name: ignore}
spec: {match: [{images: [ignore]}], sizing: {fixed: {size: 512Mi}}, memory: {handling: Ignore}}
`

// drawnReview is a manifest with one workload, and what is known of it.
type drawnReview struct {
	text         string
	image        string
	limited      bool // the container names a memory limit
	defaultLimit string
	template     bool
}

func drawReview(t *rapid.T) drawnReview {
	figure := func(name string) string {
		return rapid.SampledFrom([]string{"", "", "", "", "32Mi", "64Mi", "100M", "256Mi", "600Mi", "1Gi", "4Gi"}).Draw(t, name)
	}
	d := drawnReview{
		image:        rapid.SampledFrom([]string{"raise", "files", "percent", "require", "ignore"}).Draw(t, "image"),
		defaultLimit: figure("default limit"),
		template:     rapid.Bool().Draw(t, "template"),
	}
	limit, request := figure("limit"), figure("request")
	d.limited = limit != ""
	var resources []string
	if limit != "" {
		resources = append(resources, "limits: {memory: "+limit+"}")
	}
	if request != "" && (limit == "" || less(request, limit)) {
		resources = append(resources, "requests: {memory: "+request+"}")
	}
	container := fmt.Sprintf("{name: a, image: %s, resources: {%s}", d.image, strings.Join(resources, ", "))
	volumes := ""
	switch rapid.SampledFrom([]string{"none", "none", "unbounded", "small", "large"}).Draw(t, "volume") {
	case "unbounded":
		volumes = "emptyDir: {medium: Memory}"
	case "small":
		volumes = "emptyDir: {medium: Memory, sizeLimit: 100M}"
	case "large":
		volumes = "emptyDir: {medium: Memory, sizeLimit: 700Mi}"
	}
	spec := ""
	if volumes != "" {
		container += ", volumeMounts: [{name: v, mountPath: /dev/shm}]"
		spec = ", volumes: [{name: v, " + volumes + "}]"
	}
	spec = "spec: {containers: [" + container + "}, {name: other, image: b}]" + spec + "}"
	if d.template {
		d.text = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: w}, spec: {template: {" + spec + "}}}\n"
	} else {
		d.text = "{apiVersion: v1, kind: Pod, metadata: {name: w}, " + spec + "}\n"
	}
	if d.defaultLimit != "" {
		d.text += "---\n" + limitRange("default: {memory: "+d.defaultLimit+"}")
		d.text = strings.TrimSuffix(d.text, "---\n")
	}
	d.text += "---" + fivePolicies
	return d
}

func less(a, b string) bool {
	x, y := resource.MustParse(a), resource.MustParse(b)
	return x.Cmp(y) < 0
}

type reviewed struct {
	Outcome  policy.Outcome
	Warnings []string
}

func reviewAsJSON(t *rapid.T, text string) reviewed {
	var results []reviewed
	got := shm(text, "review", "-f", "-", "-o", "json")
	if err := json.Unmarshal([]byte(got.Out), &results); err != nil || len(results) != 1 {
		t.Fatalf("%v: %s%s\n%s", err, got.Out, got.ErrOut, text)
	}
	return results[0]
}

// What review writes is right on its own: reviewed again it changes nothing more, and what is then
// called compliant is not OOM-killed before its volume is full, or a warning says so.
func TestReview_OutputIsRightByItself(t *testing.T) {
	reached := map[string]int{}
	checks := 0
	rapid.Check(t, func(t *rapid.T) {
		checks++
		d := drawReview(t)
		first := reviewAsJSON(t, d.text)
		written := shm(d.text, "review", "-f", "-", "-o", "yaml")
		again := shm(written.Out, "review", "-f", "-", "-o", "yaml")
		if again.Out != written.Out {
			t.Fatalf("the second review changes\n%s\nto\n%s", written.Out, again.Out)
		}
		second := reviewAsJSON(t, written.Out)
		want := first.Outcome
		if want == policy.Mutated {
			want = policy.Compliant
		}
		if second.Outcome != want {
			t.Fatalf("%s, and then %s, want %s\n%s", first.Outcome, second.Outcome, want, written.Out)
		}
		if second.Outcome == policy.Compliant {
			checkPaidFor(t, d, written.Out, second.Warnings)
		}
		reached[string(first.Outcome)]++
		if first.Outcome == policy.Mutated && !d.limited && d.defaultLimit != "" {
			reached["raised from a LimitRange's limit"]++
		}
		if first.Outcome == policy.Mutated && !d.limited && d.defaultLimit == "" {
			reached["no limit at all"]++
		}
		if d.template {
			reached["a template"]++
		}
	})
	for _, kind := range []string{"Mutated", "Violating", "Compliant", "raised from a LimitRange's limit", "no limit at all", "a template"} {
		if reached[kind]*20 < checks {
			t.Errorf("%s: %d of %d cases, want at least one in twenty", kind, reached[kind], checks)
		}
	}
}

// checkPaidFor holds a compliant manifest against the cgroup: a limit that its container writes, or
// is given by the LimitRange, holds a full volume and 32Mi.
func checkPaidFor(t *rapid.T, d drawnReview, text string, warnings []string) {
	first, _, _ := strings.Cut(text, "---\n")
	var pod struct {
		Spec struct {
			corev1.PodSpec `json:",inline"`
			Template       corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal([]byte(first), &pod); err != nil {
		t.Fatal(err)
	}
	spec := pod.Spec.PodSpec
	if d.template {
		spec = pod.Spec.Template.Spec
	}
	size := int64(0)
	for _, v := range spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
			size = v.EmptyDir.SizeLimit.Value()
		}
	}
	limit, found := spec.Containers[0].Resources.Limits[corev1.ResourceMemory]
	if !found && d.defaultLimit != "" {
		limit, found = resource.MustParse(d.defaultLimit), true
	}
	all := strings.Join(warnings, "\n")
	switch {
	case size == 0: // nothing bounds it, which is a warning
		if !strings.Contains(all, "has no sizeLimit") {
			t.Fatalf("no warning of the unbounded volume: %s\n%s", all, text)
		}
	case strings.Contains(all, "so the API server rejects the Pod"):
	case !found:
		if !strings.Contains(all, reviewer.UnknownLimitRange) {
			t.Fatalf("no warning that nothing limits the container: %s\n%s", all, text)
		}
	case limit.Value() < size+32<<20:
		if d.image != "ignore" || !strings.Contains(all, "OOM-killed") {
			t.Fatalf("compliant with a limit of %s and a volume of %d bytes: %s\n%s", limit.String(), size, all, text)
		}
	}
}
