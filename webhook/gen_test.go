package webhook

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// member is one of an object's, made by a generator.
type member struct {
	name string
	make func(*rapid.T) any
}

// object has some of its fields, some of them null.
func object(fields ...member) func(*rapid.T) any {
	return func(t *rapid.T) any {
		out := map[string]any{}
		for _, f := range fields {
			switch rapid.IntRange(0, 9).Draw(t, f.name) {
			case 0:
				out[f.name] = nil
			case 1, 2:
			default:
				out[f.name] = f.make(t)
			}
		}
		return out
	}
}

// always returns an object with all of its fields.
func always(fields ...member) func(*rapid.T) any {
	return func(t *rapid.T) any {
		out := map[string]any{}
		for _, f := range fields {
			out[f.name] = f.make(t)
		}
		return out
	}
}

func one(of ...any) func(*rapid.T) any {
	return func(t *rapid.T) any { return rapid.SampledFrom(of).Draw(t, "one") }
}

func list(most int, of func(*rapid.T) any) func(*rapid.T) any {
	return func(t *rapid.T) any {
		out := []any{}
		for range rapid.IntRange(0, most).Draw(t, "length") {
			out = append(out, of(t))
		}
		return out
	}
}

// named gives the elements of a list names of their own.
func named(prefix string, least, most int, of func(*rapid.T) any) func(*rapid.T) any {
	return func(t *rapid.T) any {
		out := []any{}
		for i := range rapid.IntRange(least, most).Draw(t, "length") {
			element, ok := of(t).(map[string]any)
			if !ok {
				t.Fatal("not an object")
			}
			element["name"] = fmt.Sprintf("%s-%d", prefix, i)
			out = append(out, element)
		}
		return out
	}
}

// What a Pod's JSON is made of.
var (
	quantityJSON = one("0", "64Mi", "256Mi", "268435456", 536870912, "1Gi", "1.5Gi", "100001", "2Gi", "4Gi")
	textJSON     = one("run", "--dir=/dev/shm", "/dev/shm/x", "/cache", "serve", "-XX:MaxRAMPercentage=75")
	commandJSON  = list(2, textJSON)
	pathJSON     = one("/dev/shm", "/dev/shm", "/dev/shm/", "/dev//shm", "/dev/shm/sub", "/cache", "/data")
	volumeName   = one("vol-0", "vol-0", "vol-1", "vol-2", "missing")

	resourcesJSON = object(
		member{"limits", object(member{"memory", quantityJSON}, member{"cpu", one("1", 1)}, member{"nvidia.com/gpu", one("2", 2)})},
		member{"requests", object(member{"memory", one("0", "32Mi", 33554432)}, member{"cpu", one("100m")})},
		member{"claims", list(1, always(member{"name", one("claim")}))},
	)
	envJSON = object(
		member{"name", one("TMPDIR", "LIMIT")}, member{"value", textJSON},
		member{"valueFrom", one(map[string]any{"resourceFieldRef": map[string]any{"resource": "limits.memory"}}, map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}})},
	)
	mountJSON = always(
		member{"name", volumeName}, member{"mountPath", pathJSON}, member{"readOnly", one(true, false, nil)},
		member{"subPath", one("", "", "sub", nil)}, member{"subPathExpr", one("", "", "$(X)", nil)},
	)
	containerJSON = object(
		member{"image", one("web", "ghcr.io/goauthentik/proxy:1", "busybox", "")},
		member{"command", commandJSON}, member{"args", commandJSON},
		member{"env", list(2, envJSON)},
		member{"resources", resourcesJSON},
		member{"volumeMounts", list(2, mountJSON)},
		member{"volumeDevices", list(1, always(member{"name", volumeName}, member{"devicePath", one("/dev/shm", "/dev/xvda")}))},
		member{"restartPolicy", one("Always", nil, nil)},
		member{"lifecycle", object(member{"postStart", object(member{"exec", object(member{"command", commandJSON})})})},
		member{"securityContext", object(member{"privileged", one(true, false)}, member{"capabilities", object(member{"add", list(1, one("SYS_ADMIN"))})})},
		member{"terminationMessagePath", one("/dev/termination-log")},
	)
	volumeJSON = object(
		member{"emptyDir", object(member{"medium", one("Memory", "Memory", "")}, member{"sizeLimit", quantityJSON})},
		member{"hostPath", func(t *rapid.T) any {
			if rapid.IntRange(0, 3).Draw(t, "host path") > 0 {
				return nil
			}
			return map[string]any{"path": rapid.SampledFrom([]string{"/dev/shm", "/data"}).Draw(t, "path")}
		}},
	)
	affinityJSON = object(member{"podAffinity", object(member{
		"requiredDuringSchedulingIgnoredDuringExecution",
		list(1, object(member{"topologyKey", one("zone")}, member{"namespaces", list(1, one("other"))}, member{"namespaceSelector", one(map[string]any{})})),
	})})
	labelJSON         = one("web", "other", "")
	managedFieldsJSON = list(1, object(
		member{"manager", one("kubectl")}, member{"operation", one("Update")}, member{"apiVersion", one("v1")}, member{"fieldsType", one("FieldsV1")},
		member{"fieldsV1", one(map[string]any{"f:spec": map[string]any{"f:resources": map[string]any{"f:limits": map[string]any{"f:memory": map[string]any{}}}}}, map[string]any{})},
	))
)

func genPodJSON(t *rapid.T) any {
	containers := named("main", 1, 2, containerJSON)(t)
	volumes := named("vol", 0, 3, volumeJSON)(t)
	if rapid.IntRange(0, 3).Draw(t, "sized by its owner") == 0 {
		containers = []any{map[string]any{
			"name": "main-0", "image": "web", "volumeMounts": []any{map[string]any{"name": "own", "mountPath": "/dev/shm"}},
			"resources": map[string]any{"limits": map[string]any{"memory": "8Gi"}, "requests": map[string]any{"memory": "4Gi"}},
		}}
		volumes = []any{map[string]any{"name": "own", "emptyDir": map[string]any{"medium": "Memory", "sizeLimit": "4Gi"}}}
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": genMetadataJSON(t),
		"spec": map[string]any{
			"containers":            containers,
			"initContainers":        named("init", 0, 1, containerJSON)(t),
			"ephemeralContainers":   named("debug", 0, 1, containerJSON)(t),
			"volumes":               volumes,
			"hostIPC":               rapid.SampledFrom([]any{nil, nil, nil, false, true}).Draw(t, "hostIPC"),
			"os":                    rapid.SampledFrom([]any{nil, nil, nil, nil, nil, map[string]any{"name": "linux"}, map[string]any{"name": "windows"}}).Draw(t, "os"),
			"nodeSelector":          object(member{"kubernetes.io/os", one("linux", "linux", "linux", "linux", "linux", "linux", "windows")})(t),
			"resources":             object(member{"limits", object(member{"memory", quantityJSON})}, member{"requests", object(member{"memory", quantityJSON})})(t),
			"overhead":              object(member{"memory", quantityJSON})(t),
			"affinity":              affinityJSON(t),
			"priorityClassName":     rapid.SampledFrom([]any{nil, "", "high"}).Draw(t, "priority"),
			"activeDeadlineSeconds": rapid.SampledFrom([]any{nil, 0, 60}).Draw(t, "deadline"),
			"tolerations":           []any{map[string]any{}},
		},
	}
}

func genMetadataJSON(t *rapid.T) any {
	mirror := append(slices.Repeat([]string{"note"}, 9), corev1.MirrorPodAnnotationKey)
	return object(
		member{"name", one("pod")}, member{"generateName", one("pod-")}, member{"namespace", one("ns")},
		member{"labels", object(member{"app", labelJSON}, member{"goauthentik.io/outpost-type", labelJSON})},
		member{"annotations", object(
			member{"cameras", one("3", "x")}, member{"shmkeeper.dev/size-limit", one("128Mi", "2Gi", "x")},
			member{rapid.SampledFrom(mirror).Draw(t, "mirror"), one("x")},
			member{"kubectl.kubernetes.io/default-container", one("main-1", "x")},
			member{"io.kubernetes.cri-o.ShmSize", one("512Mi")},
			member{"vpaUpdates", one("Pod resources updated by vpa: container 0: memory request")},
		)},
		member{"deletionTimestamp", one("2026-04-18T00:00:00Z")},
		member{"managedFields", managedFieldsJSON},
		member{"ownerReferences", list(2, object(
			member{"apiVersion", one("apps/v1", "batch/v1")}, member{"kind", one("ReplicaSet", "Job", "DaemonSet")}, member{"name", one("web-5d4", "backup-29000000")},
			member{"uid", one("u1", "u2")}, member{"controller", one(true, false)}, member{"blockOwnerDeletion", one(true)},
		))},
	)(t)
}
