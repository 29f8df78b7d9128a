package admissionpolicy

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// setPlan adds what the policy would change: the sizes of the volumes that the writers have, the
// volume for those that have none, and their memory. All lists are by container.
func (g *generator) setPlan() {
	g.set("resizable", "$all.map(i, i in $writers && $isMemory[i] && $usable[i])")
	g.set("current", "$all.map(i, $resizable[i] ? $sizes[i] : 0)")
	g.set("needs", "$all.map(i, i in $writers && $mounts[i].size() == 0 && !$hostShm[i])")
	if !g.mutates() {
		return
	}
	g.set("newSize", "%s", g.newSize())
	g.set("planned", "$all.map(i, $needs[i] ? $newSize : !$resizable[i] ? 0 : %s)", g.plannedSize())
	if g.handling() != v1alpha1.MemoryRaise {
		g.set("newLimits", "$limits")
		g.set("newRequests", "$requests")
		return
	}
	g.set("payable", "%s", g.newSize())
	g.set("after", "$planned.map(s, [s, $payable].min()).map(x, %s)", g.figures.cost())
	g.set("before", "$all.map(i, $planned[i] == 0 ? 0 : [$current[i], $payable].min()).map(x, %s)", g.figures.cost())
	// The average use of a volume is requested by its first writer.
	g.set("volumeNames", "$all.map(i, $resizable[i] ? $own[i][0].name : '')")
	g.set("use", "$all.map(i, $planned[i] == 0 || $writers.exists(j, j < i && $planned[j] > 0 && $volumeNames[j] == $volumeNames[i]) ? 0 : "+
		"[0, [$average, $planned[i], $payable].min() - [$average, $current[i], $payable].min()].max())")
	g.set("newLimits", "$all.map(i, $limits[i] == 0 || $after[i] == 0 ? $limits[i] : "+
		"[$limits[i], $limits[i] / %[1]d * %[1]d + $after[i] - $before[i], %[2]s].max())", mib, roundUp(fmt.Sprintf("($after[i] + %d)", g.reserve)))
	g.set("mayRequest", "!$unfounded && ($limits.exists(l, l > 0) || $requests.exists(r, r > 0))")
	g.set("newRequests", "$all.map(i, $after[i] == 0 || $limits[i] == 0 && $requests[i] == 0 && ($use[i] == 0 || !$mayRequest) || "+
		"$use[i] == 0 && $newLimits[i] == $limits[i] ? $requests[i] : $guaranteed ? $newLimits[i] : "+
		"[$requests[i], [$use[i] == 0 ? $requests[i] : %s, "+
		"$newLimits[i] == 0 ? %d : $requests[i] < $limits[i] ? $newLimits[i] - %d : $newLimits[i]].min()].max())",
		roundUp("($requests[i] + $use[i])"), int64(sizing.MaxBytes), mib)
}

// plannedSize returns an expression for the size of the volume that writer i has and can use.
func (g *generator) plannedSize() string {
	switch g.spec.Existing {
	case v1alpha1.ExistingEnlarge, v1alpha1.ExistingSetLimit:
	default:
		return "$sizes[i]"
	}
	unbounded := "0"
	if g.spec.Existing == v1alpha1.ExistingSetLimit {
		unbounded = "$unfounded || $elsewhere[i] ? 0 : $limit"
	}
	return fmt.Sprintf("$sizes[i] == 0 ? (%s) : $sizes[i] < $minimum ? $limit : $sizes[i] %% %d == 0 ? $sizes[i] : %s",
		unbounded, g.figures.pageSize, roundUp("$sizes[i]"))
}

// patch returns an expression for the operations that carry the plan out, none if a violation would
// remain. An object in a list would crash API servers (kubernetes/kubernetes#142181): all values
// are texts, lists of none, and maps of texts.
func (g *generator) patch() string {
	op := func(op, path, value string) string {
		return fmt.Sprintf("JSONPatch{op: '%s', path: %s, value: %s}", op, path, value)
	}
	const none = "[JSONPatch{op: 'test'}].filter(o, false)"
	resized := "$resizable[i] && $own[i][0].name == $volumes[k].name && $planned[i] != $current[i]"
	gets := "$needs[i]"
	if g.shares() {
		gets = "$mounts[i].size() == 0 && !$hostShm[i]"
	}
	hasMounts := "has($containers[i].volumeMounts) && $containers[i].volumeMounts.size() > 0"
	hasRequests := "has($containers[i].resources) && has($containers[i].resources.requests)"
	hasResources := "has($containers[i].resources) && (has($containers[i].resources.limits) || has($containers[i].resources.claims))"
	requested := "$newRequests[i] != $requests[i]"
	newVolume := "[" + op("add", "'/spec/volumes/-'", "{'name': $volumeName}") + ", " +
		op("add", "'/spec/volumes/' + string($volumes.size()) + '/emptyDir'", fmt.Sprintf("{'medium': 'Memory', 'sizeLimit': %s}", quantityText("$newSize"))) + "]"
	each := func(condition, operation string) string {
		return fmt.Sprintf("$all.filter(i, %s).map(i, %s)", condition, operation)
	}
	parts := []string{
		fmt.Sprintf("lists.range($volumes.size()).filter(k, $all.exists(i, %[1]s)).map(k, %[2]s)", resized,
			op("add", "'/spec/volumes/' + string(k) + '/emptyDir/sizeLimit'", fmt.Sprintf("$all.filter(i, %s).map(i, %s)[0]", resized, quantityText("$planned[i]")))),
		"($adds && $volumes.size() == 0 ? [" + op("add", "'/spec/volumes'", "[]") + "] : " + none + ")",
		"($adds ? " + newVolume + " : " + none + ")",
		each("$adds && "+gets+" && !("+hasMounts+")", op("add", "$paths[i] + '/volumeMounts'", "[]")),
		each("$adds && "+gets, op("add", "$paths[i] + '/volumeMounts/-'", "{'name': $volumeName, 'mountPath': "+literal(g.mountPath)+"}")),
	}
	if len(g.spec.BindMountOptions) > 0 {
		options := make([]string, len(g.spec.BindMountOptions))
		for i, o := range g.spec.BindMountOptions {
			options[i] = string(o)
		}
		parts = append(parts, each("$adds && "+gets, op("add", "$paths[i] + '/volumeMounts/' + string("+hasMounts+" ? $containers[i].volumeMounts.size() : 0) + '/bindMountOptions'", list(options...))))
	}
	parts = append(parts,
		each("$newLimits[i] != $limits[i]", op("replace", "$paths[i] + '/resources/limits/memory'", quantityText("$newLimits[i]"))),
		each(requested+" && "+hasRequests, op("add", "$paths[i] + '/resources/requests/memory'", quantityText("$newRequests[i]"))),
		each(requested+" && !("+hasRequests+") && "+hasResources, op("add", "$paths[i] + '/resources/requests'", "{'memory': "+quantityText("$newRequests[i]")+"}")),
		each(requested+" && !("+hasRequests+") && !("+hasResources+")", op("add", "$paths[i] + '/resources'", "{'requests': {'memory': "+quantityText("$newRequests[i]")+"}}")),
	)
	out := parts[0]
	for _, p := range parts[1:] {
		out += " + " + p
	}
	g.set("adds", "$needs.exists(n, n)")
	g.set("paths", "$all.map(i, i < $init.size() ? '/spec/initContainers/' + string(i) : '/spec/containers/' + string(i - $init.size()))")
	g.set("volumeName", "lists.range(%d).map(n, n == 0 ? 'shmkeeper-shm' : 'shmkeeper-shm-' + string(n + 1)).filter(n, !$volumes.exists(v, v.name == n))[0]", mostVolumes+1)
	g.set("fixable", "%s", g.fixable())
	return expr("$applies && $fixable ? %s : %s", out, none)
}

// fixable returns a condition: no violation remains after the plan.
func (g *generator) fixable() string {
	terms := []string{}
	for _, c := range g.checks("$planned", "$newLimits") {
		if c.reason != noMount {
			terms = append(terms, "!("+c.condition+")")
		}
	}
	if g.handling() == v1alpha1.MemoryIgnore && g.shares() {
		// The kubelet would make a new volume smaller than what the runtime gives without one.
		terms = append(terms, fmt.Sprintf("!($needs.exists(n, n) && [$newSize, %s].min() < %d)", podLimit("$newLimits"), int64(sizing.DefaultShm)))
	}
	return allOf(terms...)
}

// podLimit returns an expression for the memory limit of the Pod's cgroup, given those of its
// containers: their sum if each has one, as the kubelet adds it up, or else the largest amount.
func podLimit(limits string) string {
	return fmt.Sprintf("(%[1]s.all(l, l > 0) ? ([$all.filter(i, $running[i]).map(i, %[1]s[i]).sum()] + "+
		"lists.range($init.size()).map(k, %[1]s[k] + $all.filter(j, j < k && $running[j]).map(j, %[1]s[j]).sum())).max() : %[2]d)", limits, int64(sizing.MaxBytes))
}
