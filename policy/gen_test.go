package policy_test

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The generators make Pods and policies that an API server accepts or nearly so, and that
// meet at the mount path far more often than chance would have it.

func pick[T any](t *rapid.T, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, label)
}

var sixteenths = rapid.IntRange(0, 15)

// odds reports whether a draw hits: in about n of 16 cases (in fewer, for a small n). It shrinks to
// false.
func odds(t *rapid.T, label string, n int) bool {
	return n > 0 && sixteenths.Draw(t, label) >= 16-n
}

func ptr[T any](v T) *T { return &v }

func quantity(text string) *resource.Quantity { return ptr(resource.MustParse(text)) }

// weights say how often the generator of Pods does something, in sixteenths.
type weights struct {
	init, sidecar, second, debug              int // containers beside the first
	at, below, beside                         int // mounts of a container
	spelled, twice, odd                       int // of a mount: another spelling, a second one, readOnly or subPath
	wild, unbounded                           int // of a volume: anything but a Memory emptyDir; no sizeLimit
	podLevel, guaranteed, nothing             int // memory figures
	unset                                     int // figures as written, without what an API server fills in
	unaligned                                 int // figures that are not whole MiB
	node                                      int // the node's /dev/shm
	skipped                                   int // Windows, mirror Pods
	device                                    int
	remount, texts                            int
	ours, overrides, crio, vpa                int // annotations
	limitRange, quota                         int
	policies                                  int // a second, third, fourth policy
	otherPath                                 int // of a policy: not /dev/shm
	named, guess, noSizing, onlyMem, excluded int // of a policy
}

// usual are weights that reach a little of everything.
var usual = weights{
	init: 5, sidecar: 4, second: 6, debug: 1,
	at: 6, below: 2, beside: 3,
	spelled: 4, twice: 1, odd: 2, wild: 3, unbounded: 3,
	podLevel: 4, guaranteed: 3, nothing: 3, unset: 3, unaligned: 3,
	node: 1, skipped: 1, device: 1, remount: 1, texts: 4,
	ours: 3, overrides: 2, crio: 2, vpa: 2,
	limitRange: 0, quota: 0,
	policies: 0, otherPath: 3, named: 5, guess: 2, noSizing: 1, excluded: 1,
}

// world is everything that an evaluation depends on.
type world struct {
	policies    []*v1alpha1.SharedMemoryPolicy
	pod         *corev1.Pod
	namespace   map[string]string
	limitRanges []*corev1.LimitRange
	quotas      []*corev1.ResourceQuota
}

func genWorld(t *rapid.T, w weights) *world {
	out := &world{namespace: map[string]string{"app": "b", "team": "x"}}
	out.policies = append(out.policies, genPolicy(t, "p0", w))
	for i := 1; i < 4 && odds(t, "another policy", w.policies); i++ {
		out.policies = append(out.policies, genPolicy(t, fmt.Sprintf("p%d", i), w))
	}
	path := out.policies[0].Spec.MountPath
	if path == "" {
		path = "/dev/shm"
	}
	out.pod = genPod(t, path, w)
	out.limitRanges = genLimitRanges(t, out.pod, w)
	out.quotas = genQuotas(t, out.pod, w)
	return out
}

// spellings are other ways to write a mount path, of each that policies have here.
var spellings = map[string][]string{
	"/dev/shm": {
		"/dev/shm/",
		"/dev//shm",
		"/dev/shm/../shm",
		"dev/shm",
		"/dev/./shm",
		"//dev/shm/.",
	},
	"/cache": {"/cache/", "//cache", "/cache/../cache", "cache", "/./cache", "/cache/."},
}

// beside are mount paths that are neither at nor below the path of any policy here.
var beside = []string{"/tmp", "/dev/shmem", "/dev", "/data", "/dev/SHM", "/cache2", "/var/cache"}

// images maps images, as Pods write them, to the repositories that they name.
var images = map[string]string{
	"nginx":                                   "docker.io/library/nginx",
	"docker.io/library/nginx:1.29":            "docker.io/library/nginx",
	"ghcr.io/goauthentik/proxy:2026.2.2":      "ghcr.io/goauthentik/proxy",
	"GHCR.io:443/goauthentik/proxy":           "ghcr.io/goauthentik/proxy",
	"registry-1.docker.io/selenium/node-edge": "docker.io/selenium/node-edge",
	"selenium/node-chrome:4":                  "docker.io/selenium/node-chrome",
	"localhost:5000/team/app":                 "localhost:5000/team/app",
	"":                                        "",
}

var imageNames = []string{
	"nginx", "ghcr.io/goauthentik/proxy:2026.2.2", "selenium/node-chrome:4", "docker.io/library/nginx:1.29",
	"GHCR.io:443/goauthentik/proxy", "registry-1.docker.io/selenium/node-edge", "localhost:5000/team/app", "",
}

// globs maps patterns, as policies write them, to the repositories here that they match.
var globs = map[string][]string{
	"nginx":                     {"docker.io/library/nginx"},
	"ghcr.io/goauthentik/proxy": {"ghcr.io/goauthentik/proxy"},
	"ghcr.io/*/pro?y":           {"ghcr.io/goauthentik/proxy"},
	"selenium/node-*": {
		"docker.io/selenium/node-edge",
		"docker.io/selenium/node-chrome",
	},
	"localhost:5000/team/*":        {"localhost:5000/team/app"},
	"registry.example.org/nobody":  nil,
	"docker.io/selenium/node-edge": {"docker.io/selenium/node-edge"},
}

// texts maps settings of containers to the path that they name: one at or below it.
var texts = map[string]string{
	"/dev/shm":                  "/dev/shm",
	"--dir=/dev/shm/sessions":   "/dev/shm",
	"exec app -d '/dev//shm/x'": "/dev/shm",
	"file:///dev/shm":           "/dev/shm",
	"/dev/shmem":                "",
	"/data/dev/shm":             "",
	"/dev/shm/../null":          "",
	"-c /cache/x":               "/cache",
	"plain":                     "",
}

var textNames = []string{
	"/dev/shm", "--dir=/dev/shm/sessions", "-c /cache/x", "exec app -d '/dev//shm/x'", "file:///dev/shm",
	"/dev/shmem", "/data/dev/shm", "/dev/shm/../null", "plain",
}

var (
	limits = []string{"256Mi", "512Mi", "1Gi", "2Gi", "8Gi", "128Mi", "64Mi", "1196Mi"}
	uneven = []string{"300M", "100001", "1500000000", "1e9", "96.5Mi", "1"}
	// sizes of volumes
	bounds = []string{"64Mi", "256Mi", "32Mi", "1Gi", "128Mi", "2Gi", "897Mi", "8Gi"}
	odd    = []string{"500M", "100001", "1G", "1536Ki", "0", "1"}
)

func genFigure(t *rapid.T, label string, w weights) resource.Quantity {
	if odds(t, label+" is not whole", w.unaligned) {
		return resource.MustParse(pick(t, label, uneven...))
	}
	return resource.MustParse(pick(t, label, limits...))
}

// genResources makes memory figures and sometimes CPU.
func genResources(t *rapid.T, label string, w weights) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Limits: corev1.ResourceList{}, Requests: corev1.ResourceList{}}
	switch pick(t, label+" memory", "request below limit", "request is limit", "request only", "limit only", "none") {
	case "request below limit":
		limit, request := genFigure(t, label+" limit", w), genFigure(t, label+" request", w)
		if request.Cmp(limit) > 0 {
			limit, request = request, limit
		}
		r.Limits[corev1.ResourceMemory], r.Requests[corev1.ResourceMemory] = limit, request
	case "request is limit":
		limit := genFigure(t, label+" limit", w)
		r.Limits[corev1.ResourceMemory], r.Requests[corev1.ResourceMemory] = limit, limit
	case "request only":
		r.Requests[corev1.ResourceMemory] = genFigure(t, label+" request", w)
	case "limit only":
		r.Limits[corev1.ResourceMemory] = genFigure(t, label+" limit", w)
	}
	if odds(t, label+" has CPU", 8) {
		r.Requests[corev1.ResourceCPU] = resource.MustParse("500m")
		if odds(t, label+" has a CPU limit", 8) {
			r.Limits[corev1.ResourceCPU] = resource.MustParse("1")
		}
	}
	if odds(t, label+" has GPUs", 3) {
		r.Limits["nvidia.com/gpu"], r.Requests["nvidia.com/gpu"] = resource.MustParse(
			"2",
		), resource.MustParse(
			"2",
		)
	}
	return trimmed(r)
}

// trimmed leaves empty lists out, as a Pod that nobody decorated has them.
func trimmed(r corev1.ResourceRequirements) corev1.ResourceRequirements {
	if len(r.Limits) == 0 {
		r.Limits = nil
	}
	if len(r.Requests) == 0 {
		r.Requests = nil
	}
	return r
}

func genMounts(t *rapid.T, label, path string, w weights) []corev1.VolumeMount {
	var out []corev1.VolumeMount
	add := func(label, at string) {
		m := corev1.VolumeMount{Name: pick(t, label+" volume", "a", "b", "a", "c"), MountPath: at}
		if odds(t, label+" is odd", w.odd) {
			switch pick(t, label+" how", "readOnly", "subPath", "subPathExpr", "missing") {
			case "readOnly":
				m.ReadOnly = true
			case "subPath":
				m.SubPath = "sub"
			case "subPathExpr":
				m.SubPathExpr = "$(NAME)"
			case "missing":
				m.Name = "missing"
			}
		}
		out = append(out, m)
	}
	spell := func(label string) string {
		if odds(t, label+" in another spelling", w.spelled) {
			return pick(t, label+" spelling", spellings[path]...)
		}
		return path
	}
	if odds(t, label+" mounts at the path", w.at) {
		add(label+" at", spell(label))
		if odds(t, label+" mounts twice", w.twice) {
			if second := pick(t, label+" second spelling", spellings[path]...); second != out[0].MountPath {
				add(label+" second", second)
			}
		}
	}
	if odds(t, label+" mounts below", w.below) {
		add(label+" below", spell(label+" below")+"/"+pick(t, label+" below at", "x", "/x/", "./y"))
	}
	if odds(t, label+" mounts beside", w.beside) {
		add(label+" beside", pick(t, label+" beside at", beside...))
	}
	return out
}

// remounts are commands that change the size of /dev/shm themselves.
var remounts = []string{
	"mount -o remount,size=1024M /dev/shm && exec app", "mount -t tmpfs -o size=2G tmpfs /dev/shm; app",
}

func genContainer(t *rapid.T, name, path string, w weights) corev1.Container {
	c := corev1.Container{
		Name:         name,
		Image:        pick(t, name+" image", imageNames...),
		Resources:    genResources(t, name, w),
		VolumeMounts: genMounts(t, name, path, w),
	}
	if odds(t, name+" names a path", w.texts) {
		text := pick(t, name+" text", textNames...)
		switch pick(t, name+" says it in", "env", "args", "command") {
		case "env":
			c.Env = []corev1.EnvVar{{Name: "TMPDIR", Value: text}}
		case "args":
			c.Args = []string{"-v", text}
		case "command":
			c.Command = []string{"sh", "-c", text}
		}
	}
	if odds(t, name+" remounts", w.remount) {
		c.Command = []string{"sh", "-c", pick(t, name+" remount", remounts...)}
		c.SecurityContext = &corev1.SecurityContext{Privileged: ptr(true)}
	}
	if odds(t, name+" has a device", w.device) {
		c.VolumeDevices = []corev1.VolumeDevice{{Name: "device", DevicePath: path}}
	}
	return c
}

func genVolume(t *rapid.T, name string, w weights) corev1.Volume {
	v := corev1.Volume{Name: name}
	if odds(t, "volume "+name+" is wild", w.wild) {
		switch pick(t, "volume "+name, "disk", "node", "claim", "huge pages", "below node") {
		case "disk":
			v.EmptyDir = &corev1.EmptyDirVolumeSource{}
		case "node":
			v.HostPath = &corev1.HostPathVolumeSource{
				Path: pick(t, "hostPath of "+name, "/dev/shm", "/dev/shm/", "/dev//shm"),
			}
		case "below node":
			v.HostPath = &corev1.HostPathVolumeSource{
				Path: pick(t, "hostPath of "+name, "/dev/shm/x", "/dev/shmem", "/data"),
			}
		case "claim":
			v.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"}
		case "huge pages":
			v.EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumHugePages}
		}
		return v
	}
	v.EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
	if odds(t, "volume "+name+" is unbounded", w.unbounded) {
		return v
	}
	switch pick(t, "volume "+name, "bounded", "bounded", "bounded", "odd") {
	case "bounded":
		v.EmptyDir.SizeLimit = quantity(pick(t, "size of "+name, bounds...))
	case "odd":
		v.EmptyDir.SizeLimit = quantity(pick(t, "size of "+name, odd...))
	}
	return v
}

func genPod(t *rapid.T, path string, w weights) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "pod", Namespace: "ns", Labels: map[string]string{"app": pick(t, "app", "a", "b", "c")},
		},
	}
	spec := &pod.Spec
	if odds(t, "has an init container", w.init) {
		spec.InitContainers = append(spec.InitContainers, genContainer(t, "seed", path, w))
	}
	if odds(t, "has a sidecar", w.sidecar) {
		c := genContainer(t, "proxy", path, w)
		c.RestartPolicy = ptr(corev1.ContainerRestartPolicyAlways)
		spec.InitContainers = append(spec.InitContainers, c)
	}
	spec.Containers = append(spec.Containers, genContainer(t, "web", path, w))
	if odds(t, "has a second container", w.second) {
		spec.Containers = append(spec.Containers, genContainer(t, "helper", path, w))
		if odds(t, "has a third container", w.second) {
			spec.Containers = append(spec.Containers, genContainer(t, "agent", path, w))
		}
	}
	if odds(t, "has a debug container", w.debug) {
		c := corev1.EphemeralContainer{}
		c.Name, c.Image, c.VolumeMounts = "debug", "busybox", genMounts(t, "debug", path, w)
		spec.EphemeralContainers = append(spec.EphemeralContainers, c)
	}
	genVolumes(t, pod, w)
	genFigures(t, pod, w)
	if odds(t, "uses the node's IPC", w.node) {
		spec.HostIPC = true
	}
	genAnnotations(t, pod, w)
	if odds(t, "is skipped", w.skipped) {
		if odds(t, "is on Windows", 8) {
			spec.OS = &corev1.PodOS{Name: corev1.Windows}
		} else {
			annotate(pod, "kubernetes.io/config.mirror", "x")
		}
	}
	return pod
}

// genVolumes adds the volumes that are mounted, and sometimes one more.
func genVolumes(t *rapid.T, pod *corev1.Pod, w weights) {
	mounted := map[string]bool{}
	for _, c := range everyContainer(pod) {
		for _, m := range c.VolumeMounts {
			mounted[m.Name] = true
		}
		if len(c.VolumeDevices) > 0 {
			mounted["device"] = true
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		if mounted[name] || odds(t, "has volume "+name, 1) {
			pod.Spec.Volumes = append(pod.Spec.Volumes, genVolume(t, name, w))
		}
	}
	if mounted["device"] {
		pod.Spec.Volumes = append(
			pod.Spec.Volumes,
			corev1.Volume{Name: "device", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{
					ClaimName: "device",
				},
			}},
		)
	}
	if odds(t, "has a volume with our name", 1) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, genVolume(t, "shmkeeper-shm", w))
	}
}

// genFigures gives the Pod pod-level figures and a QoS class.
func genFigures(t *rapid.T, pod *corev1.Pod, w weights) {
	switch {
	case odds(t, "is Guaranteed", w.guaranteed):
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				q := corev1.ResourceList{
					corev1.ResourceMemory: genFigure(
						t,
						list[i].Name+" guaranteed",
						w,
					), corev1.ResourceCPU: resource.MustParse("1"),
				}
				list[i].Resources = corev1.ResourceRequirements{Limits: q, Requests: q.DeepCopy()}
			}
		}
	case odds(t, "names no memory", w.nothing):
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				r := &list[i].Resources
				delete(r.Limits, corev1.ResourceMemory)
				delete(r.Requests, corev1.ResourceMemory)
				*r = trimmed(*r)
			}
		}
		return
	case odds(t, "has pod-level figures", w.podLevel):
		genPodLevel(t, pod)
	}
	if odds(t, "has overhead", 1) {
		pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("10Mi")}
	}
	if !odds(t, "is as written", w.unset) {
		fillIn(pod)
	}
}

// genPodLevel gives a Pod pod-level figures that its containers fit in.
func genPodLevel(t *rapid.T, pod *corev1.Pod) {
	var most, requested int64
	for _, c := range notEphemeral(pod) {
		limit, request := memoryLimit(&c.Resources), effectiveRequest(&c.Resources)
		most, requested = max(most, limit), requested+request
	}
	request := resource.NewQuantity(requested, resource.BinarySI)
	least := max(most, requested, mib) + pick[int64](t, "pod-level room", 0, 64<<20, 1<<30, 4<<30)
	limit := resource.NewQuantity(max(least, 1), resource.BinarySI)
	r := &corev1.ResourceRequirements{}
	switch pick(t, "pod-level figures", "limit", "both", "equal", "request") {
	case "limit":
		r.Limits = corev1.ResourceList{corev1.ResourceMemory: *limit}
	case "both":
		r.Limits = corev1.ResourceList{corev1.ResourceMemory: *limit}
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: *request}
	case "equal":
		r.Limits = corev1.ResourceList{corev1.ResourceMemory: *limit}
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: *limit}
	case "request":
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: *request}
	}
	pod.Spec.Resources = r
}

// fillIn does what an API server does before it calls a webhook: a request that is not
// written is the limit, and a pod-level request the sum of the containers' requests or else the limit.
func fillIn(pod *corev1.Pod) {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			r := &list[i].Resources
			for name, limit := range r.Limits {
				if _, found := r.Requests[name]; !found {
					if r.Requests == nil {
						r.Requests = corev1.ResourceList{}
					}
					r.Requests[name] = limit
				}
			}
		}
	}
	r := pod.Spec.Resources
	if r == nil {
		return
	}
	limit, found := r.Limits[corev1.ResourceMemory]
	if _, requested := r.Requests[corev1.ResourceMemory]; found && !requested {
		request := limit
		if anyNamesMemory(pod) {
			request = *resource.NewQuantity(podSum(pod, effectiveRequest), resource.BinarySI)
		}
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: request}
	}
}

func annotate(pod *corev1.Pod, name, value string) {
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[name] = value
}

// forgeries are texts of shmkeeper.dev/injected that nobody but a forger writes, and some that an
// earlier version may have written.
var forgeries = []string{
	"{", "null", "[]", `{"memory":{"web":{"limit":-1}}}`,
	`{"volume":"a","memory":{"web":{"limit":268435456,"request":67108864,"limitAdded":268435456,"charge":9223372036854775807}}}`,
	`{"policy":"p0","volume":"shmkeeper-shm","sizeLimit":"64Mi","pod":{"limit":1073741824,"charge":0}}`,
	`{"policy":"p0","volume":"a","sizeLimit":"8Gi","memory":{"web":{"from":"1Mi","to":"8Gi"},"helper":{"limit":1}}}`,
}

func genForgeries(t *rapid.T, pod *corev1.Pod) {
	annotate(pod, v1alpha1.AnnotationInjected, pick(t, "forged record", forgeries...))
	if odds(t, "forged policy", 8) {
		annotate(
			pod,
			v1alpha1.AnnotationPolicy,
			pick(t, "forged policy name", "p0", "p1", "nobody's"),
		)
	}
	if odds(t, "unknown annotation of ours", 4) {
		annotate(
			pod,
			"shmkeeper.dev/"+pick(
				t,
				"unknown annotation",
				"source",
				"description",
				"mode",
				"size",
				"sized",
			),
			"enforce",
		)
	}
}

func genAnnotations(t *rapid.T, pod *corev1.Pod, w weights) {
	if odds(t, "has annotations", 8) {
		annotate(pod, "other", "annotation")
	}
	if odds(t, "has the units' annotation", 5) {
		annotate(pod, "units", pick(t, "units", "3", "1", "four", "-1", "10"))
	}
	if odds(t, "forged annotations of ours", w.ours) {
		genForgeries(t, pod)
	}
	if odds(t, "override annotations", w.overrides) {
		name := pick(t, "override", v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationFilesPerMinute,
			v1alpha1.AnnotationRetention, v1alpha1.AnnotationFileSize, v1alpha1.AnnotationExempt)
		annotate(
			pod,
			name,
			pick(
				t,
				"override value",
				"100Mi",
				"2Gi",
				"18",
				"24h",
				"7d",
				"-5",
				"1500",
				"1e400",
				"four",
				"",
			),
		)
	}
	if odds(t, "CRI-O's annotation", w.crio) {
		annotate(
			pod,
			pick(t, "CRI-O's", "io.kubernetes.cri-o.ShmSize", "shm-size.crio.io"),
			pick(t, "CRI-O's size", "2Gi", "100Mi", "1Gi", "32Mi", "x"),
		)
	}
	if odds(t, "VPA's annotations", w.vpa) {
		writtenByVPA(pod)
	}
}

// writtenByVPA annotates a Pod as the admission controller of the vertical autoscaler does after it
// wrote the figures of all containers.
func writtenByVPA(pod *corev1.Pod) {
	var names, updates []string
	for i, c := range pod.Spec.Containers {
		names = append(names, c.Name)
		updates = append(updates, fmt.Sprintf("container %d: memory request, memory limit", i))
	}
	annotate(pod, "vpaObservedContainers", strings.Join(names, ", "))
	annotate(pod, "vpaUpdates", "Pod resources updated by vpa: "+strings.Join(updates, "; "))
}

func genLimitRanges(t *rapid.T, pod *corev1.Pod, w weights) []*corev1.LimitRange {
	if !odds(t, "has a LimitRange", w.limitRange) {
		return nil
	}
	lr := &corev1.LimitRange{}
	lr.Name = "limits"
	item := corev1.LimitRangeItem{
		Type: pick(t, "LimitRange for", corev1.LimitTypeContainer, corev1.LimitTypePod),
	}
	if odds(t, "LimitRange has max", 9) {
		item.Max = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(
				pick(t, "max", "600Mi", "10Ei", "1Gi", "2Gi", "1300000000"),
			),
		}
		if odds(t, "LimitRange has hardly more than there is", 8) {
			figure := podFigure(pod, memoryLimit)
			if item.Type == corev1.LimitTypeContainer {
				figure = 0
				for _, c := range notEphemeral(pod) {
					figure = max(figure, memoryLimit(&c.Resources))
				}
			}
			item.Max = corev1.ResourceList{corev1.ResourceMemory: *roomBeside(t, figure)}
		}
	}
	if odds(t, "LimitRange has min", 3) {
		item.Min = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(pick(t, "min", "1", "64Mi")),
		}
	}
	if odds(t, "LimitRange has a ratio", 12) {
		item.MaxLimitRequestRatio = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(pick(t, "ratio", "2", "1", "4", "1500m")),
		}
	}
	lr.Spec.Limits = []corev1.LimitRangeItem{item}
	return []*corev1.LimitRange{lr}
}

func genQuotas(t *rapid.T, pod *corev1.Pod, w weights) []*corev1.ResourceQuota {
	if !odds(t, "has a quota", w.quota) {
		return nil
	}
	q := &corev1.ResourceQuota{}
	q.Name = "quota"
	name := pick(
		t,
		"quota of",
		corev1.ResourceLimitsMemory,
		corev1.ResourceRequestsMemory,
		corev1.ResourceMemory,
	)
	q.Status.Hard = corev1.ResourceList{
		name: resource.MustParse(pick(t, "hard", "1Gi", "10Ei", "600Mi", "3Gi")),
	}
	if odds(t, "quota has hardly more than there is", 9) {
		figure := podFigure(pod, effectiveRequest)
		if name == corev1.ResourceLimitsMemory {
			figure = podFigure(pod, memoryLimit)
		}
		q.Status.Hard = corev1.ResourceList{name: *roomBeside(t, figure)}
		q.Status.Used = corev1.ResourceList{name: resource.MustParse("0")}
		return []*corev1.ResourceQuota{q}
	}
	q.Status.Used = corev1.ResourceList{
		name: resource.MustParse(pick(t, "used", "0", "256Mi", "1Gi", "64Mi")),
	}
	return []*corev1.ResourceQuota{q}
}

// roomBeside returns a figure and a little more, or much more.
func roomBeside(t *rapid.T, figure int64) *resource.Quantity {
	return resource.NewQuantity(
		plus(figure, pick(t, "room beside", 64*mib, 0, 300*mib, 4*gib)),
		resource.BinarySI,
	)
}

func genPolicy(t *rapid.T, name string, w weights) *v1alpha1.SharedMemoryPolicy {
	p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	s := &p.Spec
	s.Mode = pick(t, name+" mode", v1alpha1.Enforce, "", v1alpha1.Enforce, v1alpha1.Warn)
	s.Priority = pick[int32](t, name+" priority", 0, 1, -1)
	if odds(t, name+" is for another path", w.otherPath) {
		s.MountPath = "/cache"
	} else if odds(t, name+" names the path", 8) {
		s.MountPath = "/dev/shm"
	}
	s.Match = []v1alpha1.Match{genMatch(t, name+" match", w)}
	for i := 0; i < 2 && odds(t, name+" has another entry", 3); i++ {
		s.Match = append(s.Match, genMatch(t, fmt.Sprintf("%s match %d", name, i+1), w))
	}
	if odds(t, name+" excludes", w.excluded) {
		s.Exclude = []v1alpha1.Match{genMatch(t, name+" exclude", w)}
	}
	if odds(t, name+" names writers", w.named) {
		s.Writers = &v1alpha1.Writers{Names: pick(
			t,
			name+" writers",
			[]string{
				"web",
			},
			[]string{"web", "helper"},
			[]string{"*"},
			[]string{"seed", "web"},
			[]string{"pro?y"},
			[]string{"nobody"},
		)}
	}
	if !odds(t, name+" only checks", w.noSizing) {
		s.Sizing = genSizing(t, name)
	}
	s.Memory.Handling = pick(
		t,
		name+" memory",
		v1alpha1.MemoryRaise,
		v1alpha1.MemoryRaise,
		v1alpha1.MemoryRequire,
		v1alpha1.MemoryIgnore,
	)
	if w.onlyMem > 0 {
		s.Memory.Handling = v1alpha1.MemoryRaise
	}
	if odds(t, name+" has a reserve", 5) {
		s.Memory.Reserve = quantity(pick(t, name+" reserve", "128Mi", "0", "1", "50M"))
	}
	s.Existing = pick(
		t,
		name+" existing",
		v1alpha1.ExistingEnlarge,
		v1alpha1.ExistingSetLimit,
		v1alpha1.ExistingRequire,
		v1alpha1.ExistingLeave,
	)
	s.HostShm = pick(t, name+" hostShm", v1alpha1.Allowed, v1alpha1.Denied)
	if odds(t, name+" is not to mutate", 2) {
		s.Mutation = v1alpha1.MutationDisabled
	}
	s.Overrides = pick(
		t,
		name+" overrides",
		v1alpha1.OverridesRaiseOnly,
		v1alpha1.OverridesAllowed,
		v1alpha1.OverridesDenied,
	)
	s.Exemptions = pick(t, name+" exemptions", v1alpha1.Denied, v1alpha1.Allowed)
	if odds(t, name+" has mount options", 2) {
		s.BindMountOptions = []v1alpha1.BindMountOption{"noexec", "nosuid"}
	}
	return p
}

func genSelector(t *rapid.T, label string) *metav1.LabelSelector {
	one := func(operator metav1.LabelSelectorOperator, key string, values ...string) *metav1.LabelSelector {
		return &metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: key, Operator: operator, Values: values},
			},
		}
	}
	switch pick(t, label, "everything", "a or c", "exists", "is", "not a", "no tier") {
	case "is":
		return &metav1.LabelSelector{
			MatchLabels: map[string]string{"app": pick(t, label+" app", "a", "b")},
		}
	case "a or c":
		return one(metav1.LabelSelectorOpIn, "app", "a", "c")
	case "exists":
		return one(metav1.LabelSelectorOpExists, "app")
	case "not a":
		return one(metav1.LabelSelectorOpNotIn, "app", "a")
	case "no tier":
		return one(metav1.LabelSelectorOpDoesNotExist, "tier")
	default:
		return &metav1.LabelSelector{}
	}
}

func genMatch(t *rapid.T, label string, w weights) v1alpha1.Match {
	if odds(t, label+" is a guess", w.guess) {
		return v1alpha1.Match{TmpfsPaths: v1alpha1.TmpfsPathsDetect}
	}
	var m v1alpha1.Match
	switch pick(t, label+" by", "pods", "images", "everything", "namespace", "paths", "mounted") {
	case "pods":
		m.PodSelector = genSelector(t, label+" pods")
	case "everything":
		m.PodSelector = &metav1.LabelSelector{}
	case "images":
		m.Images = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
			"nginx", "ghcr.io/goauthentik/proxy", "ghcr.io/*/pro?y", "selenium/node-*", "localhost:5000/team/*",
			"registry.example.org/nobody", "docker.io/selenium/node-edge",
		}), 1, 4, rapid.ID).Draw(t, label+" images")
	case "namespace":
		m.NamespaceSelector = genSelector(t, label+" namespaces")
	case "paths":
		m.PodSelector, m.TmpfsPaths = genSelector(t, label+" pods"), v1alpha1.TmpfsPathsDetect
	case "mounted":
		m.Mounted = ptr(true)
	}
	return m
}

func genSizing(t *rapid.T, name string) *v1alpha1.Sizing {
	s := &v1alpha1.Sizing{}
	use := func() *int32 {
		return pick(t, name+" expected use", nil, ptr[int32](50), ptr[int32](0), ptr[int32](33))
	}
	switch pick(t, name+" model", "fixed", "files", "percent", "units") {
	case "files":
		s.Files = &v1alpha1.Files{
			CreatedPerMinute: pick(t, name+" rate", "18", "0.001", "3.5", "60"),
			FileSize: resource.MustParse(
				pick(t, name+" file size", "1500", "1", "5000", "64Ki"),
			),
		}
		if !odds(t, name+" deletes nothing", 2) {
			s.Files.Retention = ptr(
				pick[v1alpha1.Duration](t, name+" retention", "24h", "168h", "1h", "1ms"),
			)
		}
		if odds(t, name+" batches", 3) {
			s.Files.Batch = ptr[int32](10)
		}
	case "fixed":
		s.Fixed = &v1alpha1.Fixed{
			Size: resource.MustParse(
				pick(t, name+" fixed", "256Mi", "128Mi", "64Mi", "1Gi", "100001", "300M"),
			),
			ExpectedUsePercent: use(),
		}
		if odds(t, name+" has small files", 4) {
			s.Fixed.FileSize = quantity(pick(t, name+" file size", "1500", "5000", "1Mi"))
		}
	case "percent":
		s.MemoryPercent = &v1alpha1.MemoryPercent{
			Percent:            pick[int32](t, name+" percent", 30, 50, 100, 1),
			ExpectedUsePercent: use(),
		}
	case "units":
		s.Units = &v1alpha1.Units{
			Each:               resource.MustParse(pick(t, name+" each", "64Mi", "100M", "256Mi")),
			ExpectedUsePercent: use(),
		}
		if odds(t, name+" has a base", 8) {
			s.Units.Base = quantity("40Mi")
		}
		switch pick(t, name+" count", "literal", "annotation", "resources") {
		case "literal":
			s.Units.Count.Literal = ptr[int32](3)
		case "annotation":
			s.Units.Count.Annotation = ptr("units")
		case "resources":
			s.Units.Count.Resources = []string{"nvidia.com/gpu", "amd.com/*"}
		}
	}
	if odds(t, name+" has headroom", 5) {
		s.HeadroomPercent = ptr(pick[int32](t, name+" headroom", 10, 0, 33))
	}
	if odds(t, name+" has bounds", 5) {
		s.Min, s.Max = quantity(
			pick(t, name+" min", "1Mi", "64Mi", "100Mi"),
		), quantity(
			pick(t, name+" max", "2Gi", "1Gi", "1Ti"),
		)
	}
	if odds(t, name+" has large pages", 2) {
		s.PageSize = quantity("64Ki")
	}
	return s
}

// everyContainer returns the containers of all kinds, in the Pod's order.
func everyContainer(pod *corev1.Pod) []*corev1.Container {
	out := notEphemeral(pod)
	for i := range pod.Spec.EphemeralContainers {
		c := corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		out = append(out, &c)
	}
	return out
}

// notEphemeral returns the init containers, sidecars and regular containers, in the Pod's order.
func notEphemeral(pod *corev1.Pod) []*corev1.Container {
	var out []*corev1.Container
	for i := range pod.Spec.InitContainers {
		out = append(out, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		out = append(out, &pod.Spec.Containers[i])
	}
	return out
}
