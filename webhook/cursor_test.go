package webhook

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shmkeeper/shmkeeper/policy"
)

// everyField is a Pod with each field that decisions read, and with no other.
const everyField = `{
	"metadata": {
		"name": "a", "generateName": "b", "namespace": "c", "labels": {"d": "e"}, "annotations": {"f\"": "g\n"},
		"deletionTimestamp": "2026-04-18T00:00:00Z", "managedFields": [{"fieldsV1": {"f:spec":{}}}, {}]
	},
	"spec": {
		"initContainers": [{"name": "h", "restartPolicy": "Always"}],
		"ephemeralContainers": [{"name": "i"}],
		"containers": [{
			"name": "j", "image": "k", "command": ["l"], "args": ["m", ""],
			"env": [{"name": "n", "value": "o"}, {"name": "p", "valueFrom": {"resourceFieldRef": {"containerName": "q", "resource": "limits.memory"}}}],
			"resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": 1024, "cpu": "100m"}, "claims": [{"name": "r"}]},
			"volumeMounts": [{"name": "s", "mountPath": "/s", "readOnly": true, "subPath": "t", "subPathExpr": "u"}],
			"volumeDevices": [{"name": "v", "devicePath": "/v"}],
			"lifecycle": {"postStart": {"exec": {"command": ["w"]}}},
			"securityContext": {"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}}
		}],
		"volumes": [{"name": "x", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}, {"name": "y", "hostPath": {"path": "/y"}}],
		"hostIPC": true, "os": {"name": "linux"}, "nodeSelector": {"z": "0"},
		"resources": {"limits": {"memory": "2Gi"}}, "overhead": {"memory": "1Mi"},
		"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaceSelector": {}}]}},
		"priorityClassName": "high", "activeDeadlineSeconds": 60
	}
}`

func TestCursor_ReadsEachField(t *testing.T) {
	var want policy.PodView
	if err := decode(runtime.RawExtension{Raw: []byte(everyField)}, &want); err != nil {
		t.Fatal(err)
	}
	var c cursor
	c.reset([]byte(everyField))
	got := c.pod()
	if c.end(); c.err != nil {
		t.Fatal(c.err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("-full +fast:\n%s", diff)
	}
}

// Every way in which a term crosses namespaces is one, and a term that does not is none.
func TestCursor_ReadsWhichTermsCrossNamespaces(t *testing.T) {
	for text, crosses := range map[string]bool{
		`{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"namespaces":["a"]}]}}`:                                              true,
		`{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"a"},{"namespaceSelector":{}}]}}`:                  true,
		`{"podAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"podAffinityTerm":{"namespaces":["a"]}}]}}`:              true,
		`{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"podAffinityTerm":{"namespaceSelector":{}}}]}}`:                 true,
		`{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"namespaces":[],"namespaceSelector":null}]},"nodeAffinity":{"a":1}}`: false,
		`{"podAntiAffinity":null}`: false,
		`null`:                     false,
	} {
		var c cursor
		c.reset([]byte(text))
		found := c.affinity() != nil
		if c.end(); c.err != nil || found != crosses {
			t.Errorf("%s: crosses %t, want %t (%v)", text, found, crosses, c.err)
		}
	}
}

// What the full decoder could read in another way is declined.
func TestCursor_DeclinesWhatIsUnusual(t *testing.T) {
	for name, text := range map[string]string{
		"a field that comes twice":      `{"spec":{"hostIPC":true,"hostIPC":false}}`,
		"a label that comes twice":      `{"metadata":{"labels":{"a":"b","\u0061":"c"}}}`,
		"an escaped field":              `{"sp\u0065c":{"hostIPC":true}}`,
		"a list for an object":          `{"spec":[]}`,
		"an object for a list":          `{"spec":{"containers":{}}}`,
		"a number for a text":           `{"metadata":{"name":1}}`,
		"a text for a boolean":          `{"spec":{"hostIPC":"true"}}`,
		"a fraction for a whole number": `{"spec":{"activeDeadlineSeconds":1.5}}`,
		"an invalid quantity":           `{"spec":{"overhead":{"memory":"much"}}}`,
		"an invalid time":               `{"metadata":{"deletionTimestamp":"now"}}`,
		"half a surrogate":              `{"metadata":{"name":"\ud800"}}`,
		"text that is not UTF-8":        "{\"metadata\":{\"name\":\"\xff\"}}",
		"an end in the middle":          `{"spec":{"containers":[`,
		"something after the end":       `{} {}`,
		"a comma too many":              `{"spec":{},}`,
		"a field without a name":        `{"spec":{{}:1}}`,
	} {
		var c cursor
		c.reset([]byte(text))
		c.pod()
		if c.end(); c.err == nil || errors.Is(c.err, errTooMany) {
			t.Errorf("%s: %s is read, or declined for another reason: %v", name, text, c.err)
		}
	}
}

// Each list element and map entry that is kept counts, wherever it is.
func TestCursor_BoundsElements(t *testing.T) {
	const most = 32768
	for name, c := range map[string]struct{ before, element, after string }{
		"labels":             {`{"metadata":{"labels":{`, `"#":""`, `}}}`},
		"annotations":        {`{"metadata":{"annotations":{`, `"#":""`, `}}}`},
		"a node selector":    {`{"spec":{"nodeSelector":{`, `"#":""`, `}}}`},
		"limits":             {`{"spec":{"resources":{"limits":{`, `"#":1`, `}}}}`},
		"requests":           {`{"spec":{"resources":{"requests":{`, `"#":"1"`, `}}}}`},
		"overhead":           {`{"spec":{"overhead":{`, `"#":1`, `}}}`},
		"volumes":            {`{"spec":{"volumes":[`, `{}`, `]}}`},
		"owners":             {`{"metadata":{"ownerReferences":[`, `{}`, `]}}`},
		"terms of affinity":  {`{"spec":{"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[`, `{"namespaces":["a"]}`, `]}}}}`},
		"preferences":        {`{"spec":{"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[`, `{"podAffinityTerm":{"namespaceSelector":{}}}`, `]}}}}`},
		"two maps, together": {`{"metadata":{"labels":{"a":"","b":""},"annotations":{`, `"#":""`, `}}}`},
	} {
		elements := make([]string, most+1-strings.Count(c.before, `:""`))
		for i := range elements {
			elements[i] = strings.Replace(c.element, "#", strconv.Itoa(i), 1)
		}
		for more, want := range []error{nil, errTooMany} {
			var r cursor
			r.reset([]byte(c.before + strings.Join(elements[:len(elements)-1+more], ",") + c.after))
			if r.pod(); !errors.Is(r.err, want) {
				t.Errorf("%s: %d are read with error %v, want %v", name, most+more, r.err, want)
			}
		}
	}
}
