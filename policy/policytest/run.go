package policytest

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// Evaluator evaluates the object of a case.
type Evaluator interface {
	Evaluate(t *testing.T, c Case) Result
}

// Result represents what an Evaluator made of a case. What it cannot know (an API server does
// not say every reason) it takes from c.Want.
type Result struct {
	Outcome policy.Outcome
	Reason  policy.Reason
	Policy  string
	// Violations are those of a Violating object, in any order.
	Violations []policy.Reason
	// Warnings are what the owner is warned of.
	Warnings []string
	// Messages are all other sentences that somebody reads.
	Messages []string
	// Spec is the Pod, or the template's, with the plan applied; nil if it is not known,
	// and then nothing about it is compared.
	Spec *corev1.PodSpec
}

// Run runs all cases with an Evaluator.
func Run(t *testing.T, e Evaluator) {
	cases := Cases(t)
	if len(cases) == 0 {
		t.Fatal("there are no cases")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if diff := c.Diff(t, e.Evaluate(t, c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Diff returns how a Result differs from what the case wants; "" if it does not.
func (c Case) Diff(tb testing.TB, got Result) string {
	tb.Helper()
	want := c.Want
	observed := Want{
		Outcome: got.Outcome, Reason: got.Reason, Policy: got.Policy,
		Warnings: len(got.Warnings),
		// Sentences and sharing are compared below.
		WarningsContain: want.WarningsContain, MessagesContain: want.MessagesContain,
		MessagesLack: want.MessagesLack, Sharing: want.Sharing,
	}
	if got.Outcome == policy.Violating || len(want.Violations) > 0 {
		observed.Violations = slices.Sorted(slices.Values(got.Violations))
		want.Violations = slices.Sorted(slices.Values(want.Violations))
	}
	var problems []string
	mountPath := c.MountPath(tb, got.Policy)
	if got.Spec != nil {
		observed.observe(got.Spec, mountPath, want)
		problems = sharingProblems(got.Spec, mountPath, want.Sharing)
	} else {
		observed.Containers, observed.PodMemory = want.Containers, want.PodMemory
		observed.Volumes = want.Volumes
	}
	if diff := cmp.Diff(want, observed); diff != "" {
		problems = append(problems, "-want +got:\n"+diff)
	}
	problems = append(problems, textProblems(c.Want, got)...)
	if len(problems) > 0 {
		for _, text := range got.Warnings {
			problems = append(problems, "warning: "+text)
		}
		for _, text := range got.Messages {
			problems = append(problems, "message: "+text)
		}
	}
	return strings.Join(problems, "\n")
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
		volume := observeContainer(spec, group[0], mountPath).Volume
		for _, name := range group[1:] {
			if v := observeContainer(spec, name, mountPath).Volume; v != volume {
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

// anyQuantity stands in a case for a quantity that is not looked at.
const anyQuantity = "*"

// observe fills in what can be read off a Pod: of the containers, volumes and memory that the
// case names.
func (w *Want) observe(spec *corev1.PodSpec, mountPath string, want Want) {
	if want.PodMemory != (Memory{}) && spec.Resources != nil {
		w.PodMemory = memoryOf(*spec.Resources)
	}
	for name, wanted := range want.Containers {
		if w.Containers == nil {
			w.Containers = map[string]Container{}
		}
		c := observeContainer(spec, name, mountPath)
		if wanted.Limit == anyQuantity {
			c.Limit = anyQuantity
		}
		if wanted.Request == anyQuantity {
			c.Request = anyQuantity
		}
		w.Containers[name] = c
	}
	for name := range want.Volumes {
		if w.Volumes == nil {
			w.Volumes = map[string]string{}
		}
		if slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == name }) {
			w.Volumes[name] = sizeOf(spec, name)
		}
	}
}

func observeContainer(spec *corev1.PodSpec, name, mountPath string) Container {
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
	return Container{Volume: "there is no such container"}
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
