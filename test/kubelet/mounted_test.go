package kubelet

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core"
	apipod "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/mount-utils"
	"k8s.io/apimachinery/pkg/types"
	corev1conv "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"github.com/google/go-cmp/cmp"
	"github.com/shmkeeper/shmkeeper/policy"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestX(t *testing.T) {
	_ = cm.ResourceConfigForPod
	_ = validation.ValidatePodCreate
	_ = corev1conv.Convert_v1_Pod_To_core_Pod
	_ = apipod.DropDisabledPodFields
	_ = emptydir.ProbeVolumePlugins
	_ = mount.NewFakeMounter
	_ = policy.MountedSize
	_ = cmp.Diff
	_ = qos.GetPodQOS
	var _ core.Pod
	var _ corev1.Pod
	var _ volume.VolumeHost
	var _ types.UID
	var _ field.Error
}
