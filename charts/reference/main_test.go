package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const types = `{"type": "object", "properties": {
	"mode": {"enum": ["", "audit", "warn"]},
	"replicas": {"type": "integer", "minimum": 1, "maximum": 100},
	"certs": {"type": "object", "properties": {"source": {"type": "string"}, "issuer": {"type": "object", "properties": {"kind": {"type": "string"}}}}},
	"labels": {"type": "object"},
	"spread": {"type": "array"}
}}`

func TestRender(t *testing.T) {
	const values = `# About the file.

# The most of all:
# see docs/reference/server.md.
mode: ""
replicas: 2
# Of the server.
certs:
  # As ["*"].
  source: self
  issuer: {}
labels: {a: b}
spread: [{topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway}]
`
	got, err := render([]byte(values), []byte(types))
	if err != nil {
		t.Fatal(err)
	}
	want := "| `mode` | `\"\"`, `audit`, `warn` | `\"\"` | The most of all: see [server.md](../reference/server.md). |\n" +
		"| `replicas` | integer, 1 to 100 | `2` |  |\n" +
		"| `certs` | | | Of the server. |\n" +
		"| `certs.source` | string | `\"self\"` | As \\[\"\\*\"]. |\n" +
		"| `certs.issuer` | object | `{}` |  |\n" +
		"| `labels` | object | `{\"a\":\"b\"}` |  |\n" +
		"| `spread` | array | see [values.yaml](../../charts/shmkeeper/values.yaml) |  |\n"
	if diff := cmp.Diff(want, strings.TrimPrefix(got, head)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRender_Faults(t *testing.T) {
	for name, c := range map[string]struct{ values, types, want string }{
		"a value without a type": {"a: 1", "{}", "values.schema.json has no a, which values.yaml has: add it"},
		"no mapping":             {"[a]", "{}", "values.yaml: it is not a mapping: write one value in each line"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := render([]byte(c.values), []byte(c.types)); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
