package chaos

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const (
	mib       = int64(1) << 20
	shmPath   = "/dev/shm"
	container = "app"
	// reserve is what a policy leaves to the process by default, in bytes.
	reserve = 32 * mib
	// pageSize is that of tmpfs, and indexPerPage what the kernel needs at least to find a page.
	pageSize     = int64(4096)
	indexPerPage = int64(8)
)

// need is what a policy asks of a Pod, in bytes: how much the volume at /dev/shm has to hold.
type need struct{ size int64 }

// needOf reads the figures of a policy of a fixed size.
func needOf(p *v1alpha1.SharedMemoryPolicy) (need, error) {
	if p.Spec.Sizing == nil || p.Spec.Sizing.Fixed == nil {
		return need{}, fmt.Errorf("policy %q has no fixed size, and others are not judged here", p.Name)
	}
	return need{p.Spec.Sizing.Fixed.Size.Value()}, nil
}

// memory returns the least memory limit of a container that fills the volume and still runs.
func (n need) memory() int64 { return n.size + n.size/pageSize*indexPerPage + reserve }

// missing returns what a stored Pod lacks.
func (n need) missing(pod *corev1.Pod) (lacks []string) {
	lack := func(format string, args ...any) { lacks = append(lacks, fmt.Sprintf(format, args...)) }
	var app *corev1.Container
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == container {
			app = c
		}
	}
	if app == nil {
		return []string{"the container " + container}
	}
	var mount *corev1.VolumeMount
	for i := range app.VolumeMounts {
		if m := &app.VolumeMounts[i]; m.MountPath == shmPath {
			mount = m
		}
	}
	if mount == nil {
		return []string{"a mount at " + shmPath}
	}
	if mount.ReadOnly || mount.SubPath != "" || mount.SubPathExpr != "" {
		lack("a writable mount of a whole volume")
	}
	var disk *corev1.EmptyDirVolumeSource
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.Name == mount.Name {
			disk = v.EmptyDir
		}
	}
	switch {
	case disk == nil || disk.Medium != corev1.StorageMediumMemory:
		lack("a Memory emptyDir")
	case disk.SizeLimit == nil:
		lack("a sizeLimit")
	case disk.SizeLimit.Value() < n.size || disk.SizeLimit.Value()%pageSize != 0:
		lack("a sizeLimit of %d in whole pages, not %d", n.size, disk.SizeLimit.Value())
	}
	if limit := app.Resources.Limits.Memory().Value(); limit > 0 && limit < n.memory() {
		lack("a memory limit of %d, not %d", n.memory(), limit)
	}
	return lacks
}

// Each Pod lacks one thing that was planted.
func TestNeed_Missing(t *testing.T) {
	limit := func(n int64) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceMemory: *resource.NewQuantity(n, resource.BinarySI)}
	}
	volume := func(pod *corev1.Pod) *corev1.EmptyDirVolumeSource { return pod.Spec.Volumes[0].EmptyDir }
	for name, c := range map[string]struct {
		plant func(*corev1.Pod, *corev1.Container)
		want  []string
	}{
		"nothing":          {func(*corev1.Pod, *corev1.Container) {}, nil},
		"a larger volume":  {func(p *corev1.Pod, _ *corev1.Container) { volume(p).SizeLimit.Add(resource.MustParse("1Mi")) }, nil},
		"no memory limit":  {func(_ *corev1.Pod, c *corev1.Container) { c.Resources.Limits = nil }, nil},
		"another name":     {func(_ *corev1.Pod, c *corev1.Container) { c.Name = "other" }, []string{"the container app"}},
		"no mount":         {func(_ *corev1.Pod, c *corev1.Container) { c.VolumeMounts = nil }, []string{"a mount at /dev/shm"}},
		"below":            {func(_ *corev1.Pod, c *corev1.Container) { c.VolumeMounts[0].MountPath = "/dev/shm/a" }, []string{"a mount at /dev/shm"}},
		"read-only":        {func(_ *corev1.Pod, c *corev1.Container) { c.VolumeMounts[0].ReadOnly = true }, []string{"a writable mount of a whole volume"}},
		"a part":           {func(_ *corev1.Pod, c *corev1.Container) { c.VolumeMounts[0].SubPath = "a" }, []string{"a writable mount of a whole volume"}},
		"a disk":           {func(p *corev1.Pod, _ *corev1.Container) { volume(p).Medium = "" }, []string{"a Memory emptyDir"}},
		"no such volume":   {func(p *corev1.Pod, _ *corev1.Container) { p.Spec.Volumes = nil }, []string{"a Memory emptyDir"}},
		"no bound":         {func(p *corev1.Pod, _ *corev1.Container) { volume(p).SizeLimit = nil }, []string{"a sizeLimit"}},
		"a page too small": {func(p *corev1.Pod, _ *corev1.Container) { volume(p).SizeLimit.Sub(resource.MustParse("4Ki")) }, []string{"a sizeLimit of 134217728 in whole pages, not 134213632"}},
		"half a page more": {func(p *corev1.Pod, _ *corev1.Container) { volume(p).SizeLimit.Add(resource.MustParse("2Ki")) }, []string{"a sizeLimit of 134217728 in whole pages, not 134219776"}},
		"a byte of memory too little": {
			func(_ *corev1.Pod, c *corev1.Container) { c.Resources.Limits = limit(160*mib + 256<<10 - 1) },
			[]string{"a memory limit of 168034304, not 168034303"},
		},
		"two": {
			func(p *corev1.Pod, c *corev1.Container) { c.VolumeMounts[0].ReadOnly = true; volume(p).SizeLimit = nil },
			[]string{"a writable mount of a whole volume", "a sizeLimit"},
		},
	} {
		size := resource.MustParse("128Mi")
		pod := &corev1.Pod{Spec: corev1.PodSpec{
			Volumes: []corev1.Volume{{Name: "shm", VolumeSource: corev1.VolumeSource{
				EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &size},
			}}},
			Containers: []corev1.Container{
				{Name: "beside"},
				{
					Name: container, VolumeMounts: []corev1.VolumeMount{{Name: "shm", MountPath: shmPath}},
					Resources: corev1.ResourceRequirements{Limits: limit(160*mib + 256<<10)},
				},
			},
		}}
		c.plant(pod, &pod.Spec.Containers[1])
		if diff := cmp.Diff(c.want, need{128 * mib}.missing(pod)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
