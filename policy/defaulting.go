package policy

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
)

// WithoutDefaults returns a Pod as mutating webhooks saw it: without the pod-level CPU and memory
// that an API server has filled in since. It is for callers, such as a
// validating webhook, that evaluate the Pod after that and have to reach the same decision. It shares
// memory with the subject, which is not changed, and is the subject itself if
// nothing was filled in.
//
// Since 1.37 an API server completes pod-level resources between its mutating and its
// validating webhooks (DefaultPodLevelResources in k8s.io/kubernetes, pkg/api/pod): the
// request is what the containers request together, or else the limit; the limit is the
// sum of the containers' limits, or else the request. A figure is taken for filled in
// if it is that, and if metadata.managedFields, which an API server writes before it asks
// the first webhook, names nobody who wrote it. Of CPU, which decides about the QoS class
// alone, only the last is asked.
func (s Subject) WithoutDefaults() Subject {
	r := s.Pod.Spec.Resources
	if r == nil || s.Pointer != "" || len(s.Pod.Metadata.ManagedFields) == 0 || len(s.Pod.Metadata.ManagedFields) > mostManagers || len(s.Pod.Spec.Containers) > mostContainers {
		return s
	}
	_, limited := r.Limits[corev1.ResourceMemory]
	_, limitedCPU := r.Limits[corev1.ResourceCPU]
	_, requested := r.Requests[corev1.ResourceMemory]
	_, requestedCPU := r.Requests[corev1.ResourceCPU]
	if !limited && !limitedCPU && !requested && !requestedCPU {
		return s
	}
	v := observe(&s, &compiled{mountPath: runtimeShm}, &grounds{}, Mirrors{})
	limited = limited && v.eachNamesLimit() && v.pod.limit == max(v.pod.request, v.sumOf(limitOf))
	requested = requested && v.pod.request == v.defaultPodRequest()

	by := writtenBy(&s.Pod.Metadata)
	completed := r.DeepCopy()
	drop := func(list corev1.ResourceList, written fieldSet, name corev1.ResourceName, filledIn bool) (dropped bool) {
		if _, found := written["f:"+string(name)]; found || !filledIn {
			return false
		}
		delete(list, name)
		return true
	}
	dropped := drop(completed.Limits, by.limits, corev1.ResourceMemory, limited)
	dropped = drop(completed.Requests, by.requests, corev1.ResourceMemory, requested) || dropped
	dropped = drop(completed.Limits, by.limits, corev1.ResourceCPU, limitedCPU) || dropped
	dropped = drop(completed.Requests, by.requests, corev1.ResourceCPU, requestedCPU) || dropped
	if !dropped {
		return s
	}
	pod := *s.Pod
	pod.Spec.Resources = completed
	s.Pod = &pod
	return s
}

// mostManagers is how many entries of metadata.managedFields are read: an API server keeps ten
// for updates, and one for each applier.
const mostManagers = 256

// fieldSet are fields as metadata.managedFields names them: "f:memory".
type fieldSet map[string]json.RawMessage

// writers says which pod-level limits and requests somebody wrote.
type writers struct{ limits, requests fieldSet }

// writtenBy reads metadata.managedFields. An entry that cannot be read says nothing.
func writtenBy(meta *MetadataView) writers {
	w := writers{fieldSet{}, fieldSet{}}
	for i := range meta.ManagedFields {
		entry := &meta.ManagedFields[i]
		if entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Spec struct {
				Resources struct {
					Limits   fieldSet `json:"f:limits"`
					Requests fieldSet `json:"f:requests"`
				} `json:"f:resources"`
			} `json:"f:spec"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		for name := range fields.Spec.Resources.Limits {
			w.limits[name] = nil
		}
		for name := range fields.Spec.Resources.Requests {
			w.requests[name] = nil
		}
	}
	return w
}
