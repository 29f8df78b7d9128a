package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestCheckQuantity(t *testing.T) {
	cases := map[string]struct{ value, want string }{
		"a size":                                 {"512Mi", ""},
		"nothing at all":                         {"0", ""},
		"the most that can be counted":           {"9223372036854775807", ""},
		"one byte more":                          {"9223372036854775808", `spec.x: "9223372036854775808" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"a binary size that the parser lowers":   {"8Ei", `spec.x: "8Ei" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"a decimal size beyond 63 bits":          {"10E", `spec.x: "10E" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"a size whose value would be 0":          {"1e400", `spec.x: "1e400" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"an exponent that would take for ever":   {"1e2147483647", `spec.x: "1e2147483647" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"an exponent that would wrap round to 0": {"1e4294967296", `spec.x: "1e4294967296" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"a negative size":                        {"-1Mi", `spec.x: "-1Mi" is negative: write a quantity such as 512Mi`},
		"a unit that there is not":               {"12Q", `spec.x: "12Q" is not a quantity: write a quantity such as 512Mi`},
		"an empty string":                        {"", `spec.x: "" is not a quantity: write a quantity such as 512Mi`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, text(CheckQuantity("spec.x", c.value))); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckPod(t *testing.T) {
	cases := map[string]struct {
		spec   string
		claims []string
		want   string
	}{
		"a sound Pod": {spec: `
  volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 1Gi}}]
  initContainers: [{name: init}]
  containers: [{name: c, resources: {requests: {memory: 1Gi}, limits: {memory: 1Gi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}, {name: shm, mountPath: /tmp}]}]`},
		"no containers":                              {spec: " {}", want: "spec.containers: there are no containers: give at least one"},
		"a volume's name given twice":                {spec: " {volumes: [{name: shm}, {name: a}, {name: shm}], containers: [{name: c}]}", want: `spec.volumes[2].name: "shm" is the name of another volume too: rename one of them`},
		"a container's name given to an init one":    {spec: " {initContainers: [{name: c}], containers: [{name: c}]}", want: `spec.containers[0].name: "c" is the name of another container too: rename one of them`},
		"a container's name given to an ephemeral":   {spec: " {ephemeralContainers: [{name: c}], containers: [{name: c}]}", want: `spec.ephemeralContainers[0].name: "c" is the name of another container too: rename one of them`},
		"a path mounted twice":                       {spec: " {volumes: [{name: a}, {name: b}], containers: [{name: c, volumeMounts: [{name: a, mountPath: /dev/shm}, {name: b, mountPath: /dev/shm}]}]}", want: `spec.containers[0].volumeMounts[1].mountPath: "/dev/shm" is the path of another mount too: remove one of them`},
		"a mount of a volume that is not there":      {spec: " {initContainers: [{name: c, volumeMounts: [{name: a, mountPath: /a}]}], containers: [{name: d}]}", want: `spec.initContainers[0].volumeMounts[0].name: "a" is not the name of a volume: add the volume or correct the name`},
		"a mount of a claim":                         {spec: " {containers: [{name: c, volumeMounts: [{name: data, mountPath: /a}]}]}", claims: []string{"data"}},
		"a negative size limit":                      {spec: " {volumes: [{name: a, emptyDir: {sizeLimit: -1}}], containers: [{name: c}]}", want: `spec.volumes[0].emptyDir.sizeLimit: "-1" is negative: write a quantity such as 512Mi`},
		"memory that cannot be counted":              {spec: " {containers: [{name: c, resources: {limits: {memory: 1e40}, requests: {memory: -1Gi}}}]}", want: "spec.containers[0].resources.requests.memory: \"-1Gi\" is negative: write a quantity such as 512Mi\nspec.containers[0].resources.limits.memory: \"10e39\" is beyond what Kubernetes can count: write a quantity such as 512Mi"},
		"a request above its limit":                  {spec: " {containers: [{name: c, resources: {limits: {memory: 1Gi}, requests: {memory: 2Gi}}}]}", want: `spec.containers[0].resources.requests.memory: "2Gi" is above the limit "1Gi": raise the limit or lower the request`},
		"a request of the Pod's own above its limit": {spec: " {resources: {limits: {memory: 1Gi}, requests: {memory: 2Gi}}, containers: [{name: c}]}", want: `spec.resources.requests.memory: "2Gi" is above the limit "1Gi": raise the limit or lower the request`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			objects, err := one(t, "apiVersion: v1\nkind: Pod\nspec:"+c.spec+"\n").Objects()
			if err != nil {
				t.Fatal(err)
			}
			var pod corev1.Pod
			if err := Decode(objects[0], &pod, true); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, text(CheckPod(Object{}, "spec", &pod.Spec, c.claims...))); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckPod_WithoutASpec(t *testing.T) {
	if diff := cmp.Diff("spec: is missing: give the Pod its containers there", text(CheckPod(Object{}, "spec", nil))); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}
