package testcase

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Compare returns how a Result differs from what is wanted, one sentence for each difference. mountPath is
// that of the policy that decided.
func Compare(want Want, got Result, mountPath string) []string {
	var d differences
	d.text("outcome", string(want.Outcome), string(got.Outcome))
	d.text("reason", string(want.Reason), string(got.Reason))
	d.text("policy", want.Policy, got.Policy)
	if got.Outcome == policy.Violating || len(want.Violations) > 0 {
		d.list("violations", want.Violations, got.Violations)
	}
	if len(got.Warnings) != want.Warnings {
		d.add("warnings: want %d, got %d", want.Warnings, len(got.Warnings))
	}
	if got.Spec != nil {
		d.spec(want, got.Spec, mountPath)
		d = append(d, sharingProblems(got.Spec, mountPath, want.Sharing)...)
	}
	return append(d, textProblems(want, got)...)
}

// differences collects sentences.
type differences []string

func (d *differences) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d *differences) text(field, want, got string) {
	if want != got {
		d.add("%s: want %q, got %q", field, want, got)
	}
}

// list compares lists in any order.
func (d *differences) list(field string, want, got []policy.Reason) {
	want, got = slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	if !slices.Equal(want, got) {
		d.add("%s: want %q, got %q", field, want, got)
	}
}

// anyQuantity stands in a case for a quantity that is not looked at.
const anyQuantity = "*"

func (d *differences) memory(field string, want, got Memory) {
	if want.Limit != anyQuantity {
		d.quantity(field+" limit", want.Limit, got.Limit)
	}
	if want.Request != anyQuantity {
		d.quantity(field+" request", want.Request, got.Request)
	}
}

// quantity compares quantities, however they are written.
func (d *differences) quantity(field, want, got string) {
	if !sizing.IsExcessive(want) && !sizing.IsExcessive(got) {
		w, err := resource.ParseQuantity(want)
		g, err2 := resource.ParseQuantity(got)
		if err == nil && err2 == nil && w.Cmp(g) == 0 {
			return
		}
	}
	d.text(field, want, got)
}

// spec compares the containers, volumes and memory of a Pod that are wanted.
func (d *differences) spec(want Want, spec *corev1.PodSpec, mountPath string) {
	if want.PodMemory != (Memory{}) {
		var memory Memory
		if spec.Resources != nil {
			memory = memoryOf(*spec.Resources)
		}
		d.memory("podMemory:", want.PodMemory, memory)
	}
	for _, name := range slices.Sorted(maps.Keys(want.Containers)) {
		wanted, field := want.Containers[name], fmt.Sprintf("container %q:", name)
		c, found := observeContainer(spec, name, mountPath)
		if !found {
			d.add("%s there is no such container", field)
			continue
		}
		d.text(field+" volume", wanted.Volume, c.Volume)
		d.quantity(field+" sizeLimit", wanted.SizeLimit, c.SizeLimit)
		if !slices.Equal(wanted.Options, c.Options) {
			d.add("%s options: want %q, got %q", field, wanted.Options, c.Options)
		}
		d.memory(field, wanted.Memory, c.Memory)
	}
	for _, name := range slices.Sorted(maps.Keys(want.Volumes)) {
		if !slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == name }) {
			d.add("volume %q: there is no such volume", name)
			continue
		}
		d.quantity(fmt.Sprintf("volume %q: sizeLimit", name), want.Volumes[name], sizeOf(spec, name))
	}
}

// textProblems returns what is wrong with the sentences of a Result.
func textProblems(want Want, got Result) []string {
	all := slices.Concat(got.Warnings, got.Messages)
	within := func(texts []string, part string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, part) })
	}
	var problems []string
	for _, part := range want.WarningsContain {
		if !within(got.Warnings, part) {
			problems = append(problems, fmt.Sprintf("no warning contains %q", part))
		}
	}
	for _, part := range want.MessagesContain {
		if !within(all, part) {
			problems = append(problems, fmt.Sprintf("no message contains %q", part))
		}
	}
	for _, part := range want.MessagesLack {
		if within(all, part) {
			problems = append(problems, fmt.Sprintf("a message contains %q", part))
		}
	}
	return problems
}

// sharingProblems returns the groups of containers that do not share what they see at the
// mount path, or share it with another group.
func sharingProblems(spec *corev1.PodSpec, mountPath string, groups [][]string) []string {
	var problems []string
	seen := map[string]string{} // by volume, the first container of the group that has it
	for _, group := range groups {
		if len(group) == 0 {
			continue
		}
		volume := volumeOf(spec, group[0], mountPath)
		for _, name := range group[1:] {
			if v := volumeOf(spec, name, mountPath); v != volume {
				problems = append(problems, fmt.Sprintf(
					"containers %q and %q do not share %s: volumes %q and %q",
					group[0], name, mountPath, volume, v))
			}
		}
		if other, found := seen[volume]; found {
			problems = append(problems, fmt.Sprintf("containers %q and %q share %s: volume %q",
				other, group[0], mountPath, volume))
		}
		seen[volume] = group[0]
	}
	return problems
}

// observeContainer returns what a container has; found is false if there is none of that name.
func observeContainer(spec *corev1.PodSpec, name, mountPath string) (out Container, found bool) {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for _, c := range list {
			if c.Name != name {
				continue
			}
			out = Container{Memory: memoryOf(c.Resources)}
			for _, m := range c.VolumeMounts {
				if path.Clean(m.MountPath) == mountPath {
					out.Volume, out.SizeLimit, out.Options = m.Name, sizeOf(spec, m.Name), m.BindMountOptions
				}
			}
			return out, true
		}
	}
	return Container{}, false
}

// volumeOf returns the volume that a container mounts; empty for the runtime's /dev/shm.
func volumeOf(spec *corev1.PodSpec, container, mountPath string) string {
	c, found := observeContainer(spec, container, mountPath)
	if !found {
		return "there is no container " + container
	}
	return c.Volume
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

// Observe returns what the containers of a Pod have, by name.
func Observe(spec *corev1.PodSpec, mountPath string) map[string]Container {
	out := map[string]Container{}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		out[c.Name], _ = observeContainer(spec, c.Name, mountPath)
	}
	return out
}
