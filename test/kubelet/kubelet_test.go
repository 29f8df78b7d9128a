package kubelet

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/mount-utils"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// node is a kubelet's volume plugin for emptyDirs on a node that mounts nothing
// and notes down what would be mounted.
type node struct {
	volume.VolumeHost // whatever is not below is not called

	dir         string
	allocatable sizing.Bytes
	mounter     *mount.FakeMounter
	plugin      volume.VolumePlugin
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{dir: t.TempDir(), plugin: emptydir.ProbeVolumePlugins()[0]}
	if err := n.plugin.Init(n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) GetMounter() mount.Interface { return n.mounter }

func (n *node) GetNodeAllocatable() (corev1.ResourceList, error) {
	return corev1.ResourceList{corev1.ResourceMemory: *n.allocatable.Quantity()}, nil
}

func (n *node) GetPluginDir(string) string { return n.dir }

func (n *node) GetPodPluginDir(types.UID, string) string { return filepath.Join(n.dir, "plugin") }

func (n *node) GetPodVolumeDir(_ types.UID, _, name string) string {
	return filepath.Join(n.dir, "volumes", name)
}

// mounts returns the size with which the kubelet mounts a volume of a Pod: the option
// size= of its mount.
func (n *node) mounts(t *testing.T, pod *corev1.Pod, v *corev1.Volume, allocatable sizing.Bytes) sizing.Bytes {
	t.Helper()
	n.allocatable, n.mounter = allocatable, mount.NewFakeMounter(nil)
	// Where a limit is stored as a fraction ("2.5Gi"), the kubelet's sum adds the
	// overhead to the Pod's own quantity.
	mounter, err := n.plugin.NewMounter(volume.NewSpecFromVolume(v.DeepCopy()), pod.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	if err := mounter.SetUp(volume.MounterArgs{}); err != nil {
		t.Fatal(err)
	}
	points, err := n.mounter.List()
	if err != nil || len(points) != 1 || points[0].Type != "tmpfs" {
		t.Fatalf("got mounts %v and error %v, want one tmpfs", points, err)
	}
	for _, option := range points[0].Opts {
		if text, found := strings.CutPrefix(option, "size="); found {
			size, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return sizing.Bytes(size)
		}
	}
	t.Fatalf("no size among the options %q", points[0].Opts)
	return 0
}
