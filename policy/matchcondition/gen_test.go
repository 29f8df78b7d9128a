package matchcondition

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func pick[T any](t *rapid.T, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, label)
}

var (
	labelKeys   = []string{"app", "tier", "example.com/role", "it's"}
	labelValues = []string{"a", "b", "", `"x"`, `\d`}
	// The parts of which images and globs are made meet each other often, and go
	// through every rule on short names.
	registries = []string{
		"", "docker.io/", "index.docker.io/", "registry-1.docker.io/", "Docker.IO:443/", "ghcr.io/", "GHCR.io/", "ghcr.io:443/", "ghcr.io:444/",
		"localhost/", "localhost:5000/", "LOCALHOST:443/", "Reg/", "library/", "harbor.local/", "Harbor.local:443/", "harbor.local/ghcr/",
		"harbor.local/hub/", "mirror.local/",
	}
	folders  = []string{"", "library/", "org/", "org/team/"}
	names    = []string{"nginx", "node-chrome", "node", "x.y", "é"}
	suffixes = []string{"", ":1", ":1.2-a", "@sha256:0a", ":1@sha256:0a"}
	texts    = []string{"", "--tmp=/dev/shm/", "/dev//shm/x", "sh -c 'cd /dev/shm'", "/data", "shm", "file:///data/x", "/dev/x/../shm"}
	paths    = []string{"", "/dev/shm", "/dev/shm/", "/dev//shm/sub", "dev/shm", "/dev/shm/../shm", "/dev/./shm", "/dev/shmx", "/data", "data/x", "/dev"}
	upstream = []Mirror{
		{"harbor.local/ghcr", "ghcr.io"},
		{"mirror.local:443/ghcr", "ghcr.io"},
		{"localhost:5000", "ghcr.io"},
		{"harbor.local/hub", "docker.io"},
		{"harbor.local/mirrors/hub", "docker.io"},
		{"mirror.local", "docker.io"},
		{"HARBOR.local:443/hub/", "index.docker.io"},
		{"harbor.local", "docker.io/library"},
		{"mirror.local/org", "ghcr.io/org/team"},
		{"docker.io", "ghcr.io"},
		{"localhost:5000", "docker.io/org"},
		{"docker.io/library", "ghcr.io/org"},
	}
)

func genImage(t *rapid.T, label string) string {
	if rapid.IntRange(0, 9).Draw(t, label+" odd") == 0 {
		return pick(t, label, "", "/", "docker.io", "docker.io/", "index.docker.io/", "a:b:c", "nginx\nghcr.io/org/node", "//x", ":", "@", "ghcr.io/")
	}
	return pick(t, label+" registry", registries...) + pick(t, label+" folder", folders...) + pick(t, label+" name", names...) + pick(t, label+" suffix", suffixes...)
}

func genGlob(t *rapid.T, label string) string {
	return pick(t, label+" registry", append([]string{"*/", "*.io/", "*.IO/", "d?cker.io/", "[dg]*/", "[GD]*.io:443/", `ghcr\.io/`, "harbor.*/*/", "ghcr.io/", "ghcr.io/", "ghcr.io/", "docker.io/", "docker.io/", ""}, registries...)...) +
		pick(t, label+" folder", append([]string{"*/", "l*/", "[kl]ibrary/", "*/*/", "[^a]/"}, folders...)...) +
		pick(t, label+" name", append([]string{"*", "node-*", "n?de", "[mn]*", `n\ginx`, "*[^a]", "[+-0]x"}, names...)...)
}

func genSelector(t *rapid.T, label string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	for i := range rapid.IntRange(0, 2).Draw(t, label+" expressions") {
		at := fmt.Sprintf("%s %d", label, i)
		r := metav1.LabelSelectorRequirement{
			Key: pick(t, at+" key", labelKeys[:3]...),
			Operator: pick(t, at, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn,
				metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist),
		}
		if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
			r.Values = rapid.SliceOfNDistinct(rapid.SampledFrom(labelValues[:3]), 1, 2, rapid.ID).Draw(t, at+" values")
		}
		s.MatchExpressions = append(s.MatchExpressions, r)
	}
	if len(s.MatchExpressions) == 0 || rapid.Bool().Draw(t, label+" labels") {
		s.MatchLabels = map[string]string{pick(t, label+" key", labelKeys[:3]...): pick(t, label+" value", labelValues[:3]...)}
	}
	return s
}

func genMatch(t *rapid.T, label string) v1alpha1.Match {
	var m v1alpha1.Match
	kind := pick(t, label+" kind", "labels", "labels", "images", "images", "images", "images", "paths", "paths", "mounts", "mounts", "namespace")
	also := func(what string) bool {
		return kind == what || pick(t, label+" "+what, true, false, false, false, false)
	}
	if also("labels") {
		m.PodSelector = genSelector(t, label+" pods")
	}
	if also("images") {
		m.Images = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string { return genGlob(t, "glob") }), 1, 3, rapid.ID).Draw(t, label+" images")
	}
	if also("paths") {
		m.TmpfsPaths = v1alpha1.TmpfsPathsDetect
	}
	if also("mounts") {
		m.Mounted = &yes
	}
	if also("namespace") {
		m.NamespaceSelector = &metav1.LabelSelector{}
	}
	return m
}

func genMatches(t *rapid.T, label string) (out []v1alpha1.Match) {
	for i := range rapid.IntRange(1, 2).Draw(t, label+" entries") {
		out = append(out, genMatch(t, fmt.Sprint(label, " ", i)))
	}
	return out
}

func genPolicy(t *rapid.T, name string) *v1alpha1.SharedMemoryPolicy {
	p := newPolicy(name, genMatches(t, name)...)
	if rapid.IntRange(0, 5).Draw(t, name+" excludes") == 0 {
		p.Spec.Exclude = genMatches(t, name+" exclude")
	}
	if rapid.IntRange(0, 5).Draw(t, name+" elsewhere") == 0 {
		p.Spec.MountPath = "/data"
	}
	return p
}

func genMirrors(t *rapid.T) []Mirror {
	if pick(t, "without mirrors", true, false, false, false, false) {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(upstream), 1, 4, mirrorPath).Draw(t, "mirrors")
}

// mirrorPath returns the path of a mirror in one spelling, since none may be given twice.
func mirrorPath(m Mirror) string {
	return strings.Replace(strings.ToLower(strings.Trim(m.From, "/")), ":443", "", 1)
}

func newPolicy(name string, match ...v1alpha1.Match) *v1alpha1.SharedMemoryPolicy {
	return &v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "1", Generation: 1},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match:  match,
			Sizing: &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: resource.MustParse("256Mi")}},
		},
	}
}

// genImageFor returns an image that one of the globs may match, by a mirror perhaps.
func genImageFor(t *rapid.T, label string, globs []string, mirrors []Mirror) string {
	glob := pick(t, label+" glob", globs...)
	host, rest, found := strings.Cut(glob, "/")
	switch lower := strings.ToLower(host); {
	case found && strings.ContainsAny(host, `*?[\`):
		glob = pick(t, label+" registry", "ghcr.io/", "docker.io/", "ghcr.io/", host+"/") + rest
	case found && (lower == "ghcr.io:443" || lower == "ghcr.io"):
		glob = "ghcr.io/" + rest
	case found && strings.HasSuffix(host, ".docker.io"):
		glob = "docker.io/" + rest
	}
	image := strings.NewReplacer("*", "x", "?", "o", `\`, "", "[dg]", "d", "[GD]", "D", "[kl]", "l", "[^a]", "b", "[mn]", "n", "[+-0]", "-").
		Replace(glob)
	for _, m := range mirrors {
		rest, found := strings.CutPrefix(image, m.To+"/")
		if m.To == "docker.io" && !strings.Contains(strings.SplitN(image, "/", 2)[0], ".") {
			rest, found = image, true
		}
		if found && pick(t, label+" mirror", true, true, true, true, false) {
			image = strings.Trim(m.From, "/") + "/" + rest
			break
		}
	}
	if host, rest, found := strings.Cut(image, "/"); found && strings.Contains(host, ".") {
		image = pick(t, label+" host", host, strings.ToUpper(host), host+":443") + "/" + rest
	}
	return image + pick(t, label+" suffix", suffixes...)
}

func genContainer(t *rapid.T, label string) corev1.Container {
	c := corev1.Container{Name: "x", Image: genImage(t, label)}
	for i := range rapid.IntRange(0, 2).Draw(t, label+" settings") {
		at := fmt.Sprintf("%s setting %d", label, i)
		text := pick(t, at, texts...)
		switch rapid.IntRange(0, 3).Draw(t, at+" kind") {
		case 0:
			c.Args = append(c.Args, text)
		case 1:
			c.Command = append(c.Command, text)
		case 2:
			c.Env = append(c.Env, corev1.EnvVar{Name: "A", Value: text})
		default:
			c.Env = append(c.Env, corev1.EnvVar{Name: "B", ValueFrom: &corev1.EnvVarSource{}})
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, label+" mounts") {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "v", MountPath: pick(t, fmt.Sprintf("%s mount %d", label, i), paths...)})
	}
	return c
}

func genPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod"}}
	for i := range rapid.IntRange(0, 2).Draw(t, "labels") {
		if pod.Labels == nil {
			pod.Labels = map[string]string{}
		}
		pod.Labels[pick(t, fmt.Sprint("key ", i), labelKeys...)] = pick(t, fmt.Sprint("value ", i), labelValues...)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "init containers") {
		c := genContainer(t, fmt.Sprint("init ", i))
		if rapid.Bool().Draw(t, fmt.Sprint("sidecar ", i)) {
			always := corev1.ContainerRestartPolicyAlways
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "containers") {
		pod.Spec.Containers = append(pod.Spec.Containers, genContainer(t, fmt.Sprint("container ", i)))
	}
	return pod
}

// genPodFor returns a Pod that an entry of a policy is likely to match.
func genPodFor(t *rapid.T, p *v1alpha1.SharedMemoryPolicy, mirrors []Mirror) *corev1.Pod {
	pod := genPod(t)
	m := pick(t, "entry", p.Spec.Match...)
	if s := m.PodSelector; s != nil {
		pod.Labels = maps.Clone(s.MatchLabels)
		for _, r := range s.MatchExpressions {
			if pod.Labels == nil {
				pod.Labels = map[string]string{}
			}
			switch r.Operator {
			case metav1.LabelSelectorOpIn:
				pod.Labels[r.Key] = pick(t, "value", r.Values...)
			case metav1.LabelSelectorOpExists:
				pod.Labels[r.Key] = "any"
			}
		}
	}
	dir := cmp.Or(p.Spec.MountPath, "/dev/shm")
	c := genContainer(t, "matching")
	if m.Images != nil {
		c.Image = genImageFor(t, "matching", m.Images, mirrors)
	}
	if m.TmpfsPaths != "" {
		c.Args = append(c.Args, pick(t, "argument", dir, dir+"/", "--dir="+dir+"/x", "/a/.."+dir))
	}
	if m.Mounted != nil {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{MountPath: pick(t, "mount", dir, dir+"/", dir+"//sub", dir[1:], "/."+dir, dir+"/../"+path.Base(dir))})
	}
	if rapid.IntRange(0, 3).Draw(t, "as a sidecar") == 0 {
		always := corev1.ContainerRestartPolicyAlways
		c.RestartPolicy = &always
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	} else {
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	return pod
}
