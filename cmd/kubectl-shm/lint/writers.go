package lint

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// names warns of names that nothing can have.
func (l *report) names(p policyfile.Policy) {
	if w := p.Source.Spec.Writers; w != nil {
		for i, pattern := range w.Names {
			if problem := oddContainerName(pattern); problem != "" {
				l.warn(p.Object, fmt.Sprintf("spec.writers.names[%d]", i), "%q %s", pattern, problem)
			}
		}
	}
	s := p.Source.Spec.Sizing
	if s == nil || s.Units == nil || s.Units.Count.Annotation == nil || *s.Units.Count.Annotation == "" {
		return
	}
	if name := *s.Units.Count.Annotation; len(validation.IsQualifiedName(strings.ToLower(name))) > 0 {
		l.warn(p.Object, "spec.sizing.units.count.annotation", "%q is not the name of an annotation, so no Pod has it: write one such as frigate/cameras", name)
	}
}

// mountPath warns of a mount path at which the image may have something.
func (l *report) mountPath(p policyfile.Policy) {
	if at := p.Source.Spec.MountPath; at != "" && at != cli.DevShm {
		l.warn(p.Object, "spec.mountPath", "%q is not "+cli.DevShm+": the volume hides what the image has there, and only the writers get it: make sure that the directory is empty and that no other container needs what is in it", at)
	}
}

// wide warns of a policy that has every Pod sent to the webhook.
func (l *report) wide(p policyfile.Policy) {
	source := p.Source.DeepCopy()
	v1alpha1.SetDefaults(source)
	for i := range source.Spec.Match {
		if isEverything(&source.Spec.Match[i]) {
			return // has a warning of its own
		}
	}
	if _, ok := matchcondition.Expression([]*v1alpha1.SharedMemoryPolicy{source}, nil); !ok {
		l.warn(p.Object, "spec.match", "no match condition can tell which Pods this matches, so the API server calls the webhook for every Pod: add labels or images to each entry")
	}
}

// podsOf returns the Pods and templates among objects. What cannot be read is left out: it is not
// lint's to check.
func podsOf(objects []manifest.Object) []policy.Subject {
	var out []policy.Subject
	for _, o := range objects {
		typed := podkind.New(o.APIVersion, o.Kind)
		if typed == nil || manifest.Decode(o, typed, false) != nil {
			continue
		}
		if subject, ok := policy.NewSubject(typed); ok {
			subject.Name = o.Name
			out = append(out, subject)
		}
	}
	return out
}

// leftOut warns of containers, in the Pods that the policy matches, that name its path and are not
// among the writers that it names.
func (l *report) leftOut(p policyfile.Policy, pods []policy.Subject) {
	w := p.Source.Spec.Writers
	if w == nil || len(w.Names) == 0 {
		return
	}
	for _, pod := range pods {
		if policy.NewSet(p.Compiled).Evaluate(pod).Outcome == policy.NotMatched {
			continue
		}
		for _, c := range slices.Concat(pod.Pod.Spec.InitContainers, pod.Pod.Spec.Containers) {
			if !namesPath(&c, p.Compiled.MountPath()) || matchesAny(w.Names, c.Name) {
				continue
			}
			l.warn(p.Object, "spec.writers.names", "container %q of %s names %s too and is not among the writers: add it if it writes there, since only the memory of writers is raised",
				c.Name, cli.Plain(pod.Kind)+"/"+cli.Plain(pod.Name), p.Compiled.MountPath())
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

// containerNameText is what a glob for names of containers may have beside its wildcards.
var containerNameText = regexp.MustCompile(`^[a-z0-9-]*$`)

// oddContainerName says why a glob matches no container; empty if it can match one.
func oddContainerName(pattern string) string {
	if strings.ContainsAny(pattern, `[]\`) {
		return "" // not worked out
	}
	text := strings.NewReplacer("*", "", "?", "").Replace(pattern)
	switch {
	case !containerNameText.MatchString(text):
		return "matches no container, whose name has lower-case letters, digits and - only: write it so"
	case strings.HasPrefix(pattern, "-"), strings.HasSuffix(pattern, "-"):
		return `matches no container, whose name begins and ends with a letter or digit: remove the "-", or put "*" there`
	}
	return ""
}
