package podkind_test

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/internal/podkind"
)

func TestNew_AndSpecOf(t *testing.T) {
	const template = `{"spec":{"nodeName":"n"}}`
	for kind, c := range map[string]struct{ version, content string }{
		"Pod":                   {"v1", template},
		"PodTemplate":           {"v1", `{"template":` + template + `}`},
		"ReplicationController": {"v1", `{"spec":{"template":` + template + `}}`},
		"Deployment":            {"apps/v1", `{"spec":{"template":` + template + `}}`},
		"StatefulSet":           {"apps/v1", `{"spec":{"template":` + template + `}}`},
		"DaemonSet":             {"apps/v1", `{"spec":{"template":` + template + `}}`},
		"ReplicaSet":            {"apps/v1", `{"spec":{"template":` + template + `}}`},
		"Job":                   {"batch/v1", `{"spec":{"template":` + template + `}}`},
		"CronJob":               {"batch/v1", `{"spec":{"jobTemplate":{"spec":{"template":` + template + `}}}}`},
	} {
		if got := podkind.VersionOf(kind); got != c.version {
			t.Errorf("%s is of %q, want %q", kind, got, c.version)
		}
		object := podkind.New(podkind.VersionOf(kind), kind)
		if err := json.Unmarshal([]byte(c.content), object); err != nil {
			t.Fatal(err)
		}
		if spec := podkind.SpecOf(object); spec == nil || spec.NodeName != "n" {
			t.Errorf("the spec of a %s is %+v", kind, spec)
		}
	}
}

func TestNew_OtherKindsAndVersions(t *testing.T) {
	for kind, version := range map[string]string{
		"Deployment": "extensions/v1beta1",
		"Service":    "v1",
		"Pod":        "apps/v1",
	} {
		if object := podkind.New(version, kind); object != nil {
			t.Errorf("%s of %s is a %T", kind, version, object)
		}
	}
	if version := podkind.VersionOf("Service"); version != "" {
		t.Errorf("a Service is of %q", version)
	}
	if spec := podkind.SpecOf(&corev1.ReplicationController{}); spec != nil {
		t.Errorf("a ReplicationController without a template has %+v", spec)
	}
}
