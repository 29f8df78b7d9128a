package policy_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The generators make Pods and policies that an API server accepts or nearly so,
// and that meet at /dev/shm far more often than chance would have it.

func pick[T any](t *rapid.T, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, label)
}

func maybe(t *rapid.T, label string) bool { return rapid.Bool().Draw(t, label) }

var mountPaths = []string{
	"/dev/shm", "/dev/shm/", "/dev//shm", "//dev/shm", "/dev/./shm", "/dev/shm/../shm", "dev/shm", "/dev/shm/.",
	"/dev/shm/sessions", "/dev/shmem", "/dev", "/tmp", "/dev/SHM", "/",
}

var quantities = []string{"0", "1", "1500m", "100001", "1e3", "64Mi", "67108864", "0.5Gi", "256Mi", "300M", "897Mi", "1Gi", "1.5Gi", "2560Mi", "8Gi", "7E"}

func genQuantity(t *rapid.T, label string) resource.Quantity {
	return resource.MustParse(pick(t, label, quantities...))
}

func genResources(t *rapid.T, label string) corev1.ResourceRequirements {
	var r corev1.ResourceRequirements
	if maybe(t, label+" has a memory limit") {
		r.Limits = corev1.ResourceList{corev1.ResourceMemory: genQuantity(t, label+" memory limit")}
	}
	if maybe(t, label+" has a memory request") {
		request := genQuantity(t, label+" memory request")
		if limit, found := r.Limits[corev1.ResourceMemory]; found && request.Cmp(limit) > 0 {
			request = limit
		}
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: request}
	}
	if maybe(t, label+" has a CPU limit") {
		if r.Limits == nil {
			r.Limits = corev1.ResourceList{}
		}
		r.Limits[corev1.ResourceCPU] = resource.MustParse("1")
	}
	return r
}

func genMounts(t *rapid.T, label string) []corev1.VolumeMount {
	var out []corev1.VolumeMount
	for i := range rapid.IntRange(0, 2).Draw(t, label+" mounts") {
		at := fmt.Sprintf("%s mount %d", label, i)
		m := corev1.VolumeMount{Name: pick(t, at+" volume", "a", "b", "c", "shmkeeper-shm", "missing"), MountPath: pick(t, at+" path", mountPaths...)}
		switch rapid.IntRange(0, 9).Draw(t, at+" kind") {
		case 0:
			m.ReadOnly = true
		case 1:
			m.SubPath = "sub"
		case 2:
			m.SubPathExpr = "$(NAME)"
		}
		out = append(out, m)
	}
	return out
}

func genContainer(t *rapid.T, name string) corev1.Container {
	c := corev1.Container{
		Name:         name,
		Image:        pick(t, name+" image", "nginx", "nginx:1", "ghcr.io/goauthentik/proxy:2026.2.2", "selenium/node-chrome", "localhost/app", ""),
		Resources:    genResources(t, name),
		VolumeMounts: genMounts(t, name),
	}
	if maybe(t, name+" names a path") {
		c.Env = []corev1.EnvVar{{Name: "TMPDIR", Value: pick(t, name+" path", mountPaths...)}}
	}
	return c
}

func genVolume(t *rapid.T, name string) corev1.Volume {
	v := corev1.Volume{Name: name}
	switch rapid.IntRange(0, 5).Draw(t, "volume "+name) {
	case 0:
		v.HostPath = &corev1.HostPathVolumeSource{Path: "/dev/shm"}
	case 1:
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	case 2:
		v.EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
	case 3:
		v.EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumHugePages}
	default:
		q := genQuantity(t, "size of "+name)
		v.EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &q}
	}
	return v
}

func genPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "pod", Namespace: "ns", Labels: map[string]string{"app": pick(t, "app", "a", "b", "c")}},
	}
	if maybe(t, "has annotations") {
		pod.Annotations = genAnnotations(t)
	}
	always := corev1.ContainerRestartPolicyAlways
	for i := range rapid.IntRange(0, 2).Draw(t, "init containers") {
		c := genContainer(t, fmt.Sprintf("init-%d", i))
		if maybe(t, c.Name+" is a sidecar") {
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "containers") {
		pod.Spec.Containers = append(pod.Spec.Containers, genContainer(t, fmt.Sprintf("main-%d", i)))
	}
	if rapid.IntRange(0, 4).Draw(t, "debug container") == 0 {
		c := corev1.EphemeralContainer{}
		c.Name, c.Image, c.VolumeMounts = "debug", "busybox", genMounts(t, "debug")
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, c)
	}
	for _, name := range []string{"a", "b", "c", "shmkeeper-shm"} {
		if maybe(t, "has volume "+name) {
			pod.Spec.Volumes = append(pod.Spec.Volumes, genVolume(t, name))
		}
	}
	if len(pod.Spec.Volumes) > 0 && rapid.IntRange(0, 9).Draw(t, "volume twice") == 0 {
		pod.Spec.Volumes = append(pod.Spec.Volumes, genVolume(t, pod.Spec.Volumes[0].Name))
	}
	if rapid.IntRange(0, 3).Draw(t, "pod-level") == 0 {
		r := genResources(t, "pod")
		pod.Spec.Resources = &r
	}
	if rapid.IntRange(0, 5).Draw(t, "overhead") == 0 {
		pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("10Mi")}
	}
	switch rapid.IntRange(0, 30).Draw(t, "odd kind") {
	case 0:
		pod.Spec.HostIPC = true
	case 1:
		pod.Spec.OS = &corev1.PodOS{Name: corev1.Windows}
	}
	return pod
}

func genAnnotations(t *rapid.T) map[string]string {
	out := map[string]string{"other": "annotation"}
	for _, name := range []string{
		v1alpha1.AnnotationFilesPerMinute, v1alpha1.AnnotationRetention, v1alpha1.AnnotationFileSize,
		v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationExempt, "units",
	} {
		if rapid.IntRange(0, 5).Draw(t, name) == 0 {
			out[name] = pick(t, name+" value", "18", "0.5", "24h", "7d", "-5", "1500", "100Mi", "1e400", "", "four")
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "forged record") == 0 {
		out[v1alpha1.AnnotationInjected] = pick(t, "record",
			"{", "null", `{"memory":{"main-0":{"limit":-1}}}`,
			`{"volume":"a","memory":{"main-0":{"limit":268435456,"request":67108864,"limitAdded":268435456,"charge":9223372036854775807}}}`,
			`{"volume":"shmkeeper-shm","pod":{"limit":1073741824,"charge":0}}`)
	}
	return out
}

func genPolicy(t *rapid.T, name string) *v1alpha1.SharedMemoryPolicy {
	p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	s := &p.Spec
	s.Priority = int32(rapid.IntRange(-1, 1).Draw(t, name+" priority"))
	s.Match = genMatch(t, name+" match")
	if !matches(&s.Match) {
		s.Match.PodSelector = &metav1.LabelSelector{}
	}
	if rapid.IntRange(0, 3).Draw(t, name+" excludes") == 0 {
		exclude := genMatch(t, name+" exclude")
		s.Exclude = &exclude
	}
	if rapid.IntRange(0, 3).Draw(t, name+" names containers") == 0 {
		s.Containers = []string{pick(t, name+" containers", "main-*", "main-0", "init-?", "nobody")}
	}
	s.Sizing = genSizing(t, name)
	s.Memory = pick(t, name+" memory", v1alpha1.MemoryRaise, v1alpha1.MemoryRaise, v1alpha1.MemoryRequire, v1alpha1.MemoryIgnore)
	s.Existing = pick(t, name+" existing", v1alpha1.ExistingResize, v1alpha1.ExistingResize, v1alpha1.ExistingKeep)
	s.Mutation = pick(t, name+" mutation", v1alpha1.MutationEnabled, v1alpha1.MutationEnabled, v1alpha1.MutationEnabled, v1alpha1.MutationDisabled)
	s.BindMountOptions = pick(t, name+" options", v1alpha1.BindMountNever, v1alpha1.BindMountRestricted)
	s.Overrides = pick(t, name+" overrides", v1alpha1.Allowed, v1alpha1.Denied)
	s.Exemptions = pick(t, name+" exemptions", v1alpha1.Denied, v1alpha1.Allowed)
	return p
}

func matches(m *v1alpha1.Match) bool {
	return m.PodSelector != nil || m.NamespaceSelector != nil || m.Images != nil || m.TmpfsPaths != ""
}

func genSelector(t *rapid.T, label string) *metav1.LabelSelector {
	switch rapid.IntRange(0, 6).Draw(t, label) {
	case 0:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": pick(t, label+" app", "a", "b")}}
	case 1:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"a", "c"}}}}
	case 2:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpExists}}}
	case 3:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"a"}}}}
	case 4:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	case 5:
		return &metav1.LabelSelector{}
	default:
		return nil
	}
}

func genMatch(t *rapid.T, label string) v1alpha1.Match {
	m := v1alpha1.Match{PodSelector: genSelector(t, label+" pods")}
	if rapid.IntRange(0, 3).Draw(t, label+" by namespace") == 0 {
		m.NamespaceSelector = genSelector(t, label+" namespaces")
	}
	if rapid.IntRange(0, 3).Draw(t, label+" by image") == 0 {
		m.Images = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"nginx", "selenium/node-*", "*/goauthentik/proxy", "ghcr.io/*/proxy", "localhost/*", "*/*", "*/*/pro?y"}), 1, 3, rapid.ID).Draw(t, label+" images")
	}
	if rapid.IntRange(0, 5).Draw(t, label+" by path") == 0 {
		m.TmpfsPaths = v1alpha1.TmpfsPathsDetect
	}
	return m
}

func genSizing(t *rapid.T, name string) v1alpha1.Sizing {
	var s v1alpha1.Sizing
	switch pick(t, name+" model", "files", "files", "forever", "fixed", "percent", "annotation", "resource") {
	case "files":
		retention := pick[v1alpha1.Duration](t, name+" retention", "1ms", "1h", "24h", "168h", "999999h")
		s.Files = &v1alpha1.Files{CreatedPerMinute: pick(t, name+" rate", "0.001", "18", "100000"), Retention: &retention, FileSize: resource.MustParse(pick(t, name+" file size", "1", "1500", "5000", "1Mi"))}
	case "forever":
		s.Files = &v1alpha1.Files{CreatedPerMinute: "18", FileSize: resource.MustParse("1500")}
	case "fixed":
		q := resource.MustParse(pick(t, name+" fixed", "1", "100001", "256Mi", "1Pi"))
		s.Fixed = &q
	case "percent":
		percent := pick[int32](t, name+" percent", 1, 30, 100)
		s.MemoryPercent = &percent
	case "annotation":
		from := "units"
		s.Units = &v1alpha1.Units{Each: resource.MustParse("64Mi"), CountFrom: v1alpha1.CountFrom{Annotation: &from}}
	case "resource":
		from := "nvidia.com/gpu"
		s.Units = &v1alpha1.Units{Each: resource.MustParse("1Gi"), CountFrom: v1alpha1.CountFrom{Resource: &from}}
	}
	if maybe(t, name+" has headroom") {
		percent := pick[int32](t, name+" headroom", 0, 10, 1000)
		s.HeadroomPercent = &percent
	}
	if maybe(t, name+" has bounds") {
		least := resource.MustParse(pick(t, name+" min", "1Mi", "64Mi", "100Mi"))
		most := resource.MustParse(pick(t, name+" max", "100Mi", "1Gi", "1Pi"))
		s.Min, s.Max = &least, &most
	}
	return s
}
