package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// names warns of names that nothing can have.
func (l *lintReport) names(p loadedPolicy) {
	if w := p.source.Spec.Writers; w != nil {
		for i, pattern := range w.Names {
			if problem := oddContainerName(pattern); problem != "" {
				l.warn(p.object, fmt.Sprintf("spec.writers.names[%d]", i), "%q %s", pattern, problem)
			}
		}
	}
	s := p.source.Spec.Sizing
	if s == nil || s.Units == nil || s.Units.Count.Annotation == nil || *s.Units.Count.Annotation == "" {
		return
	}
	if name := *s.Units.Count.Annotation; len(validation.IsQualifiedName(strings.ToLower(name))) > 0 {
		l.warn(p.object, "spec.sizing.units.count.annotation", "%q is not the name of an annotation, so no Pod has it: write one such as frigate/cameras", name)
	}
}

// mountPath warns of a mount path at which the image may have something.
func (l *lintReport) mountPath(p loadedPolicy) {
	if at := p.source.Spec.MountPath; at != "" && at != defaultMountPath {
		l.warn(p.object, "spec.mountPath", "%q is not "+defaultMountPath+": the volume hides what the image has there, and only the writers get it: make sure that the directory is empty and that no other container needs what is in it", at)
	}
}

// wide warns of a policy that has every Pod sent to the webhook.
func (l *lintReport) wide(p loadedPolicy) {
	source := p.source.DeepCopy()
	v1alpha1.SetDefaults(source)
	for i := range source.Spec.Match {
		if isEverything(&source.Spec.Match[i]) {
			return // has a warning of its own
		}
	}
	if _, ok := matchcondition.Expression([]*v1alpha1.SharedMemoryPolicy{source}, nil); !ok {
		l.warn(p.object, "spec.match", "no match condition can tell which Pods this matches, so the API server calls the webhook for every Pod: add labels or images to each entry")
	}
}

// workloadsOf returns the Pods and templates among objects. What cannot be read is left out: it is
// not lint's to check.
func workloadsOf(objects []manifest.Object) []workload {
	var out []workload
	for _, o := range objects {
		typed := newTyped(o)
		if typed == nil || manifest.Decode(o, typed, false) != nil {
			continue
		}
		if subject, ok := policy.NewSubject(typed); ok {
			out = append(out, workload{object: o, subject: subject})
		}
	}
	return out
}

// leftOut warns of containers, in the workloads that the policy matches, that name its path and
// are not among the writers that it names.
func (l *lintReport) leftOut(p loadedPolicy, workloads []workload) {
	w := p.source.Spec.Writers
	if w == nil || len(w.Names) == 0 {
		return
	}
	for _, workload := range workloads {
		if policy.NewSet(p.policy).Evaluate(workload.subject).Outcome == policy.NotMatched {
			continue
		}
		spec := &workload.subject.Pod.Spec
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			if !namesPath(&c, p.policy.MountPath()) || matchesAny(w.Names, c.Name) {
				continue
			}
			o := workload.object
			l.warn(p.object, "spec.writers.names", "container %q of %s names %s too and is not among the writers: add it if it writes there, since only the memory of writers is raised",
				c.Name, plain(o.Kind)+"/"+plain(o.Name), p.policy.MountPath())
		}
	}
}

func matchesAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		matches, err := path.Match(glob, name)
		return err == nil && matches
	})
}

// namesPath reports whether a container's command, arguments or environment name a path.
func namesPath(c *policy.ContainerView, at string) bool {
	names := func(text string) bool { return strings.Contains(text, at) }
	for _, env := range c.Env {
		if names(env.Value) {
			return true
		}
	}
	return slices.ContainsFunc(c.Command, names) || slices.ContainsFunc(c.Args, names)
}
