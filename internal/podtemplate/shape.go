package podtemplate

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// remedy ends each sentence about something that makes Pods and cannot be read.
const remedy = "review the Pods that are made from it (kubectl get pods -o yaml)"

// isPodSpec reports whether a map has the shape of a PodSpec: containers, one of the first of which
// has an image or a name. A single container where the list should be is one as well, so that it is
// reported.
func isPodSpec(m map[string]any) bool {
	const first = 16 // so that asking is cheap, also for each of many maps that share one list
	switch list := m["containers"].(type) {
	case []any:
		for _, item := range list[:min(len(list), first)] {
			c, _ := item.(map[string]any)
			if c["image"] != nil || c["name"] != nil {
				return true
			}
		}
	case map[string]any:
		return hasImage(list)
	}
	return false
}

// mayBeTemplate reports whether a map whose spec is a PodSpec is a template: an object is one only
// if it is a Pod. The spec of a ServingRuntime is a PodSpec too, but the runtime's labels are not
// those of its Pods.
func mayBeTemplate(m map[string]any) bool {
	group, kind, ok := objectKind(m)
	return !ok || group == "" && kind == "Pod"
}

// mainContainer returns the field with the main container of a Pod that a controller puts together,
// or "" if the map has none.
func mainContainer(m map[string]any) string {
	switch set, _ := m["containerSet"].(map[string]any); {
	case hasImage(m["container"]):
		return "container"
	case hasImage(m["script"]):
		return "script"
	case isPodSpec(set):
		return "containerSet"
	}
	return ""
}

// containerFields are fields of a container that little else has beside an image.
var containerFields = []string{
	"args", "command", "env", "envFrom", "imagePullPolicy", "ports", "resources", "script",
	"volumeMounts",
}

// describesContainer reports whether a map says which image is to run, but is not a PodSpec: it has
// the reference of an image, or any image beside another field of a container.
func describesContainer(m map[string]any) bool {
	image := imageOf(m)
	if image == "" || isPodSpec(m) || mainContainer(m) != "" {
		return false
	}
	return isReference(image) || slices.ContainsFunc(containerFields, func(field string) bool { return m[field] != nil })
}

// imageOf returns the image that a map names: image, or what the operators of CloudNativePG and
// Zalando call it.
func imageOf(m map[string]any) string {
	return cmp.Or(text(m["image"]), text(m["imageName"]), text(m["dockerImage"]))
}

func hasImage(value any) bool {
	m, _ := value.(map[string]any)
	return text(m["image"]) != ""
}

// isReference reports whether s looks like the reference of an image, with a folder, tag or digest,
// and not like a URL or a path.
func isReference(s string) bool {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return len(s) <= 512 && strings.ContainsAny(s, "/:@") &&
		strings.ContainsRune(alphanumeric, rune(s[0])) &&
		!strings.ContainsAny(s, " \t\r\n") && !strings.Contains(s, "://")
}

// holdsNoPods reports whether a map is an object whose kind never makes a Pod of what is in it.
func holdsNoPods(s surroundings, m map[string]any) bool {
	if _, _, ok := objectKind(m); !ok {
		return false
	}
	switch s.group + "/" + s.kind {
	case "/Secret", "apiextensions.k8s.io/CustomResourceDefinition", "apps/ControllerRevision":
		return true
	}
	return false
}

// isServed reports whether a map is a model of an InferenceService without an image of its own.
func (s surroundings) isServed(m map[string]any) bool {
	return s.group == "serving.kserve.io" && s.kind == "InferenceService" && !hasImage(m) &&
		(m["modelFormat"] != nil || m["storageUri"] != nil)
}

// objectKind returns the group and kind of a map that is an object.
func objectKind(m map[string]any) (group, kind string, ok bool) {
	version, kind := text(m["apiVersion"]), text(m["kind"])
	if version == "" || kind == "" {
		return "", "", false
	}
	group, _, grouped := strings.Cut(version, "/")
	if !grouped {
		group = ""
	}
	return group, kind, true
}

// nameContainers gives containers without a name the one that their controller gives them.
func nameContainers(s surroundings, list []corev1.Container) {
	switch s.group {
	case "serving.knative.dev":
		// knative/serving pkg/apis/serving/v1/revision_defaults.go, with the default of config-defaults.
		for i := range list {
			if list[i].Name != "" {
				continue
			}
			list[i].Name = "user-container"
			if len(list) > 1 {
				list[i].Name += "-" + strconv.Itoa(i)
			}
		}
	case "serving.kserve.io":
		// kserve/kserve pkg/apis/serving/v1beta1/predictor_custom.go. There a single container loses
		// the name that its owner gave it; here it keeps it, since its owner is who reads the report.
		if len(list) > 0 && list[0].Name == "" {
			list[0].Name = "kserve-container"
		}
	}
}

// podSpecNames are the fields of a PodSpec.
var podSpecNames = jsonFields(reflect.TypeFor[corev1.PodSpec]())

func isPodSpecField(key string) bool { return podSpecNames[key] }

// podSpecFields returns a map with those fields only that a PodSpec has.
func podSpecFields(m map[string]any) map[string]any {
	out := map[string]any{}
	for name := range podSpecNames {
		if value, ok := m[name]; ok {
			out[name] = value
		}
	}
	return out
}

func jsonFields(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

// lookup returns what is under keys in maps within one another, nil if it is not there.
func lookup(m map[string]any, keys ...string) any {
	var value any = m
	for _, key := range keys {
		inner, _ := value.(map[string]any)
		value = inner[key]
	}
	return value
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

func isTrue(value any) bool {
	b, _ := value.(bool)
	return b
}

func quote(s string) string { return human.Quote(s, 80) }
