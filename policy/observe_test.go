package policy_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// A mount of a volume that is not there is not taken for one of another, however many there are.
func TestEvaluate_VolumeIsMissing(t *testing.T) {
	for _, length := range []int{2, 8, 9, 12} {
		w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}",
			"{spec: {containers: [{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}]}}", "", "")
		for i := range length {
			policytest.With(w.pod, policytest.WithMemoryVolume(fmt.Sprintf("other-%d", i), "256Mi"))
		}
		if e, _ := w.evaluate(t); e.Outcome != policy.Violating || !has(e.After, policy.NotMemory) {
			t.Errorf("%d other volumes: want a violation, got %s", length, told(&e))
		}
	}
}

// A volume is found by its name wherever it stands in a list, short or long; of two with the same
// name nobody can say which is mounted.
func TestEvaluate_FindsTheVolume(t *testing.T) {
	for _, length := range []int{1, 2, 8, 9, 12} {
		for place := range length {
			for twice := range length {
				w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}",
					"{spec: {containers: [{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}]}}", "", "")
				for i := range length {
					if i == place || i == twice {
						policytest.With(w.pod, policytest.WithMemoryVolume("shm", "256Mi"))
					} else {
						policytest.With(w.pod, policytest.WithMemoryVolume(fmt.Sprintf("other-%d", i), "64Mi"))
					}
				}
				e, _ := w.evaluate(t)
				want := policy.Compliant
				if twice != place {
					want = policy.Violating
				}
				if e.Outcome != want || has(e.After, policy.NotMemory) != (want == policy.Violating) {
					t.Errorf("%d volumes, number %d and number %d: want %s, got %s", length, place, twice, want, told(&e))
				}
			}
		}
	}
}

// A volume that several containers mount is one, even if many others are mounted before it.
func TestEvaluate_VolumeOfTwoContainers(t *testing.T) {
	for before := range 12 {
		w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web, helper]}, memory: {handling: Ignore}}",
			"{spec: {containers: [{name: web}, {name: helper, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 128Mi}}]}}", "", "")
		web := &w.pod.Spec.Containers[0]
		for i := range before {
			name := fmt.Sprintf("cache-%d", i)
			web.VolumeMounts = append(web.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/dev/shm/" + name})
			w.pod.Spec.Volumes = append(w.pod.Spec.Volumes, corev1.Volume{Name: name})
		}
		web.VolumeMounts = append(web.VolumeMounts, corev1.VolumeMount{Name: "shm", MountPath: "/dev/shm"})
		e, _ := w.evaluate(t)
		if want := `changes the sizeLimit of volume "shm" from 128Mi to 256Mi`; e.Outcome != policy.Mutated || e.Detail != want {
			t.Errorf("behind %d others: want %s, got %s", before, want, told(&e))
		}
	}
}

// A volume is the writer's also if another container mounts it first, and a size limit that no node
// can give is none.
func TestEvaluate_VolumesOfWriters(t *testing.T) {
	const web = "{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}"
	volume := func(size string) string {
		return "volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: " + size + "}}]"
	}
	for name, c := range map[string]struct{ policy, pod, want string }{
		"another container mounts it first": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web]}, memory: {handling: Ignore}}",
			"{spec: {containers: [{name: helper, volumeMounts: [{name: shm, mountPath: /dev/shm}]}, " + web + "], " + volume("128Mi") + "}}",
			`Mutated: changes the sizeLimit of volume "shm" from 128Mi to 256Mi`,
		},
		"1Pi": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, existing: Require}",
			"{spec: {containers: [" + web + "], " + volume("1Pi") + "}}",
			`Violating: container "web" mounts volume "shm" at /dev/shm, a Memory emptyDir without sizeLimit: set its sizeLimit to 256Mi`,
		},
		"a MiB below 1Pi": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, existing: Require}",
			"{spec: {containers: [" + web + "], " + volume("1073741823Mi") + "}}",
			`Compliant: volume "shm" of 1048576.0Gi at /dev/shm is as large as policy "p" asks for`,
		},
		"what is required, without the headroom": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}, headroomPercent: 25}, memory: {handling: Ignore}}",
			"{spec: {containers: [" + web + "], " + volume("256Mi") + "}}",
			`Compliant: volume "shm" of 256Mi at /dev/shm is as large as policy "p" asks for`,
		},
		"a page more than is required": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}",
			"{spec: {containers: [" + web + "], " + volume("262148Ki") + "}}",
			`Compliant: volume "shm" of 256.0Mi at /dev/shm is as large as policy "p" asks for`,
		},
		"names that are taken": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}, existing: Require}",
			"{spec: {containers: [{name: web}], volumes: [{name: shmkeeper-shm, emptyDir: {}}, {name: shmkeeper-shm-2, emptyDir: {}}]}}",
			`Mutated: adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web"`,
		},
		"none, and no sizing": {
			"{match: [{podSelector: {}}], existing: Require}",
			"{spec: {containers: [" + web + "], volumes: [{name: shm, emptyDir: {medium: Memory}}]}}",
			`Violating: container "web" mounts volume "shm" at /dev/shm, a Memory emptyDir without sizeLimit: set its sizeLimit to how much the program needs`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, "", "")
			e, after := w.evaluate(t)
			if got := string(e.Outcome) + ": " + e.Detail; got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if name == "names that are taken" && after.Spec.Volumes[2].Name != "shmkeeper-shm-3" {
				t.Errorf("the added volume is %q, want shmkeeper-shm-3", after.Spec.Volumes[2].Name)
			}
		})
	}
}

// What a StatefulSet's claim template is mounted for is there, and no Memory emptyDir.
func TestEvaluate_ClaimTemplate(t *testing.T) {
	w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
		"{spec: {containers: [{name: web, volumeMounts: [{name: data, mountPath: /dev/shm}]}]}}", "", "")
	subject := w.subject()
	missing := evaluate(w.set(t), subject)
	subject.Claims = []string{"other", "data"}
	claimed := evaluate(w.set(t), subject)
	if !strings.Contains(missing.Detail, "which the Pod does not have") {
		t.Errorf("without a claim: %s", told(&missing))
	}
	if !strings.Contains(claimed.Detail, "which is not a Memory emptyDir") {
		t.Errorf("with a claim: %s", told(&claimed))
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{strings.Repeat("a", 128), strings.Repeat("a", 128)},
		{strings.Repeat("a", 129), strings.Repeat("a", 128) + "..."},
		{strings.Repeat("a", 127) + "é", strings.Repeat("a", 127) + "..."}, // a character that is not cut
	} {
		if got := policy.Shorten(c.text); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestQuoteAll(t *testing.T) {
	names := strings.Split("abcdefghij", "")
	const eight = `"a", "b", "c", "d", "e", "f", "g", "h"`
	for n, want := range map[int]string{0: "", 1: `"a"`, 8: eight, 9: eight + " and 1 more", 10: eight + " and 2 more"} {
		if got := policy.QuoteAll(names[:n]); got != want {
			t.Errorf("%d names: %s, want %s", n, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`a "b"`, `"a \"b\""`},
		{strings.Repeat("a", 64), `"` + strings.Repeat("a", 64) + `"`},
		{strings.Repeat("a", 65), `"` + strings.Repeat("a", 64) + `"...`},
	} {
		if got := policy.Quote(c.text); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// What CRI-O's annotations ask for, as the message about a missing mount has it.
func TestEvaluate_AnnotationsOfCRIO(t *testing.T) {
	const (
		short, long = "shm-size.crio.io", "io.kubernetes.cri-o.ShmSize"
		nothing     = `container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi`
	)
	for name, c := range map[string]struct {
		annotations map[string]string
		or, size    string
	}{
		"one":                                 {map[string]string{short: "1Gi"}, ", or of 1Gi on nodes where CRI-O heeds annotation " + short, "1Gi"},
		"both, and the first is larger":       {map[string]string{short: "2Gi", long: "1Gi"}, ", or of 2Gi on nodes where CRI-O heeds annotation " + short, "2Gi"},
		"both, and the second is larger":      {map[string]string{short: "1Gi", long: "2Gi"}, ", or of 2Gi on nodes where CRI-O heeds annotation " + long, "2Gi"},
		"both alike":                          {map[string]string{short: "1Gi", long: "1Gi"}, ", or of 1Gi on nodes where CRI-O heeds annotation " + short, "1Gi"},
		"nothing at all":                      {map[string]string{short: "0"}, "", "256Mi"},
		"the most that a node could have":     {map[string]string{short: "1Pi"}, ", or of 1.0Pi on nodes where CRI-O heeds annotation " + short, "1Pi"},
		"more than any node has":              {map[string]string{short: "1025Ti"}, "", "256Mi"},
		"an exponent that no memory has":      {map[string]string{short: "1e999"}, "", "256Mi"},
		"no quantity":                         {map[string]string{short: "large"}, "", "256Mi"},
		"a quantity of 32 characters":         {map[string]string{short: strings.Repeat("0", 29) + "1Gi"}, ", or of 1Gi on nodes where CRI-O heeds annotation " + short, "1Gi"},
		"a quantity of 33 characters":         {map[string]string{short: strings.Repeat("0", 30) + "1Gi"}, "", "256Mi"},
		"a quantity in thousandths of a byte": {map[string]string{short: "1073741824000m"}, "", "256Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}", "{spec: {containers: [{name: web}]}}", "", "")
			w.pod.Annotations = c.annotations
			e, _ := w.evaluate(t)
			want := nothing + c.or + ": mount a Memory emptyDir with sizeLimit: " + c.size + " there"
			if len(e.Before) != 1 || e.Before[0].Detail != want {
				t.Errorf("want %s, got %s", want, told(&e))
			}
		})
	}

	// Elsewhere they mean nothing.
	w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, mountPath: /cache, memory: {handling: Ignore}}", "{spec: {containers: [{name: web}]}}", "", "")
	w.pod.Annotations = map[string]string{short: "1Gi"}
	e, _ := w.evaluate(t)
	if want := `container "web" mounts nothing at /cache: mount a Memory emptyDir with sizeLimit: 256Mi there`; len(e.Before) != 1 || e.Before[0].Detail != want {
		t.Errorf("want %s, got %s", want, told(&e))
	}
}
