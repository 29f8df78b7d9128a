package policy_test

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

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
