package kubelet

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
)

// decoded returns a Pod as webhooks see it: with the defaults of the API, as an API
// server fills them in when it decodes, before admission and after each patch.
func decoded(pod *corev1.Pod) *corev1.Pod {
	out := pod.DeepCopy()
	corev1defaults.SetObjectDefaults_Pod(out)
	return out
}

// stored returns a Pod as the kubelet sees it: what an API server makes of a Pod after
// admission, and what its validation says. The steps are those of PrepareForCreate
// and Validate in pkg/registry/core/pod that concern containers and volumes.
func stored(t *testing.T, pod *corev1.Pod) (*corev1.Pod, field.ErrorList) {
	t.Helper()
	var internal core.Pod
	if err := corev1defaults.Convert_v1_Pod_To_core_Pod(decoded(pod), &internal, nil); err != nil {
		t.Fatal(err)
	}
	podutil.DropDisabledPodFields(&internal, nil)
	podutil.DefaultPodLevelResources(&internal)
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
	options.ResourceIsPod = true
	errs := validation.ValidatePodCreate(&internal, options)

	out := &corev1.Pod{}
	if err := corev1defaults.Convert_core_Pod_To_v1_Pod(&internal, out, nil); err != nil {
		t.Fatal(err)
	}
	return out, errs
}
