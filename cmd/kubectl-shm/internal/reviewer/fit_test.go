package reviewer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
)

func TestFitting_Apply(t *testing.T) {
	op := jsonpatch.NewOperation
	tests := map[string]struct {
		object    string
		ops, want []jsonpatch.Operation
	}{
		"what fits stays as it is": {
			object: `{"a":{"b":"1","list":[{"c":1}]}}`,
			ops:    []jsonpatch.Operation{op("replace", "/a/b", "2"), op("add", "/a/list/0/d", "3"), op("add", "/a/list/-", "4")},
			want:   []jsonpatch.Operation{op("replace", "/a/b", "2"), op("add", "/a/list/0/d", "3"), op("add", "/a/list/-", "4")},
		},
		"what is replaced and not there is added": {
			object: `{"a":{}}`,
			ops:    []jsonpatch.Operation{op("replace", "/a/b", "2")},
			want:   []jsonpatch.Operation{op("add", "/a/b", "2")},
		},
		"maps that are not there are made, once": {
			object: `{"list":[{}]}`,
			ops: []jsonpatch.Operation{
				op("replace", "/list/0/resources/limits/memory", "2"), op("replace", "/list/0/resources/requests/memory", "1"),
			},
			want: []jsonpatch.Operation{
				op("add", "/list/0/resources", map[string]any{"limits": map[string]any{"memory": "2"}}),
				op("add", "/list/0/resources/requests", map[string]any{"memory": "1"}),
			},
		},
		"null is nothing": {
			object: `{"metadata":null,"limits":{"memory":null}}`,
			ops:    []jsonpatch.Operation{op("add", "/metadata/annotations/a~1b", "x"), op("replace", "/limits/memory", "2")},
			want:   []jsonpatch.Operation{op("add", "/metadata", map[string]any{"annotations": map[string]any{"a/b": "x"}}), op("add", "/limits/memory", "2")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := newFitting("", []byte(test.object))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.apply(test.ops); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, f.ops); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
