package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func one(t testing.TB, in string) *Document {
	t.Helper()
	docs, err := Read(strings.NewReader(in), "in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != 1 {
		t.Fatalf("got %d documents, want 1", len(docs))
	}
	return docs[0]
}

func TestObjects(t *testing.T) {
	cases := map[string]struct {
		in   string
		want []Object
	}{
		"a document is one object": {
			in:   "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec: {on: 0777}\n",
			want: []Object{{APIVersion: "v1", Kind: "Pod", Name: "a", Namespace: "b", JSON: []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"},"spec":{"true":511}}`)}},
		},
		"generateName stands in for a name": {
			in:   `{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"a-"}}`,
			want: []Object{{APIVersion: "v1", Kind: "Pod", Name: "a-", JSON: []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"a-"}}`)}},
		},
		"a List gives its items, those of a List in it too": {
			in: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret}\n- apiVersion: v1\n  kind: List\n  items: [{apiVersion: v1, kind: Pod}]\n",
			want: []Object{
				{Path: "items[0]", APIVersion: "v1", Kind: "Secret", JSON: []byte(`{"apiVersion":"v1","kind":"Secret"}`)},
				{Path: "items[1].items[0]", APIVersion: "v1", Kind: "Pod", JSON: []byte(`{"apiVersion":"v1","kind":"Pod"}`)},
			},
		},
		"the items of a typed list may leave out their kind": {
			in:   `{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"a"}}]}`,
			want: []Object{{Path: "items[0]", APIVersion: "v1", Kind: "Pod", Name: "a", JSON: []byte(`{"metadata":{"name":"a"}}`)}},
		},
		"an empty list has no objects":     {in: "apiVersion: v1\nkind: List\nitems:\n"},
		"comments alone are not an object": {in: "# nothing\n"},
		"null is not an object":            {in: "--- # nothing\nnull\n"},
		"a long integer keeps its digits":  {in: "apiVersion: v1\nkind: X\ncount: 123456789012345678901\n", want: []Object{{APIVersion: "v1", Kind: "X", JSON: []byte(`{"apiVersion":"v1","kind":"X","count":123456789012345678901}`)}}},
		"a number that no float holds stays as it is spelled": {
			in:   "apiVersion: v1\nkind: X\ncount: 1e400\n",
			want: []Object{{APIVersion: "v1", Kind: "X", JSON: []byte(`{"apiVersion":"v1","kind":"X","count":"1e400"}`)}},
		},
		"merge keys are merged, and the later of two keys wins as in kubectl": {
			in:   "apiVersion: v1\nkind: X\na: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}\nc: {y: 2, <<: *a}\nd: {<<: [{x: 3}, *a]}\n",
			want: []Object{{APIVersion: "v1", Kind: "X", JSON: []byte(`{"apiVersion":"v1","kind":"X","a":{"x":1,"true":1},"b":{"x":1,"true":2},"c":{"true":1,"x":1},"d":{"x":3,"true":1}}`)}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := one(t, c.in).Objects()
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i].Document = nil
			}
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(Object{})); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjects_Refuses(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'k'; c++ {
		prev := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+prev+", ", 9) + "*" + prev + "]\n"
	}
	cases := map[string]struct{ in, want string }{
		"a list":                             {"- a\n", "in.yaml:1: a list is not an API object: write a mapping with apiVersion and kind"},
		"a string":                           {"# x\n\nhello\n", `in.yaml:3: "hello" is not an API object: write a mapping with apiVersion and kind`},
		"no kind":                            {"---\napiVersion: v1\n", "in.yaml:2: kind: is missing: say what the object is, such as kind: Pod"},
		"an empty kind":                      {"apiVersion: v1\nkind: \"\"\n", "in.yaml:2: kind: is missing: say what the object is, such as kind: Pod"},
		"a kind that is a number":            {"apiVersion: v1\nkind: 7\n", `in.yaml:2: kind: "7" is not a string: put it in quotes`},
		"no apiVersion":                      {"kind: Pod\n", `in.yaml:1: apiVersion: is missing: say which API the "Pod" belongs to, such as apiVersion: v1`},
		"a name that is a number":            {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: 0123\n", `in.yaml:4: metadata.name: "0123" is not a string, since YAML reads it as the number 83: put it in quotes`},
		"a name that YAML takes for false":   {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: n\n", `in.yaml:4: metadata.name: "n" is not a string, since YAML reads an unquoted n, no or off as false: put it in quotes`},
		"a name that is a number in JSON":    {"{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": 1e3}}", `in.yaml:1: metadata.name: "1e3" is not a string: put it in quotes`},
		"a name that is a mapping":           {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n", `in.yaml:4: metadata.name: a mapping is not a string: write a string`},
		"metadata that is a list":            {"apiVersion: v1\nkind: Pod\nmetadata: []\n", "in.yaml:3: metadata: a list is not a mapping: write it with keys and values"},
		"items that are not a list":          {"apiVersion: v1\nkind: List\nitems: {}\n", "in.yaml:3: items: a mapping is not a list: write the objects as a list"},
		"an item that is not an object":      {"apiVersion: v1\nkind: List\nitems:\n- x\n", `in.yaml:4: items[0]: "x" is not an API object: write a mapping with apiVersion and kind`},
		"a duplicate key":                    {"apiVersion: v1\nkind: Pod\nspec:\n  a: 1\n  b: 2\n  a: 3\n", `in.yaml:6: key "a" is given twice in one mapping: remove one of them`},
		"a duplicate key around a merge":     {"a: &a {x: 1}\nb:\n  x: 2\n  <<: *a\n  x: 3\n", `in.yaml:5: key "x" is given twice in one mapping: remove one of them`},
		"two keys that are one in JSON":      {"1: a\n\"1\": b\n", `in.yaml:2: key "1" is given twice in one mapping: remove one of them`},
		"a duplicate key of JSON":            {"{\"a\": 1,\n \"b\": {\"c\": 1,\n \"c\": 2}}\n", `in.yaml:3: key "c" is given twice in one mapping: remove one of them`},
		"a key that is null":                 {"~: a\n", `in.yaml:1: "~" cannot be a key: put a string in quotes there`},
		"a key that is a mapping":            {"? {a: b}\n: c\n", `in.yaml:1: a mapping cannot be a key: put a string in quotes there`},
		"bad syntax":                         {"a: 1\nb: [1\nc: 2\n", "in.yaml:2: is not YAML: did not find expected ',' or ']': correct the syntax there"},
		"a tab for indentation":              {"a:\n  b: 1\n\tc: 2\n", "in.yaml:3: is not YAML: found a tab character that violates indentation: indent with spaces instead of tabs"},
		"an alias without an anchor":         {"a: *b\n", "in.yaml:1: is not YAML: unknown anchor 'b' referenced: correct the syntax there"},
		"an alias within its own anchor":     {"a: 1\nb: &b\n- *b\n", `in.yaml:3: alias "*b" stands for a value that holds the alias: write the value out`},
		"aliases of aliases of aliases":      {bomb, "in.yaml:6: aliases repeat too much: write the values out"},
		"a merge of a string":                {"<<: x\n", `in.yaml:1: the merge key << is given "x": give it a mapping`},
		"an infinity":                        {"a: .inf\n", `in.yaml:1: ".inf" is not a number that JSON can hold: put a string in quotes there`},
		"a tag that the value contradicts":   {"a: !!int x\n", `in.yaml:1: "x" does not fit its tag "!!int": remove the tag or correct the value`},
		"bytes that are not UTF-8":           {"a: \xff\n", "in.yaml:1: is not UTF-8: convert the file to UTF-8"},
		"a second flow mapping":              {"{a: 1}\n{b: 2}\n", "in.yaml:2: is not YAML: did not find expected <document start>: correct the syntax there"},
		"deep nesting in flow style":         {strings.Repeat("[", 100_000), "in.yaml:1: is not YAML: exceeded max depth of 10000: correct the syntax there"},
		"deep nesting below the parser's":    {strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "in.yaml:1: values nest deeper than 1000 levels: flatten them"},
		"deep nesting in block style":        {strings.Repeat("- ", 5000) + "x\n", "in.yaml:1: values nest deeper than 1000 levels: flatten them"},
		"deep nesting in JSON":               {strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), "in.yaml:1: values nest deeper than 1000 levels: flatten them"},
		"deep nesting in JSON, very":         {strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), "in.yaml:1: is not YAML: exceeded max depth of 10000: correct the syntax there"},
		"deep nesting by aliases":            {"a: &a " + strings.Repeat("[", 600) + strings.Repeat("]", 600) + "\nb: " + strings.Repeat("[", 600) + "*a" + strings.Repeat("]", 600) + "\n", "in.yaml:2: values nest deeper than 1000 levels: flatten them"},
		"an object longer than any accepted": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nx: " + strings.Repeat("y", 10<<20) + "\n", `in.yaml:1: Pod "a" is 10485823 bytes long as JSON, and the API server takes no more than 3145728: make it smaller or split it`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := one(t, c.in).Objects()
			if diff := cmp.Diff(c.want, text(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLine(t *testing.T) {
	d := one(t, `# a comment
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  spec: &spec
    containers: [{name: a}, {name: b}]
    volumes:
    - name: x
    - {
      name: y
      }
- <<: {spec: *spec}
  "a.b":
    c: 1
`)
	for path, want := range map[string]int{
		"items[0].kind":                       6,
		"items[0].spec.volumes[0].name":       10,
		"items[0].spec.volumes[1].name":       12,
		"items[0].spec.volumes[1].emptyDir.x": 11, // the nearest around it
		"items[0].spec.volumes[7].name":       9,
		"items[0].spec.containers[1].name":    8,
		"items[0].nowhere":                    5,
		"items[0]":                            5,
		"items[1].spec.volumes[0].name":       10, // where the alias leads
		`items[1]["a.b"].c`:                   16,
		"nowhere":                             2,
		"":                                    2,
	} {
		if got := d.Line(path); got != want {
			t.Errorf("%q: got line %d, want %d", path, got, want)
		}
	}
	if got := one(t, "\na: [\n").Line("a"); got != 1 {
		t.Errorf("a document that is not YAML: got line %d, want its first", got)
	}
}
