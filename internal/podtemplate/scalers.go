package podtemplate

import (
	"cmp"
	"encoding/json"
	"strings"
)

// Scaler is an autoscaler of a workload.
type Scaler struct {
	// Kind is HorizontalPodAutoscaler, VerticalPodAutoscaler or ScaledObject.
	Kind, Namespace, Name string
	// TargetKind and TargetName are the workload, in the autoscaler's namespace.
	TargetKind, TargetName string
	// OnMemory reports whether it compares the memory in use with the requests, or, for a
	// VerticalPodAutoscaler, whether it looks after memory. A HorizontalPodAutoscaler that aims at
	// an absolute value does not look at requests.
	OnMemory bool
	// Writes reports whether it writes requests into Pods: a VerticalPodAutoscaler that does not
	// just recommend.
	Writes bool
}

// ScalerOf returns the autoscaler that an object is; nil for any other kind, lists of objects too. A
// field of the wrong type counts as absent.
func ScalerOf(o map[string]any) *Scaler {
	group, kind, _ := objectKind(o)
	s := &Scaler{
		Kind:      kind,
		Namespace: text(lookup(o, "metadata", "namespace")),
		Name:      text(lookup(o, "metadata", "name")),
	}
	spec, _ := o["spec"].(map[string]any)
	target := "scaleTargetRef"
	switch group + "/" + kind {
	case "autoscaling/HorizontalPodAutoscaler":
		s.OnMemory = anyMap(spec["metrics"], isMemoryUtilization) || anyMap(metricsOfV1(o), isMemoryUtilization)
	case "autoscaling.k8s.io/VerticalPodAutoscaler":
		target = "targetRef"
		s.OnMemory, s.Writes = verticalMemory(spec)
	case "keda.sh/ScaledObject":
		s.TargetKind = "Deployment" // what KEDA takes if the reference names no kind
		s.OnMemory = anyMap(spec["triggers"], isMemoryTrigger)
	default:
		return nil
	}
	s.TargetKind = cmp.Or(text(lookup(spec, target, "kind")), s.TargetKind)
	s.TargetName = text(lookup(spec, target, "name"))
	return s
}

// metricsOfV1 returns the metrics that autoscaling/v1, which has a field for CPU alone, keeps in an
// annotation.
func metricsOfV1(o map[string]any) any {
	written := text(lookup(o, "metadata", "annotations", "autoscaling.alpha.kubernetes.io/metrics"))
	var metrics []any
	if json.Unmarshal([]byte(written), &metrics) != nil {
		return nil
	}
	return metrics
}

// isMemoryUtilization reports whether a metric compares memory with the requests, of Pods or of one
// container, in the words of autoscaling/v2 or of v2beta1 and the annotation of v1.
func isMemoryUtilization(metric map[string]any) bool {
	source := "resource"
	switch text(metric["type"]) {
	case "Resource":
	case "ContainerResource":
		source = "containerResource"
	default:
		return false
	}
	if text(lookup(metric, source, "name")) != "memory" {
		return false
	}
	return text(lookup(metric, source, "target", "type")) == "Utilization" ||
		lookup(metric, source, "targetAverageUtilization") != nil
}

// isMemoryTrigger reports whether a trigger of KEDA compares memory with the requests. The kind of
// the target has stood in two places; with neither it is taken for the one that matters here.
func isMemoryTrigger(trigger map[string]any) bool {
	if text(trigger["type"]) != "memory" {
		return false
	}
	kind := cmp.Or(text(trigger["metricType"]), text(lookup(trigger, "metadata", "type")))
	return kind == "" || strings.EqualFold(kind, "Utilization")
}

// verticalMemory reports whether a VerticalPodAutoscaler looks after the memory of any container,
// and whether it writes what it recommends. A container without a policy of its own has that of
// "*", or else all resources are looked after.
func verticalMemory(spec map[string]any) (memory, writes bool) {
	policies, _ := lookup(spec, "resourcePolicy", "containerPolicies").([]any)
	hasDefault := false
	for _, item := range policies {
		policy, _ := item.(map[string]any)
		if policy == nil {
			continue
		}
		hasDefault = hasDefault || text(policy["containerName"]) == "*"
		if text(policy["mode"]) == "Off" {
			continue
		}
		controlled, ok := policy["controlledResources"].([]any)
		memory = memory || !ok
		for _, name := range controlled {
			memory = memory || text(name) == "memory"
		}
	}
	memory = memory || !hasDefault
	return memory, memory && text(lookup(spec, "updatePolicy", "updateMode")) != "Off"
}

// anyMap reports whether an item of a list is a map for which f holds.
func anyMap(list any, f func(map[string]any) bool) bool {
	items, _ := list.([]any)
	for _, item := range items {
		if m, ok := item.(map[string]any); ok && f(m) {
			return true
		}
	}
	return false
}
