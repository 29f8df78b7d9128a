package admissionpolicy

import (
	"fmt"
	"strings"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// generator writes one policy.
type generator struct {
	program
	policy    policy.Policy
	source    *v1alpha1.SharedMemoryPolicy
	spec      *v1alpha1.SharedMemoryPolicySpec // with defaults
	mountPath string
	reserve   sizing.Bytes
	figures   figures
	// first are the policies that come before this one where both match.
	first []*generator
}

func newGenerator(p Policy) *generator {
	source := p.Source.DeepCopy()
	v1alpha1.SetDefaults(source)
	g := &generator{
		policy: p.Compiled, source: source, spec: &source.Spec, mountPath: p.Compiled.MountPath(),
		reserve: sizing.BytesOf(*source.Spec.Memory.Reserve),
	}
	// A policy without sizing asks for no size, and a full volume is one large file.
	spec, model := g.spec.Sizing, sizing.Requirement{}.Size(sizing.Bounds{})
	if spec == nil {
		spec = &v1alpha1.Sizing{}
		with := v1alpha1.SharedMemoryPolicy{Spec: v1alpha1.SharedMemoryPolicySpec{Sizing: spec}}
		v1alpha1.SetDefaults(&with)
	} else {
		model = g.modelOfCosts()
	}
	g.figures = figuresOf(spec, &model)
	return g
}

// modelOfCosts returns a Size that has what the files of the policy cost.
func (g *generator) modelOfCosts() sizing.Size {
	if s, ok := g.policy.Size(); ok {
		return s
	}
	bounds := sizing.Bounds{PageSize: sizing.BytesOf(*g.spec.Sizing.PageSize)}
	if k := g.spec.Sizing.KernelBytesPerFile; k != nil {
		bounds.KernelBytesPerFile = sizing.Bytes(*k)
	}
	return sizing.Requirement{}.Size(bounds)
}

// handling returns what happens to the memory of the writers.
func (g *generator) handling() v1alpha1.MemoryHandling {
	if g.spec.Sizing == nil {
		return v1alpha1.MemoryRequire
	}
	return g.spec.Memory.Handling
}

// mutates reports whether the policy changes Pods.
func (g *generator) mutates() bool {
	return g.spec.Sizing != nil && g.spec.Mutation == v1alpha1.MutationEnabled
}

// generate fills in the program.
func (g *generator) generate() {
	g.setPod()
	g.setDecides()
	g.setWriters()
	g.setUndecided()
	g.setSize()
	g.setPlan()
	applies := []string{"$decides", "$undecided == ''"}
	if g.spec.HostShm == v1alpha1.Allowed {
		// All writers share the node's /dev/shm, and the policy lets them.
		applies = append(applies, "!$writers.all(i, $hostShm[i])")
	}
	g.set("applies", "%s", strings.Join(applies, " && "))
}

// setWriters adds the containers that write to the volume: those that the policy names, else those
// whose image matched, else those that name the path, else the Pod's main container.
func (g *generator) setWriters() {
	var choices, decided string
	choose := func(name, condition string) {
		g.set(name, "$all.filter(i, %s)", condition)
		choices += fmt.Sprintf("$%[1]s.size() > 0 ? $%[1]s : ", name)
		decided += fmt.Sprintf("$%s.size() > 0 ? false : ", name)
	}
	if w := g.spec.Writers; w != nil && len(w.Names) > 0 {
		choose("byName", "$containers[i].name.matches("+literal(anyGlob(w.Names))+")")
	}
	var images []string
	for i := range g.spec.Match {
		if m := &g.spec.Match[i]; m.Images != nil {
			images = append(images, allOf(append(g.entryWithoutImages(m, true), imageMatches(m))...))
		}
	}
	if len(images) > 0 {
		choose("byImage", anyOf(images...))
	}
	if g.spec.Sizing == nil {
		choose("byMount", fmt.Sprintf("$running[i] && has($containers[i].volumeMounts) && $containers[i].volumeMounts.exists(m, %s || %s)", g.isAt(), g.isBelow()))
	}
	g.set("byText", "%s$all.filter(i, $running[i] && $named[i])", choices)
	const main = "'kubectl.kubernetes.io/default-container'"
	g.set("main", "%[1]s in $annotations ? $all.filter(i, i >= $init.size() && $containers[i].name == $annotations[%[1]s]) : []", main)
	g.set("writers", "$byText.size() > 0 ? $byText : $main.size() > 0 ? $main : [$init.size()]")
	g.set("unsureWriters", "%s$unsure", decided)
	g.set("memoryBelow", "$writers.exists(i, has($containers[i].volumeMounts) && $containers[i].volumeMounts.exists(m, %s && "+
		"$volumes.exists(v, v.name == m.name && has(v.emptyDir) && has(v.emptyDir.medium) && v.emptyDir.medium == 'Memory')))", g.isBelow())
}

// setUndecided adds why the policy cannot decide about a Pod; empty if it can.
func (g *generator) setUndecided() {
	type reason struct{ condition, text string }
	reasons := []reason{
		{"$tooLarge", "it has more containers, volumes, mounts or arguments than are looked at"},
		{"$tooManyHints", "too many commands, arguments or variables may name a path, or too long ones"},
		{g.oddMatch(), "a path is spelled in a way that an expression cannot compare"},
		{"has(object.spec.resources) && (has(object.spec.resources.limits) || has(object.spec.resources.requests))", "it has pod-level resources"},
		{"has(object.spec.overhead)", "its runtime class has an overhead"},
		{"$oddFigures", "a memory figure or a sizeLimit is 0, is not a whole number of bytes, or is above 1Pi"},
		{"'vpaUpdates' in $annotations", "a vertical autoscaler wrote its figures"},
		{"$oddMounts", "a mount path or a device is spelled in a way that an expression cannot compare"},
		{"$hostPaths", "a hostPath volume may be the node's /dev/shm"},
		{"$unsureWriters", "a command, an argument or a variable names a path in a spelling that an expression cannot compare"},
		{"$memoryBelow", "a writer has a Memory emptyDir below " + g.mountPath},
	}
	if g.shares() {
		reasons = append(reasons,
			reason{"'shm-size.crio.io' in $annotations || 'io.kubernetes.cri-o.ShmSize' in $annotations", "an annotation asks CRI-O for a size"},
			reason{remounts, "a container remounts /dev/shm itself"})
	}
	for _, first := range g.first {
		if odd := first.oddMatch(); odd != "false" {
			reasons = append(reasons, reason{odd, "a path is spelled in a way that an expression cannot compare"})
		}
	}
	if g.spec.Sizing != nil && g.spec.Overrides != v1alpha1.OverridesDenied {
		reasons = append(reasons,
			reason{fmt.Sprintf("%s.exists(a, a in $annotations)", list(v1alpha1.AnnotationFilesPerMinute, v1alpha1.AnnotationRetention, v1alpha1.AnnotationFileSize)), "an annotation describes its files"},
			reason{g.oddSize(), "annotation " + v1alpha1.AnnotationSizeLimit + " does not count or is not a plain quantity within the policy's bounds"})
	}
	if g.spec.Sizing != nil && g.spec.Sizing.Units != nil {
		reasons = append(reasons, reason{g.oddUnits(), "what counts its units is not a plain number"})
	}
	var text strings.Builder
	for _, r := range reasons {
		if r.condition != "false" {
			fmt.Fprintf(&text, "(%s) ? %s : ", r.condition, literal(r.text))
		}
	}
	g.set("undecided", "%s''", text.String())
}

// remounts is a condition: a container that may mount file systems has "remount" in its command,
// arguments or postStart hook.
const remounts = "$containers.exists(c, has(c.securityContext) && " +
	"(has(c.securityContext.privileged) && c.securityContext.privileged || has(c.securityContext.capabilities) && has(c.securityContext.capabilities.add) && " +
	"c.securityContext.capabilities.add.exists(a, a in ['SYS_ADMIN', 'CAP_SYS_ADMIN', 'ALL'])) && " +
	"((has(c.command) ? c.command : []) + (has(c.args) ? c.args : []) + (has(c.lifecycle) && has(c.lifecycle.postStart) && has(c.lifecycle.postStart.exec) && " +
	"has(c.lifecycle.postStart.exec.command) ? c.lifecycle.postStart.exec.command : [])).exists(x, x.contains('remount')))"
