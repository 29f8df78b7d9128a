package podtemplate_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
)

func TestFind_Decoded(t *testing.T) {
	found, unread := podtemplate.Find(object(t, `
apiVersion: example.com/v1
kind: Anything
template:
  metadata: {labels: {a: b}, annotations: {c: d}}
  spec:
    notAField: true
    resources: {limits: {memory: 3Gi}}
    containers:
    - name: c
      image: i
      alsoNotAField: [1]
      Image: in-another-case
      ports: [{containerPort: 8080}]
      resources: {limits: {memory: 2Gi, cpu: 2, nvidia.com/gpu: "1"}}
      livenessProbe: {httpGet: {port: http}, periodSeconds: 5}`))
	if len(unread) > 0 || len(found) != 1 {
		t.Fatalf("got %v", lines(found, unread))
	}
	spec := found[0].Spec
	c := spec.Containers[0]
	got := []any{
		c.Image, c.Ports[0].ContainerPort, c.Resources.Limits.Memory().String(), c.Resources.Limits.Cpu().String(),
		c.LivenessProbe.HTTPGet.Port.String(), spec.Resources.Limits.Memory().String(), found[0].Meta.Annotations["c"],
	}
	want := []any{"i", int32(8080), "2Gi", "2", "http", "3Gi", "d"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	t.Run("what the spec of a custom kind calls resources is not the Pod's", func(t *testing.T) {
		found, _ := podtemplate.Find(object(t, `
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
spec: {resources: {limits: {memory: 3Gi}}, containers: [{name: proxy, image: a}]}`))
		if len(found) != 1 || found[0].Spec.Resources != nil {
			t.Errorf("got %v", found)
		}
	})
	t.Run("an inline PodSpec elsewhere has resources of its Pod", func(t *testing.T) {
		found, _ := podtemplate.Find(object(t,
			`{podSpec: {metadata: {labels: {a: b}}, resources: {limits: {memory: 3Gi}}, containers: [{name: c}]}}`))
		if len(found) != 1 || found[0].Spec.Resources == nil || found[0].Meta.Labels["a"] != "b" {
			t.Errorf("got %v", found)
		}
	})
}

func TestFind_WrongTypes(t *testing.T) {
	for name, tc := range map[string]struct{ template, want string }{
		"a number as an image": {
			template: `{spec: {containers: [{name: a}, {name: c, image: 7}]}}`,
			want:     `cannot be read: spec.containers[1].image is the number 7, not a string: write a string`,
		},
		"a quantity that is none, under a name with dots": {
			template: `{spec: {containers: [{name: c, resources: {limits: {memory: 1Gi, example.com/x: 10GiB}}}]}}`,
			want:     `cannot be read: spec.containers[0].resources.limits["example.com/x"] is "10GiB", not a quantity: write one such as 512Mi`,
		},
		"an object as a quantity": {
			template: `{spec: {containers: [{name: c}], volumes: [{name: v, emptyDir: {sizeLimit: {}}}]}}`,
			want:     `cannot be read: spec.volumes[0].emptyDir.sizeLimit is an object, not a quantity: write one such as 512Mi`,
		},
		"a string as a list": {
			template: `{spec: {containers: [{name: c, args: --fast}]}}`,
			want:     `cannot be read: spec.containers[0].args is "--fast", not a list: write a list`,
		},
		"an item of a list": {
			template: `{spec: {containers: [{name: c, args: [--port, 80]}]}}`,
			want:     `cannot be read: spec.containers[0].args[1] is the number 80, not a string: write a string`,
		},
		"true as a label": {
			template: `{metadata: {labels: {debug: true}}, spec: {containers: [{name: c}]}}`,
			want:     `cannot be read: metadata.labels.debug is true, not a string: write a string`,
		},
		"a string as a boolean": {
			template: `{spec: {hostIPC: "yes", containers: [{name: c}]}}`,
			want:     `cannot be read: spec.hostIPC is "yes", not true or false: write true or false`,
		},
		"a number with too many digits": {
			template: `{spec: {containers: [{name: c, ports: [{containerPort: 5000000000}]}]}}`,
			want:     `cannot be read: spec.containers[0].ports[0].containerPort is the number 5e+09, not a whole number of 32 bits: write a whole number of 32 bits`,
		},
		"one container where a list belongs": {
			template: `{spec: {containers: {name: c, image: a}}}`,
			want:     `cannot be read: spec.containers is an object, not a list: write a list`,
		},
		"a container that is text": {
			template: `{spec: {containers: [{name: c}, nginx]}}`,
			want:     `cannot be read: spec.containers[1] is "nginx", not an object: write an object`,
		},
		"metadata that is text": {
			template: `{metadata: web, spec: {containers: [{name: c}]}}`,
			want:     `cannot be read: metadata is "web", not an object: write an object`,
		},
		"a time that is none": {
			template: `{metadata: {creationTimestamp: today}, spec: {containers: [{name: c}]}}`,
			want: `cannot be read: metadata.creationTimestamp is "today" (parsing time "today" as "2006-01-02T15:04:05Z07:00": ` +
				`cannot parse "today" as "2006"): write what the field takes`,
		},
		"a value that is long": {
			template: `{spec: {containers: [{name: c, args: ` + strings.Repeat("x", 1000) + `}]}}`,
			want:     `cannot be read: spec.containers[0].args is "` + strings.Repeat("x", 80) + `...", not a list: write a list`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, unread := podtemplate.Find(map[string]any{"template": any(object(t, tc.template))})
			want := []string{`unread "/template" ` + tc.want}
			if diff := cmp.Diff(want, lines(found, unread)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
