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
			want:     `cannot be read: spec.containers[1].image: "7" is not a string: put it in quotes`,
		},
		"an invalid quantity under a name with dots": {
			template: `{spec: {containers: [{name: c, resources: {limits: {memory: 1Gi, example.com/x: 10GiB}}}]}}`,
			want:     `cannot be read: spec.containers[0].resources.limits["example.com/x"]: "10GiB" is not a quantity: write a quantity such as 512Mi`,
		},
		"an object as a quantity": {
			template: `{spec: {containers: [{name: c}], volumes: [{name: v, emptyDir: {sizeLimit: {}}}]}}`,
			want:     `cannot be read: spec.volumes[0].emptyDir.sizeLimit: a mapping is not a quantity: write a quantity such as 512Mi`,
		},
		"a string as a list": {
			template: `{spec: {containers: [{name: c, args: --fast}]}}`,
			want:     `cannot be read: spec.containers[0].args: "--fast" is not a list: begin each element with "- "`,
		},
		"an item of a list": {
			template: `{spec: {containers: [{name: c, args: [--port, 80]}]}}`,
			want:     `cannot be read: spec.containers[0].args[1]: "80" is not a string: put it in quotes`,
		},
		"true as a label": {
			template: `{metadata: {labels: {debug: true}}, spec: {containers: [{name: c}]}}`,
			want:     `cannot be read: metadata.labels.debug: "true" is not a string: put it in quotes`,
		},
		"a string as a boolean": {
			template: `{spec: {hostIPC: "yes", containers: [{name: c}]}}`,
			want:     `cannot be read: spec.hostIPC: "yes" is not true or false: write true or false without quotes`,
		},
		"a number with too many digits": {
			template: `{spec: {containers: [{name: c, ports: [{containerPort: 5000000000}]}]}}`,
			want:     `cannot be read: spec.containers[0].ports[0].containerPort: "5000000000" does not fit: write a whole number from -2147483648 to 2147483647`,
		},
		"one container where a list belongs": {
			template: `{spec: {containers: {name: c, image: a}}}`,
			want:     `cannot be read: spec.containers: a mapping is not a list: begin each element with "- "`,
		},
		"a container that is text": {
			template: `{spec: {containers: [{name: c}, nginx]}}`,
			want:     `cannot be read: spec.containers[1]: "nginx" is not a mapping: write it with keys and values`,
		},
		"metadata that is text": {
			template: `{metadata: web, spec: {containers: [{name: c}]}}`,
			want:     `cannot be read: metadata: "web" is not a mapping: write it with keys and values`,
		},
		"an invalid time": {
			template: `{metadata: {creationTimestamp: today}, spec: {containers: [{name: c}]}}`,
			want:     `cannot be read: metadata.creationTimestamp: "today" is not a time: write a time such as 2006-01-02T15:04:05Z`,
		},
		"a value that is long": {
			template: `{spec: {containers: [{name: c, args: ` + strings.Repeat("x", 1000) + `}]}}`,
			want:     `cannot be read: spec.containers[0].args: "` + strings.Repeat("x", 80) + `"... is not a list: begin each element with "- "`,
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
