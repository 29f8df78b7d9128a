package policy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// sizeLimitAnnotation is the annotation by which an owner asks for a size.
const sizeLimitAnnotation = v1alpha1.AnnotationSizeLimit

// appendWarnings appends what the owner of a Pod should know though nothing is rejected. v is
// the Pod as it will be, with the plan, and before as it is.
func (v *view) appendWarnings(to []string, p *Plan, before *view) []string {
	w := warnings(to)
	if v.namesNoContainer() {
		w.add("policy %s names the writers %s, and no container has such a name, so %s counts: tell the policy's administrator",
			quote(v.policy.name), quoteAll(v.policy.writerNames), v.describeWriters())
	}
	w = append(w, v.size.warnings...)
	v.warnAboutSize(&w)
	v.warnAboutVolumes(&w)
	v.warnAboutSharing(&w)
	v.warnAboutMemory(&w, before)
	if p != nil {
		v.warnAboutRaise(&w, p)
	}
	if len(w) > mostWarnings {
		w = append(w[:mostWarnings:mostWarnings], "and more") // how many is not counted
	}
	return w
}

type warnings []string

func (w *warnings) add(format string, args ...any) {
	if len(*w) <= mostWarnings { // the rest would be cut
		*w = append(*w, fmt.Sprintf(format, args...))
	}
}

func (v *view) describeWriters() string {
	var names []string
	for i := range v.containers {
		if v.containers[i].writer {
			names = append(names, v.containers[i].name)
		}
	}
	return quoteAll(names)
}

// warnAboutSize says when the volume fills in the ordinary course of things.
func (v *view) warnAboutSize(w *warnings) {
	if v.policy.model == nil {
		return
	}
	largest := v.size.Limit
	for i := range v.volumes {
		if vol := &v.volumes[i]; vol.memory && vol.at {
			largest = max(largest, vol.size)
		}
	}
	switch shortfall := v.size.Shortfall(largest); {
	case shortfall == "":
	case !v.size.Bounded:
		w.add("%s: delete files that are old, and %s", shortfall, v.howToSay(v1alpha1.AnnotationRetention, "how old they get"))
	default:
		w.add("%s: %s", shortfall, v.remedyForTooLittle())
	}
}

// remedyForTooLittle says what to do if the size that is given is not enough.
func (v *view) remedyForTooLittle() string {
	if v.size.lowered > 0 {
		return "remove " + overridesIn(v.subject.Pod.Metadata.Annotations)
	}
	return fmt.Sprintf("ask the administrator of policy %s for a larger one", quote(v.policy.name))
}

// howToSay says how an owner tells what the policy does not know, which would lower the size.
func (v *view) howToSay(annotation, what string) string {
	if v.policy.overrides == v1alpha1.OverridesAllowed {
		return fmt.Sprintf("set annotation %s to %s", annotation, what)
	}
	return fmt.Sprintf("tell the administrator of policy %s %s", quote(v.policy.name), what)
}

// howToAskForMore says how an owner gets a larger size.
func (v *view) howToAskForMore(when string) string {
	if v.policy.overrides != v1alpha1.OverridesDenied {
		return fmt.Sprintf("%s set annotation %s to what they need", when, sizeLimitAnnotation)
	}
	return fmt.Sprintf("%s tell the policy's administrator", when)
}

// overridesAllowed reports whether an annotation may lower the size.
func (p *compiled) overridesAllowed() bool { return p.overrides == v1alpha1.OverridesAllowed }

// warnAboutVolumes says what is strange about the writers' volumes though it is left as it is.
func (v *view) warnAboutVolumes(w *warnings) {
	for i := range v.volumes {
		vol := &v.volumes[i]
		switch {
		case !vol.memory:
		case vol.at:
			v.warnAboutVolume(w, vol)
		case vol.below && vol.size == 0 && v.rejectsUnbounded(true):
		case vol.below && vol.size == 0:
			w.add("volume %s at %s has no sizeLimit, so it can take %s: set a sizeLimit",
				quote(vol.name), shorten(vol.path), v.allMemory())
		case vol.below && vol.size < v.size.Minimum:
			w.add("volume %s at %s hides that part of %s and holds %s, less than the %s that are required: set its sizeLimit to %s if the program writes there",
				quote(vol.name), shorten(vol.path), v.policy.mountPath, vol.size, v.size.Minimum, v.size.Limit.Quantity())
		}
	}
}

func (v *view) warnAboutVolume(w *warnings, vol *volume) {
	at := v.policy.mountPath
	if vol.size == 0 && !v.rejectsUnbounded(false) {
		w.add("volume %s at %s has no sizeLimit, so it can take %s: set one that holds what the program needs%s",
			quote(vol.name), at, v.allMemory(), v.sizeByPolicy())
	}
	if v.policy.existing == v1alpha1.ExistingLeave {
		if v.isTooSmall(vol) {
			w.add("volume %s of %s at %s is smaller than the %s that are required: set its sizeLimit to %s",
				quote(vol.name), vol.size, at, v.size.Minimum, v.limitToSet())
		}
		if v.isBroken(vol) {
			w.add("volume %s of %s at %s is not a whole number of pages, so the kubelet evicts the Pod when it is full: set its sizeLimit to %s",
				quote(vol.name), vol.size, at, v.limitInPages(vol))
		}
	}
	if vol.elsewhere != "" {
		w.add("volume %s at %s is also mounted at %s: what is written there takes room from %s, so make its sizeLimit large enough for both",
			quote(vol.name), at, shorten(vol.elsewhere), at)
	}
}

// allMemory says how much a volume without sizeLimit can take.
func (v *view) allMemory() string {
	if v.podMemoryLimit() > 0 {
		return "all of the memory limit"
	}
	return "all memory that its containers or the node can have"
}

// sizeByPolicy says what the policy would give, to follow a remedy.
func (v *view) sizeByPolicy() string {
	if v.policy.model == nil || v.size.noBasis {
		return ""
	}
	return fmt.Sprintf(" (policy %s gives %s)", quote(v.policy.name), v.newSize())
}

// warnAboutSharing says which containers meet in /dev/shm, or no longer do, and which remount it.
func (v *view) warnAboutSharing(w *warnings) {
	if !v.shares() {
		return
	}
	for i := range v.containers {
		c := &v.containers[i]
		switch {
		case c.role == ephemeral || !c.remounts:
		case c.occupied():
			w.add("container %s remounts /dev/shm itself (%s): the kubelet evicts a Pod that uses more than the sizeLimit of its volume, so remove the remount and set the sizeLimit",
				quote(c.name), quote(c.remountText()))
		default:
			w.add("container %s remounts /dev/shm itself (%s) and is left alone: the kubelet evicts a Pod that uses more than the sizeLimit of its volume, so remove the remount before a volume is mounted there",
				quote(c.name), quote(c.remountText()))
		}
	}
	writer := v.firstWriter()
	if writer < 0 {
		return
	}
	own := v.containers[writer].occupied()
	for i := range v.containers {
		c := &v.containers[i]
		switch {
		case c.writer || c.role == ephemeral || !c.named:
		case own && !c.occupied() && !c.hostShm:
			w.add("container %s names %s too, mounts nothing there, and so does not share it with %s: mount the same volume there if the two share files in it",
				quote(c.name), runtimeShm, quote(v.containers[writer].name))
		case v.policy.model != nil && len(v.policy.writers) > 0:
			w.add("container %s names %s too and is not one of the writers of policy %s: what it writes counts against a memory limit that is not raised for it, so tell the policy's administrator if it writes",
				quote(c.name), runtimeShm, quote(v.policy.name))
		}
	}
}

// warnAboutMemory says where memory may not be enough though no check fails.
func (v *view) warnAboutMemory(w *warnings, before *view) {
	if !v.looksAtMemory() {
		for _, x := range v.oomBeforeFull() {
			w.add("%s", x.Detail)
		}
		return
	}
	if v.policy.model == nil {
		return
	}
	each, pod := v.costsOfWriters(sizing.MaxBytes)
	for i := range v.containers {
		c, was := &v.containers[i], &before.containers[i].memory
		limit, request := c.memory.limit, was.request
		if limit == 0 || !was.namesRequest || request >= was.limit || each[i].after == 0 {
			continue
		}
		// A request that holds the average use includes it, as far as anybody can tell, and what
		// kernel memory comes on top is then no reason to warn.
		var known sizing.Bytes
		if useBefore := each[i].useBefore.RoundUp(sizing.MiB); request >= useBefore {
			request, known = request.Minus(useBefore), each[i].before.Minus(each[i].sizeBefore)
		}
		if each[i].after.Plus(request).Minus(known) > limit {
			w.add("the memory limit of container %s, %s, is less than what a full %s costs, %s, and what it requests for itself, %s: raise the limit to %s",
				quote(c.name), limit, v.policy.mountPath, each[i].after, request, each[i].after.Plus(request).RoundUp(sizing.MiB))
		}
	}
	if pod.useAfter > 0 && v.policy.handling() == v1alpha1.MemoryRaise && !before.hasMemory() {
		w.add("the Pod has no memory request or limit, so none is raised: the scheduler does not know that %s are in use at %s on average: set a memory request",
			pod.useAfter, v.policy.mountPath)
	}
}

// warnAboutRaise says who sees figures that were raised.
func (v *view) warnAboutRaise(w *warnings, p *Plan) {
	for i := range p.memory {
		c := &p.memory[i]
		if c.container == nil || !c.limitChanges() {
			continue
		}
		if by := v.readersOfLimit(c.container); by != "" {
			w.add("container %s reads its memory limit by %s and will see %s, of which the volume may take %s: give the program a figure of its own",
				quote(c.container.name), by, c.to.limit, c.to.limit.Minus(c.from.limit))
		}
	}
	if v.subject.Pointer == "" || !p.raisesRequest() {
		return
	}
	switch {
	case v.subject.QueueName != "":
		w.add("queue %s counts the memory of the template, and the Pods get more: raise the template's memory as well", quote(v.subject.QueueName))
	case v.subject.Suspended:
		w.add("the workload is suspended: whatever starts it counts the memory of the template, and the Pods get more: raise the template's memory as well")
	}
}

// Options by which a Java program goes by the memory limit: MaxRAMPercentage and its like.
const (
	ramPercentage = "RAMPercentage"
	ramOption     = "Max" + ramPercentage
)

// readersOfLimit says how a container reads its own memory limit; empty if no way is known.
func (v *view) readersOfLimit(c *container) string {
	var by []string
	note := func(what string) {
		if len(by) < 4 && !slices.Contains(by, what) {
			by = append(by, what)
		}
	}
	for i := range c.source.Env {
		env := &c.source.Env[i]
		if readsLimit(env, c.name) {
			note(shorten(env.Name))
		}
		switch {
		case strings.Contains(env.Value, ramPercentage):
			note(ramOption + " in " + shorten(env.Name))
		case strings.Contains(env.Name, "AUTOMEMLIMIT"):
			note(shorten(env.Name))
		}
	}
	for _, list := range [...][]string{c.source.Command, c.source.Args} {
		for _, arg := range list {
			if strings.Contains(arg, ramPercentage) {
				note(ramOption)
			}
		}
	}
	return strings.Join(by, ", ")
}

func readsLimit(env *corev1.EnvVar, container string) bool {
	if env.ValueFrom == nil || env.ValueFrom.ResourceFieldRef == nil {
		return false
	}
	ref := env.ValueFrom.ResourceFieldRef
	return ref.Resource == "limits.memory" && (ref.ContainerName == "" || ref.ContainerName == container)
}
