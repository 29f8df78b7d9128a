package policy_test

import (
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The oracle says what is right without the engine: it is written from the rules of Kubernetes,
// of the kernel and of the project, in the plainest way, and calls nothing of package policy.

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
	// endless stands for a size that nothing bounds.
	endless = int64(math.MaxInt64)
	// runtimeShm is what a runtime mounts at /dev/shm if nobody mounts anything else.
	runtimeShm = 64 * mib
)

// Arithmetic.

func plus(a, b int64) int64 {
	if a+b < a {
		return endless
	}
	return a + b
}

func times(a, b int64) int64 {
	if a != 0 && b > endless/a {
		return endless
	}
	return a * b
}

func up(a, unit int64) int64 {
	if a > endless-unit {
		return endless - endless%unit
	}
	return (a + unit - 1) / unit * unit
}

func down(a, unit int64) int64 { return a / unit * unit }

// bytesOf reads a quantity: rounded up to whole bytes, none below 0.
func bytesOf(q resource.Quantity) int64 { return max(0, q.Value()) }

// The kernel.

// nodes returns how many page tree nodes a file of some pages has: one for each started 64 pages, one
// for each started 64 of these, up to a single root. A file of one page has none.
func nodes(pages int64) int64 {
	if pages <= 1 {
		return 0
	}
	var total int64
	for level := pages; level > 1; {
		level = (level + 63) / 64
		total += level
	}
	return total
}

// kernelOf returns the kernel memory of a file.
func kernelOf(size, page int64) int64 { return 1112 + 104 + 592*nodes((size+page-1)/page) }

// cost returns what a full tmpfs is charged, in bytes: itself and the kernel memory of the files of a
// size that fit in it, or of one file if the size is not known (0).
func cost(volume, file, page int64) int64 {
	switch {
	case volume <= 0:
		return 0
	case file == 0:
		return plus(volume, kernelOf(volume, page))
	}
	whole := volume / up(file, page) * kernelOf(file, page)
	return plus(volume, max(whole, kernelOf(min(file, volume), page)))
}

func mountPathOf(p *v1alpha1.SharedMemoryPolicy) string {
	if p.Spec.MountPath == "" {
		return "/dev/shm"
	}
	return p.Spec.MountPath
}

func handlingOf(p *v1alpha1.SharedMemoryPolicy) v1alpha1.MemoryHandling {
	if p.Spec.Sizing == nil || p.Spec.Memory.Handling == v1alpha1.MemoryRequire {
		return v1alpha1.MemoryRequire
	}
	if p.Spec.Memory.Handling == v1alpha1.MemoryIgnore {
		return v1alpha1.MemoryIgnore
	}
	return v1alpha1.MemoryRaise
}

func existingOf(p *v1alpha1.SharedMemoryPolicy) v1alpha1.ExistingHandling {
	if p.Spec.Existing == "" {
		return v1alpha1.ExistingEnlarge
	}
	return p.Spec.Existing
}

func reserveOf(p *v1alpha1.SharedMemoryPolicy) int64 {
	if p.Spec.Memory.Reserve == nil {
		return 32 * mib
	}
	return bytesOf(*p.Spec.Memory.Reserve)
}

func quantityOr(q *resource.Quantity, otherwise int64) int64 {
	if q == nil {
		return otherwise
	}
	return bytesOf(*q)
}

func enforces(p *v1alpha1.SharedMemoryPolicy) bool {
	return p.Spec.Mode == "" || p.Spec.Mode == v1alpha1.Enforce
}

// skipped reports whether the Pod is one that nobody may touch.
func skipped(pod *corev1.Pod) bool {
	_, mirror := pod.Annotations["kubernetes.io/config.mirror"]
	return mirror || pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows
}

// exempt reports whether the Pod carries a reason to be left alone, and may.
func exempt(pod *corev1.Pod, p *v1alpha1.SharedMemoryPolicy) bool {
	return strings.TrimSpace(pod.Annotations[v1alpha1.AnnotationExempt]) != "" &&
		p.Spec.Exemptions == v1alpha1.Allowed
}

// overridden reports whether the Pod carries an annotation that asks for another size.
func overridden(pod *corev1.Pod) bool {
	for _, name := range []string{
		v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationFilesPerMinute, v1alpha1.AnnotationRetention, v1alpha1.AnnotationFileSize,
	} {
		if _, found := pod.Annotations[name]; found {
			return true
		}
	}
	return false
}
