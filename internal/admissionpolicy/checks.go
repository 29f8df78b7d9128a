package admissionpolicy

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const noMount = policy.NoMount

// check is a condition that holds for a Pod that is not as the policy wants it.
type check struct {
	reason    policy.Reason
	condition string
	// message is an expression for what is wrong, and what to do.
	message string
}

// checks returns the checks of a Pod whose writers have volumes of the given sizes, and whose
// containers have the given limits: variables by container, in the order of package policy.
func (g *generator) checks(sizes, limits string) []check {
	var out []check
	add := func(reason policy.Reason, condition, message string) {
		out = append(out, check{reason, condition, message})
	}
	const exempt = "'" + v1alpha1.AnnotationExempt + "' in $annotations"
	if g.spec.Exemptions == v1alpha1.Allowed {
		add(policy.NotExempt, exempt+" && $annotations['"+v1alpha1.AnnotationExempt+"'].trim() == ''", literal("annotation "+v1alpha1.AnnotationExempt+" is empty: write there why the Pod needs no sized "+g.mountPath))
	} else {
		add(policy.NotExempt, exempt, literal("annotation "+v1alpha1.AnnotationExempt+" does not count, as the policy allows no exemptions: remove the annotation"))
	}
	if g.spec.Overrides == v1alpha1.OverridesDenied && g.spec.Sizing != nil {
		add(policy.InvalidOverride, fmt.Sprintf("%s.exists(a, a in $annotations)", list(
			v1alpha1.AnnotationFilesPerMinute, v1alpha1.AnnotationRetention, v1alpha1.AnnotationFileSize, v1alpha1.AnnotationSizeLimit)),
			literal("an annotation asks for another size, and the policy has overrides: Denied: remove the annotation"))
	}
	if g.spec.HostShm == v1alpha1.Denied {
		add(policy.HostShm, "$writers.exists(i, $hostShm[i])", literal("a writer uses the node's own /dev/shm by hostIPC, shared with every Pod of the node that does so: mount a Memory emptyDir there"))
	}
	if g.spec.Sizing != nil {
		add(noMount, "$needs.exists(n, n)", fmt.Sprintf("%s + %s + ' there'", g.naming("$needs[i]", " mounts nothing at "+g.mountPath+": mount a Memory emptyDir with sizeLimit: "), quantityText(g.newSize())))
	}
	out = append(out, g.checksOfVolumes(sizes)...)
	return append(out, g.checksOfMemory(sizes, limits)...)
}

// newSize returns an expression for the size of a new volume: what the policy gives, and at /dev/shm no less than the
// runtime does.
func (g *generator) newSize() string {
	if !g.shares() {
		return "$limit"
	}
	return fmt.Sprintf("[$limit, %d].max()", int64(sizing.DefaultShm))
}

// naming returns an expression for a text that begins with the first container for which a
// condition on i holds.
func (g *generator) naming(condition, rest string) string {
	return fmt.Sprintf("'container \"' + $all.filter(i, %s).map(i, $containers[i].name)[0] + %s", condition, literal(`"`+rest))
}

// checksOfVolumes returns the checks of what the writers mount.
func (g *generator) checksOfVolumes(sizes string) []check {
	var out []check
	add := func(reason policy.Reason, each, rest string) {
		each = "i in $writers && $mounts[i].size() > 0 && " + each
		message := g.naming(each, rest)
		if g.spec.Sizing != nil && (reason == policy.TooSmall || reason == policy.Unbounded || reason == policy.NotMemory) {
			message += " + ' of ' + " + quantityText(g.newSize())
		}
		out = append(out, check{reason, "$all.exists(i, " + each + ")", message})
	}
	at := " at " + g.mountPath
	add(policy.NotMemory, "!$isMemory[i]", " mounts a volume"+at+" that is not a Memory emptyDir: mount a Memory emptyDir with a sizeLimit")
	add(policy.SubPath, "$isMemory[i] && (has($mounts[i][0].subPath) && $mounts[i][0].subPath != '' || has($mounts[i][0].subPathExpr) && $mounts[i][0].subPathExpr != '')",
		" mounts only a part of a volume"+at+": remove the subPath")
	add(policy.ReadOnly, "$isMemory[i] && has($mounts[i][0].readOnly) && $mounts[i][0].readOnly", " mounts its volume"+at+" read-only: remove readOnly")
	if condition := g.rejectsUnbounded(); condition != "" {
		// A mount that cannot be used keeps its size.
		add(policy.Unbounded, fmt.Sprintf("$isMemory[i] && (($usable[i] ? %s[i] : $sizes[i]) == 0)%s", sizes, condition), " mounts a Memory emptyDir without sizeLimit"+at+": set a sizeLimit")
	}
	if g.spec.Existing == v1alpha1.ExistingLeave {
		return out
	}
	if g.spec.Sizing != nil {
		add(policy.TooSmall, fmt.Sprintf("$usable[i] && %[1]s[i] > 0 && %[1]s[i] < $minimum", sizes), " mounts too small a volume"+at+": set a sizeLimit")
	}
	add(policy.NotWholePages, fmt.Sprintf("$usable[i] && %s[i] %% %d != 0", sizes, g.figures.pageSize),
		" mounts a volume"+at+" whose sizeLimit is not a whole number of pages: round it up to whole Mi")
	return out
}

// rejectsUnbounded returns the rest of a condition for when a volume without sizeLimit at the mount
// path is a violation; empty for never.
func (g *generator) rejectsUnbounded() string {
	switch {
	case g.spec.Existing == v1alpha1.ExistingRequire:
		return " "
	case g.spec.Existing == v1alpha1.ExistingSetLimit:
		return " && !$unfounded"
	case g.spec.Existing == v1alpha1.ExistingEnlarge && g.spec.Sizing != nil && g.spec.Sizing.Files != nil:
		return " "
	default:
		return ""
	}
}

// checksOfMemory returns the checks of what the volumes cost.
func (g *generator) checksOfMemory(sizes, limits string) []check {
	if g.handling() == v1alpha1.MemoryIgnore {
		return nil
	}
	bound := podLimit(limits)
	var out []check
	if g.spec.Sizing != nil {
		clamped := fmt.Sprintf("[%s].exists(b, $all.exists(i, $usable[i] && i in $writers && %[2]s[i] > b && b < $minimum))", bound, sizes)
		out = append(out, check{
			policy.ClampedByMemoryLimit, clamped,
			literal("the kubelet would mount less at " + g.mountPath + " than the workload needs, because of the Pod's memory limit: raise the memory limit"),
		})
	}
	cost := fmt.Sprintf("[[%s[i], %s].min()].map(x, %s)[0]", sizes, bound, g.figures.cost())
	each := fmt.Sprintf("i in $writers && %[1]s[i] > 0 && %[2]s[i] > 0 && %[2]s[i] < %[3]s + %[4]d", sizes, limits, cost, g.reserve)
	message := g.naming(each, " would be OOM-killed before the volume is full: raise its memory limit to at least ") +
		" + " + quantityText(fmt.Sprintf("$all.filter(i, %s).map(i, %s)[0]", each, roundUp(fmt.Sprintf("(%s + %d)", cost, g.reserve))))
	return append(out, check{policy.OOMBeforeFull, "$all.exists(i, " + each + ")", message})
}
