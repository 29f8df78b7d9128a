package policytest

import (
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// Decider decides over the object of a case. What it cannot tell (an API server
// does not tell every reason) it takes from c.Want.
type Decider interface {
	Decide(t *testing.T, c Case) Result
}

// Run runs all cases against a decider.
func Run(t *testing.T, d Decider) {
	cases := Cases(t)
	if len(cases) == 0 {
		t.Fatal("there are no cases")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if diff := cmp.Diff(c.Want, d.Decide(t, c)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Observe fills in what can be read off a Pod after the decision: its memory, and
// what its containers have mounted at a path. Only the containers that the case
// names are told, and of these only what it asks for.
func (r *Result) Observe(spec *corev1.PodSpec, mountPath string, want Result) {
	if want.PodMemory != (Memory{}) && spec.Resources != nil {
		r.PodMemory = memoryOf(*spec.Resources)
	}
	for name := range want.Containers {
		if r.Containers == nil {
			r.Containers = map[string]Container{}
		}
		r.Containers[name] = observe(spec, name, mountPath)
	}
}

func observe(spec *corev1.PodSpec, name, mountPath string) Container {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for _, c := range list {
			if c.Name != name {
				continue
			}
			out := Container{Memory: memoryOf(c.Resources)}
			for _, m := range c.VolumeMounts {
				if path.Clean(m.MountPath) == mountPath {
					out.Volume, out.SizeLimit, out.Options = m.Name, sizeOf(spec, m.Name), m.BindMountOptions
				}
			}
			return out
		}
	}
	return Container{}
}

func sizeOf(spec *corev1.PodSpec, volume string) string {
	for _, v := range spec.Volumes {
		if v.Name == volume && v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
			return v.EmptyDir.SizeLimit.String()
		}
	}
	return ""
}

func memoryOf(r corev1.ResourceRequirements) Memory {
	var m Memory
	if q, found := r.Limits[corev1.ResourceMemory]; found {
		m.Limit = q.String()
	}
	if q, found := r.Requests[corev1.ResourceMemory]; found {
		m.Request = q.String()
	}
	return m
}
