package policy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/policy"
)

// operationsOf returns the operations of a Pod's patch as JSON, the one that sets annotations without
// its value.
func operationsOf(t *testing.T, w *world) []string {
	t.Helper()
	subject := w.subject()
	e := evaluate(w.set(t), subject)
	var out []string
	for _, operation := range e.Plan.Patch(subject) {
		if strings.HasPrefix(operation.Path, "/metadata/annotations") {
			operation.Value = nil
		}
		text, err := json.Marshal(operation)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

// Memory is written where it was, and what stands beside it stays.
func TestPlan_PatchOfMemory(t *testing.T) {
	const writes = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web]}}"
	for name, c := range map[string]struct {
		resources string
		want      []string
	}{
		"no resources": {
			"{}", []string{`{"op":"add","path":"/spec/containers/0/resources","value":{"requests":{"memory":"256Mi"}}}`},
		},
		"a limit of CPU": {
			"{limits: {cpu: 1}}", []string{`{"op":"add","path":"/spec/containers/0/resources/requests","value":{"memory":"256Mi"}}`},
		},
		"a request of CPU": {
			"{requests: {cpu: 1}}", []string{`{"op":"add","path":"/spec/containers/0/resources/requests/memory","value":"256Mi"}`},
		},
		"a request and a limit of CPU": {
			"{requests: {cpu: 1}, limits: {cpu: 1}}", []string{`{"op":"add","path":"/spec/containers/0/resources/requests/memory","value":"256Mi"}`},
		},
		"a claim": {
			"{claims: [{name: gpu}]}", []string{`{"op":"add","path":"/spec/containers/0/resources/requests","value":{"memory":"256Mi"}}`},
		},
		"a claim and a limit of CPU": {
			"{claims: [{name: gpu}], limits: {cpu: 1}}", []string{`{"op":"add","path":"/spec/containers/0/resources/requests","value":{"memory":"256Mi"}}`},
		},
		"a claim and a request of CPU": {
			"{claims: [{name: gpu}], requests: {cpu: 1}}", []string{`{"op":"add","path":"/spec/containers/0/resources/requests/memory","value":"256Mi"}`},
		},
		"a limit of memory": {
			"{limits: {memory: 512Mi}}",
			[]string{
				`{"op":"replace","path":"/spec/containers/0/resources/limits/memory","value":"769Mi"}`,
				`{"op":"add","path":"/spec/containers/0/resources/requests","value":{"memory":"768Mi"}}`,
			},
		},
		"a request of memory": {
			"{requests: {memory: 64Mi}}", []string{`{"op":"replace","path":"/spec/containers/0/resources/requests/memory","value":"320Mi"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, writes, "{spec: {containers: [{name: web, resources: "+c.resources+"}, {name: other, resources: {requests: {memory: 1Mi}}}]}}", "", "")
			var got []string
			for _, operation := range operationsOf(t, w) {
				if strings.Contains(operation, "/resources") {
					got = append(got, operation)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Annotations are set as far as an API server has room for them: 256 KiB of names and values.
func TestPlan_PatchOfAnnotations(t *testing.T) {
	const (
		ours = len("shmkeeper.dev/injected") + len(`{"policy":"p","volume":"shmkeeper-shm","sizeLimit":"256Mi"}`) +
			len("shmkeeper.dev/policy") + len("p")
		all      = `{"op":"add","path":"/metadata/annotations"}`
		injected = `"path":"/metadata/annotations/shmkeeper.dev~1injected"}`
		by       = `"path":"/metadata/annotations/shmkeeper.dev~1policy"}`
	)
	for name, c := range map[string]struct {
		present map[string]string
		want    []string
	}{
		"none are there":         {nil, []string{all}},
		"another is there":       {map[string]string{"a": "b"}, []string{`{"op":"add",` + injected, `{"op":"add",` + by}},
		"a forged one is there":  {map[string]string{"shmkeeper.dev/injected": "x"}, []string{`{"op":"replace",` + injected, `{"op":"add",` + by}},
		"the same one is there":  {map[string]string{"shmkeeper.dev/policy": "p"}, []string{`{"op":"add",` + injected}},
		"there is just room":     {map[string]string{"a": strings.Repeat("x", 262144-1-ours)}, []string{`{"op":"add",` + injected, `{"op":"add",` + by}},
		"a byte is missing":      {map[string]string{"a": strings.Repeat("x", 262144-ours)}, nil},
		"many share what is too": {map[string]string{"a": strings.Repeat("x", 131072), "b": strings.Repeat("x", 131072)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}", "{spec: {containers: [{name: web}]}}", "", "")
			w.pod.Annotations = c.present
			var got []string
			for _, operation := range operationsOf(t, w) {
				if strings.Contains(operation, "/annotations") {
					got = append(got, strings.Replace(operation, `,"value":null`, "", 1))
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A container that remounts /dev/shm, and may, is left alone: its command, in one text or several, has
// a mount with remount and the path.
func TestEvaluate_Remounts(t *testing.T) {
	const privileged = "securityContext: {privileged: true}"
	adding := func(capability string) string {
		return "securityContext: {privileged: false, capabilities: {add: [NET_ADMIN, " + capability + "]}}"
	}
	for name, c := range map[string]struct {
		container string
		want      string // the word that is quoted; empty if the container does not remount
	}{
		"a privileged container":        {privileged + ", command: [sh, -c, 'mount -o remount,size=1G /dev/shm']", "remount,size=1G"},
		"in several texts":              {privileged + ", command: [mount, -o, 'remount,size=1G', /dev/shm]", "remount,size=1G"},
		"as arguments":                  {privileged + ", args: [mount, -o, 'remount,size=1G', /dev/shm]", "remount,size=1G"},
		"in a hook":                     {privileged + ", lifecycle: {postStart: {exec: {command: [mount, -o, 'remount,size=1G', /dev/shm]}}}", "remount,size=1G"},
		"a hook without a command":      {privileged + ", lifecycle: {postStart: {httpGet: {port: 80}}}", ""},
		"no hook after the start":       {privileged + ", lifecycle: {preStop: {exec: {command: [mount, -o, 'remount,size=1G', /dev/shm]}}}", ""},
		"with SYS_ADMIN":                {adding("SYS_ADMIN") + ", args: ['mount -o remount,size=1G /dev/shm']", "remount,size=1G"},
		"with CAP_SYS_ADMIN":            {adding("CAP_SYS_ADMIN") + ", args: ['mount -o remount,size=1G /dev/shm']", "remount,size=1G"},
		"with ALL":                      {adding("ALL") + ", args: ['mount -o remount,size=1G /dev/shm']", "remount,size=1G"},
		"with another capability":       {adding("SYS_PTRACE") + ", args: ['mount -o remount,size=1G /dev/shm']", ""},
		"with no capability":            {"securityContext: {runAsUser: 1}, args: ['mount -o remount,size=1G /dev/shm']", ""},
		"without a security context":    {"args: ['mount -o remount,size=1G /dev/shm']", ""},
		"another path":                  {privileged + ", args: ['mount -o remount,size=1G /data']", ""},
		"no remount":                    {privileged + ", args: ['mount -t tmpfs tmpfs /dev/shm']", ""},
		"no mount":                      {privileged + ", args: ['echo remount /dev/shm']", ""},
		"in two lists":                  {privileged + ", command: [mount, -o, 'remount,size=1G'], args: [/dev/shm]", ""},
		"a text that ends in the word":  {privileged + ", args: ['/dev/shm mount remount']", "remount"},
		"a word of 64 bytes":            {privileged + ", args: ['mount remount," + strings.Repeat("x", 56) + " /dev/shm']", "remount," + strings.Repeat("x", 56)},
		"of a longer word the first 64": {privileged + ", args: ['mount remount," + strings.Repeat("x", 57) + " /dev/shm']", "remount," + strings.Repeat("x", 56)},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}", "{spec: {containers: [{name: web, "+c.container+"}]}}", "", "")
			e, _ := w.evaluate(t)
			if c.want == "" {
				if e.Outcome != policy.Mutated || len(e.Warnings) > 0 {
					t.Errorf("want %s without a warning, got %s", policy.Mutated, told(&e))
				}
				return
			}
			want := `container "web" remounts /dev/shm itself ("` + c.want + `") and is left alone`
			if e.Outcome != policy.Violating || len(e.Warnings) != 1 || !strings.HasPrefix(e.Warnings[0], want) {
				t.Errorf("want %s and a warning %s, got %s", policy.Violating, want, told(&e))
			}
		})
	}
}
