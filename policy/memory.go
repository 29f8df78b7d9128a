package policy

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// memory is a memory limit and request, in bytes. A limit of 0 is none, as the kubelet
// has it.
type memory struct {
	limit, request sizing.Bytes
	// namesLimit and namesRequest report whether the figures are written at all, be it as 0.
	namesLimit, namesRequest bool
	// autoscaled reports whether a vertical autoscaler wrote the figures: from measured use,
	// which includes what was in the volume.
	autoscaled bool
}

func newMemory(r *corev1.ResourceRequirements) memory {
	if r == nil {
		return memory{}
	}
	limit, limited := r.Limits[corev1.ResourceMemory]
	request, requested := r.Requests[corev1.ResourceMemory]
	return memory{
		limit: sizing.BytesOf(limit), request: sizing.BytesOf(request),
		namesLimit: limited, namesRequest: requested,
	}
}

func memoryIn(list corev1.ResourceList) sizing.Bytes {
	return sizing.BytesOf(list[corev1.ResourceMemory])
}

func limitOf(m *memory) sizing.Bytes { return m.limit }

// requestOf returns the request, or what an API server fills in for it.
func requestOf(m *memory) sizing.Bytes {
	if !m.namesRequest {
		return m.limit
	}
	return m.request
}

// Annotations of the vertical autoscaler's webhook: which figures it wrote, as "Pod
// resources updated by NAME: container 0: memory request, memory limit; container 1: ...",
// and which containers it knows.
const (
	autoscalerUpdates = "vpaUpdates"
	autoscalerKnows   = "vpaObservedContainers"
)

// markAutoscaled marks the containers whose memory a vertical autoscaler wrote.
func (v *view) markAutoscaled() {
	annotations := v.subject.Pod.Metadata.Annotations
	updates, found := annotations[autoscalerUpdates]
	list, listed := annotations[autoscalerKnows]
	if !found || len(updates)+len(list) > mostTextOfPod {
		return
	}
	written, known := writtenByAutoscaler(updates), map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		known[strings.TrimSpace(name)] = true
	}
	for i := range v.containers {
		c := &v.containers[i]
		if c.role == regular && written[c.index] && (!listed || known[c.name]) {
			c.memory.autoscaled = true
		}
	}
}

// writtenByAutoscaler returns the indexes of the regular containers whose memory is said to
// have been written.
func writtenByAutoscaler(updates string) map[int]bool {
	written := map[int]bool{}
	for part := range strings.SplitSeq(updates, ";") {
		before, figures, found := strings.Cut(part, "container ")
		if !found || strings.HasSuffix(before, "init ") {
			continue
		}
		number, figures, _ := strings.Cut(figures, ":")
		number = strings.TrimSpace(number)
		index, err := strconv.ParseUint(number, 10, 16)
		if err == nil && len(number) <= 4 && strings.Contains(figures, "memory") {
			written[int(index)] = true
		}
	}
	return written
}
