package reviewer

import (
	"encoding/json"
	"fmt"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	helpers "k8s.io/component-helpers/resource"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Figures represents the memory of one Pod, in bytes.
type Figures struct {
	// Volume is the sizeLimit of the Memory emptyDir at the mount path; 0 for none.
	Volume sizing.Bytes
	// Limit and Request are those of the whole Pod, as the scheduler adds them up; 0 for none.
	// What LimitRanges give is in them, and a limit without a request is the request too.
	Limit, Request sizing.Bytes
}

// figuresOf returns the figures of a Pod that mounts at a path.
func figuresOf(pod *policy.PodView, at string) Figures {
	out := Figures{}
	bare := &corev1.Pod{Spec: corev1.PodSpec{Resources: pod.Spec.Resources, Overhead: pod.Spec.Overhead}}
	for i := range pod.Spec.InitContainers {
		bare.Spec.InitContainers = append(bare.Spec.InitContainers, bareContainer(&pod.Spec.InitContainers[i]))
	}
	for i := range pod.Spec.Containers {
		bare.Spec.Containers = append(bare.Spec.Containers, bareContainer(&pod.Spec.Containers[i]))
	}
	for _, list := range [...][]policy.ContainerView{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			volume, _ := volumeAt(pod, &list[i], at)
			out.Volume = max(out.Volume, volume)
		}
	}
	limits, requests := helpers.PodLimits(bare, helpers.PodResourcesOptions{}), helpers.PodRequests(bare, helpers.PodResourcesOptions{})
	out.Limit, out.Request = sizing.BytesOf(limits[corev1.ResourceMemory]), sizing.BytesOf(requests[corev1.ResourceMemory])
	return out
}

// bareContainer returns a container with the memory of another, and nothing else. An API server
// makes a limit the request too if there is none.
func bareContainer(c *policy.ContainerView) corev1.Container {
	out := corev1.Container{RestartPolicy: c.RestartPolicy}
	limit, request := memoryOf(c.Resources)
	if request == nil {
		request = limit
	}
	if limit != nil {
		out.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: *limit}
	}
	if request != nil {
		out.Resources.Requests = corev1.ResourceList{corev1.ResourceMemory: *request}
	}
	return out
}

// planned returns the Pod of a subject with operations whose paths are those within the object.
func planned(subject policy.Subject, ops []jsonpatch.Operation) (*policy.PodView, error) {
	if len(ops) == 0 {
		return subject.Pod, nil
	}
	within := make([]jsonpatch.Operation, len(ops))
	for i, op := range ops {
		op.Path = strings.TrimPrefix(op.Path, subject.Pointer)
		within[i] = op
	}
	text, err := json.Marshal(subject.Pod)
	if err != nil {
		return nil, fmt.Errorf("write the Pod: %w", err)
	}
	f, err := newFitting("", text)
	if err != nil {
		return nil, err
	}
	if err := f.apply(within); err != nil {
		return nil, err
	}
	return f.pod()
}

// replicasOf returns how many Pods a workload makes at a time; nil if its manifest does not say.
func replicasOf(object runtime.Object) *int64 {
	var replicas *int32
	switch o := object.(type) {
	case *corev1.Pod:
	case *appsv1.Deployment:
		replicas = o.Spec.Replicas
	case *appsv1.StatefulSet:
		replicas = o.Spec.Replicas
	case *appsv1.ReplicaSet:
		replicas = o.Spec.Replicas
	case *corev1.ReplicationController:
		replicas = o.Spec.Replicas
	case *batchv1.Job:
		replicas = o.Spec.Parallelism
	case *batchv1.CronJob:
		replicas = o.Spec.JobTemplate.Spec.Parallelism
	default:
		return nil
	}
	if replicas == nil {
		return new(int64(1))
	}
	return new(int64(*replicas))
}

// FixedSpec returns the Pod as it is in mode enforce; nil if the object has no whole template of one.
func (r *Result) FixedSpec() (*corev1.PodSpec, error) {
	if r.Fixed {
		return nil, nil
	}
	f, err := newFitting(r.Subject.Pointer, r.Object.JSON)
	if err != nil {
		return nil, err
	}
	if err := f.apply(r.Fix); err != nil {
		return nil, err
	}
	spec := &corev1.PodSpec{}
	return spec, decodeTree(f.at(r.Subject.Pointer+"/spec"), spec)
}
