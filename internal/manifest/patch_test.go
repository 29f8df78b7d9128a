package manifest

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	jsonpatch5 "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	"pgregory.net/rapid"
	sigsyaml "sigs.k8s.io/yaml"
)

func TestPatch_ChangesNoMoreThanItMust(t *testing.T) {
	op := jsonpatch.NewOperation
	volume := map[string]any{"name": "shm", "emptyDir": map[string]any{"medium": "Memory", "sizeLimit": "897Mi"}}
	cases := map[string]struct {
		in    string
		items []int
		ops   []jsonpatch.Operation
		want  string
	}{
		"a new key goes to the end of a block mapping, and comments, blank lines and spacing stay": {
			in:   "# a Pod\napiVersion: v1   # core\nkind: Pod\n\nmetadata: { name: a }\nspec:\n  containers:\n  - name: c   # the one\n\n    image: \"i\"\n\n# the end\n",
			ops:  []jsonpatch.Operation{op("add", "/spec/volumes", []any{volume}), op("add", "/spec/containers/0/volumeMounts", []any{map[string]any{"name": "shm", "mountPath": "/dev/shm"}})},
			want: "# a Pod\napiVersion: v1   # core\nkind: Pod\n\nmetadata: { name: a }\nspec:\n  containers:\n  - name: c   # the one\n\n    image: \"i\"\n    volumeMounts:\n    - mountPath: /dev/shm\n      name: shm\n  volumes:\n  - emptyDir:\n      medium: Memory\n      sizeLimit: 897Mi\n    name: shm\n\n# the end\n",
		},
		"a list that is indented below its key stays so": {
			in:   "spec:\n    volumes:\n        - name: a\n        - name: b\n    last: 1\n",
			ops:  []jsonpatch.Operation{op("add", "/spec/volumes/-", map[string]any{"name": "c"})},
			want: "spec:\n    volumes:\n        - name: a\n        - name: b\n        - name: c\n    last: 1\n",
		},
		"a new value in a flow mapping is flow": {
			in:   "spec:\n  containers:\n  - {name: c, resources: {limits: {memory: 256Mi}}}\n",
			ops:  []jsonpatch.Operation{op("replace", "/spec/containers/0/resources/limits/memory", "1Gi"), op("add", "/spec/containers/0/volumeMounts", []any{map[string]any{"name": "shm"}})},
			want: "spec:\n  containers:\n  - {name: c, resources: {limits: {memory: 1Gi}}, volumeMounts: [{name: shm}]}\n",
		},
		"quotes and the comment of a replaced string stay": {
			in:   "a:\n  b: '256Mi'    # guessed\n  c: 1\n",
			ops:  []jsonpatch.Operation{op("replace", "/a/b", "1Gi")},
			want: "a:\n  b: '1Gi'    # guessed\n  c: 1\n",
		},
		"strings that would be something else get quotes": {
			in:   "a:\n  z: 1\n",
			ops:  []jsonpatch.Operation{op("add", "/a/b", "yes"), op("add", "/a/c", "0777"), op("add", "/a/d", `{"x":"y"}`), op("add", "/a/on", "x y"), op("add", "/a/e", "12:30"), op("add", "/a/f", "")},
			want: "a:\n  z: 1\n  b: \"yes\"\n  c: \"0777\"\n  d: '{\"x\":\"y\"}'\n  \"on\": x y\n  e: \"12:30\"\n  f: \"\"\n",
		},
		"what is not a string stays what it is": {
			in:   "a:\n  z: 1\n",
			ops:  []jsonpatch.Operation{op("add", "/a/b", true), op("add", "/a/c", 7), op("add", "/a/d", nil), op("add", "/a/e", map[string]any{}), op("add", "/a/f", "x\ny\n")},
			want: "a:\n  z: 1\n  b: true\n  c: 7\n  d: null\n  e: {}\n  f: |\n    x\n    y\n",
		},
		"an empty flow mapping is filled in flow style": {
			in:   "metadata:\n  annotations: {}\n  name: a\n",
			ops:  []jsonpatch.Operation{op("add", "/metadata/annotations/shmkeeper.dev~1injected", "{}")},
			want: "metadata:\n  annotations: {shmkeeper.dev/injected: '{}'}\n  name: a\n",
		},
		"a mapping that replaces a flow one is flow": {
			in:   "c:\n  resources: { limits: { cpu: 1 } }   # none\n\n  d: 1\n",
			ops:  []jsonpatch.Operation{op("replace", "/c/resources", map[string]any{"limits": map[string]any{"memory": "1Gi"}})},
			want: "c:\n  resources: { limits: {memory: 1Gi} }   # none\n\n  d: 1\n",
		},
		"removing takes its lines and no others": {
			in:   "a:\n  b: 1\n\n  c:   # gone\n    d: 2\n  e: [1, 2]\n",
			ops:  []jsonpatch.Operation{op("remove", "/a/c", nil), op("remove", "/a/e/0", nil)},
			want: "a:\n  b: 1\n\n  e: [2]\n",
		},
		"an item of a list is patched": {
			in:    "kind: List\nitems:\n- a: 1\n\n- a: 1\n",
			items: []int{1},
			ops:   []jsonpatch.Operation{op("replace", "/a", 2)},
			want:  "kind: List\nitems:\n- a: 1\n\n- a: 2\n",
		},
		"an alias is not edited through its anchor, nor the other way round": {
			in:   "a: &x {m: 1}\nb: *x\nc:\n  <<: *x\n  n: 2\n",
			ops:  []jsonpatch.Operation{op("replace", "/b/m", 2), op("replace", "/c/m", 3)},
			want: "a: &x {m: 1}\nb: {m: 2}\nc:\n  m: 3\n  \"false\": 2\n",
		},
		"Windows line ends stay": {
			in:   "--- # x\r\na:\r\n  b: 1\r\n\r\nc: 2\r\n",
			ops:  []jsonpatch.Operation{op("add", "/a/d", 3)},
			want: "--- # x\r\na:\r\n  b: 1\r\n  d: 3\r\n\r\nc: 2\r\n",
		},
		"what stands before a separator and behind an end marker stays": {
			in:   "# x\n%YAML 1.1\n--- # y\na: 1\n... # z\n# w\n",
			ops:  []jsonpatch.Operation{op("replace", "/a", 2)},
			want: "# x\n%YAML 1.1\n--- # y\na: 2\n... # z\n# w\n",
		},
		"a last line without its end": {
			in:   "a: 1\nb: 2",
			ops:  []jsonpatch.Operation{op("add", "/c", 3)},
			want: "a: 1\nb: 2\nc: 3\n",
		},
		"words of YAML 1.1 keep their spelling": {
			in:   "a: yes\nb: 0777\nc: 1_000\nd: 2001-01-01\n",
			ops:  []jsonpatch.Operation{op("add", "/e", 1)},
			want: "a: yes\nb: 0777\nc: 1_000\nd: 2001-01-01\ne: 1\n",
		},
		"a JSON document stays JSON with its order, its indentation and its numbers": {
			in:   "{\n    \"z\": 1.50,\n    \"a\": {\"b\": \"<x>\"},\n    \"c\": [\n        1\n    ]\n}\n",
			ops:  []jsonpatch.Operation{op("add", "/c/-", 2), op("add", "/d", "e")},
			want: "{\n    \"z\": 1.50,\n    \"a\": {\"b\": \"<x>\"},\n    \"c\": [\n        1,\n        2\n    ],\n    \"d\": \"e\"\n}\n",
		},
		"a JSON document of one line stays one line": {
			in:   "{\"z\":1,\"a\":{}}\n",
			ops:  []jsonpatch.Operation{op("add", "/a/b", "c")},
			want: "{\"z\":1,\"a\":{\"b\":\"c\"}}\n",
		},
		"no operations change nothing": {in: "a:    1\n", want: "a:    1\n"},
		"flow style YAML that begins like JSON keeps its shape": {
			in:   "{a: 1,\n b: [x]}\n",
			ops:  []jsonpatch.Operation{op("add", "/b/-", "z")},
			want: "{a: 1,\n b: [x, z]}\n",
		},
		"a block scalar that the encoder would get wrong stays as it is": {
			in:   "a: |2-\n    x\n\n  # y\nb: >+\n  z\n\nc: 1\n",
			ops:  []jsonpatch.Operation{op("replace", "/c", 2)},
			want: "a: |2-\n    x\n\n  # y\nb: >+\n  z\n\nc: 2\n",
		},
		"what an alias stands for is written out when its anchor changes": {
			in:   "a: &x {m: 1} # a\nb: *x # b\nc:\n  <<: *x\n  o: 2\n",
			ops:  []jsonpatch.Operation{op("replace", "/a/m", 2)},
			want: "a: &x {m: 2} # a\nb: {m: 1} # b\nc:\n  m: 1\n  o: 2\n",
		},
		"an item in the middle of a list": {
			in:   "a:\n- - 1 # one\n  - 2\n# x\n- b: c\n  d: e\n",
			ops:  []jsonpatch.Operation{op("add", "/a/1", []any{3, map[string]any{"x": 1}})},
			want: "a:\n- - 1 # one\n  - 2\n- - 3\n  - x: 1\n# x\n- b: c\n  d: e\n",
		},
		"the first entry, which shares its line with a dash": {
			in:   "a:\n- - 1 # one\n  - 2\n# x\n- b: c\n  d: e\n",
			ops:  []jsonpatch.Operation{op("remove", "/a/0/0", nil), op("remove", "/a/1/b", nil)},
			want: "a:\n- - 2\n# x\n- d: e\n",
		},
		"quotes, comments and brackets within values are no obstacle": {
			in:   "a: [\"]\", ']', it's] # ]\nb: \"x # y\" # z\nc: 'it''s'\nd: x\n  y # z\n",
			ops:  []jsonpatch.Operation{op("add", "/a/-", "u"), op("replace", "/b", "v"), op("replace", "/c", "w"), op("replace", "/d", true)},
			want: "a: [\"]\", ']', it's, u] # ]\nb: \"v\" # z\nc: 'w'\nd: true # z\n",
		},
		"a block scalar at the end keeps its lines": {
			in:   "a:\n  b: |+\n    x\n\n\nc: >-\n  y\n  # z\n",
			ops:  []jsonpatch.Operation{op("add", "/a/d", 1), op("add", "/e", "x\ny")},
			want: "a:\n  b: |+\n    x\n\n\n  d: 1\nc: >-\n  y\n  # z\ne: |-\n  x\n  y\n",
		},
		"a string of several lines takes one where a comment follows": {
			in:   "a: x # y\n",
			ops:  []jsonpatch.Operation{op("replace", "/a", "x\ny\n")},
			want: "a: \"x\\ny\\n\" # y\n",
		},
		"a block becomes empty, and something else": {
			in:   "a:\n  b: 1\nc: # x\n  - 1\nd: {} # y\n",
			ops:  []jsonpatch.Operation{op("remove", "/a/b", nil), op("replace", "/c", "x"), op("add", "/d/e", []any{})},
			want: "a: {}\nc: x\nd: {e: []} # y\n",
		},
		"JSON that YAML cannot read keeps every other byte": {
			in:   "{\"a\":\t\"\\ud83d\\ude00\\/ é\",\n \"b\": 1e2, \"c\": {\"d\":[]}}",
			ops:  []jsonpatch.Operation{op("replace", "/b", 2), op("add", "/c/d/-", "<"), op("remove", "/a", nil), op("add", "/z", "é")},
			want: "{\"b\": 2, \"c\": {\"d\":[\n  \"<\"\n ]}, \"z\": \"é\"}",
		},
		"JSON whose key no YAML parser takes keeps every other byte": {
			in:   "{\"" + strings.Repeat("k", 2000) + "\": 1}\n",
			ops:  []jsonpatch.Operation{op("add", "/b", 2)},
			want: "{\"" + strings.Repeat("k", 2000) + "\": 1, \"b\": 2}\n",
		},
		"a comment at the end of a mapping stays at its end": {
			in:   "a:\n  b: 1\n  # c: 2\nd: 3\n",
			ops:  []jsonpatch.Operation{op("add", "/a/e", 1)},
			want: "a:\n  b: 1\n  e: 1\n  # c: 2\nd: 3\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := one(t, c.in)
			if err := patch(d, c.ops, c.items...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, written(t, []*Document{d})); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		})
	}
}

// patch patches a document, or the item of its lists that indexes lead to.
func patch(d *Document, ops []jsonpatch.Operation, items ...int) error {
	if err := d.load(); err != nil {
		return err
	}
	return Object{Document: d, items: items}.Patch(ops)
}

func TestPatch_Refuses(t *testing.T) {
	op := jsonpatch.NewOperation
	cases := map[string]struct {
		in   string
		op   jsonpatch.Operation
		want string // what the error names
	}{
		"an operation that there is not":     {"a: 1\n", op("mix", "/a", nil), "mix"},
		"a path that is not a pointer":       {"a: 1\n", op("add", "a", 1), `"a"`},
		"a parent that is not there":         {"a: 1\n", op("add", "/b/c", 1), "/b/c"},
		"a parent that is a string":          {"a: x\n", op("add", "/a/c", 1), "/a/c"},
		"a key to replace that is not there": {"a: 1\n", op("replace", "/b", 1), "/b"},
		"a key to remove that is not there":  {"a: 1\n", op("remove", "/b~1c", nil), "/b~1c"},
		"an index behind the end":            {"a: [1]\n", op("add", "/a/2", 1), "/a/2"},
		"an index before the beginning":      {"a: [1]\n", op("replace", "/a/-1", 1), "/a/-1"},
		"an index to replace at the end":     {"a: [1]\n", op("replace", "/a/-", 1), "/a/-"},
		"the removal of everything":          {"a: 1\n", op("remove", "", nil), "remove"},
		"a value that is not JSON":           {"a: 1\n", op("add", "/a", func() {}), "func()"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := one(t, c.in)
			for _, ops := range [][]jsonpatch.Operation{{c.op}, {op("add", "/first", 1), c.op}} {
				err := patch(d, ops)
				if got, found := strings.CutPrefix(text(err), "in.yaml:1: cannot be patched: "); !found || !strings.Contains(got, c.want) {
					t.Errorf("error: got %v, want one that names %s", err, c.want)
				}
				if diff := cmp.Diff(c.in, written(t, []*Document{d})); diff != "" || d.Changed() {
					t.Errorf("written (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestPatch_Twice(t *testing.T) {
	d := one(t, "apiVersion: v1\nkind: X\na: 1\n")
	for i := range 3 {
		if err := patch(d, []jsonpatch.Operation{jsonpatch.NewOperation("add", "/b"+strconv.Itoa(i), i)}); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := d.Objects()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"apiVersion":"v1","kind":"X","a":1,"b0":0,"b1":1,"b2":2}`, string(objects[0].JSON)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("apiVersion: v1\nkind: X\na: 1\nb0: 0\nb1: 1\nb2: 2\n", written(t, []*Document{d})); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

// loneProperty is a tag or anchor on a line of its own.
var loneProperty = regexp.MustCompile(`(?m)^\s*([!&]\S*\s*)+(#.*)?$`)

// FuzzPatch holds patching of the text against another implementation's patching of the JSON: whatever the text is like, what is
// written must read back as what that one makes of the JSON.
func FuzzPatch(f *testing.F) {
	f.Add("a: 1\nb:\n- x # y\n\n- z\n", "/b/-", "\"n\"", byte(0))
	f.Add("a: &x {m: yes}\nb: *x\nc: {<<: *x}\n", "/c/m", "{\"p\":[1,\"2\",null]}", byte(1))
	f.Add("{\"a\": 1.50, \"b\": {\"c\": \"d\"}}", "/b/c", "null", byte(2))
	f.Add("a:\n    b: |\n        x\n    # c\n    d: 'e'\n", "/a/f", "\"x: y\\n z \\n\"", byte(0))
	f.Add("a: {b: [1, 2, 3]}\r\n", "/a/b/0", "\"on\"", byte(0))
	f.Add("a: {b: 1, # x\n c: [d, e: f], }# y", "/a/c", "true", byte(1))
	f.Add("a: 'it''s' # x\nb: it's\nc: a#b\nd: \"\\\"#\"\n", "/b", "\"a\\nb\\n\"", byte(1))
	f.Add("? a\n: b\nc: !!map\n  d: e\n? f\n# g\n", "/z", "[[1],[2]]", byte(0))
	f.Add("\ra: &a\n  b: 1\nc:\n- - *a\n  - 2\n", "/a/b", "{}", byte(0))
	f.Add("{\"a\": \"\\ud83d\\ude00\", \"é\": \"\\/\", \"c\":\n[1,\t2]}", "/c/0", "[]", byte(2))
	f.Fuzz(func(t *testing.T, in, path, value string, kind byte) {
		docs, err := Read(strings.NewReader(in), "in.yaml")
		if err != nil || len(docs) != 1 {
			return
		}
		d := docs[0]
		err = d.load()
		if err != nil || d.root == nil {
			return
		}
		before := d.root.JSON()
		if lenientElsewhere.MatchString(path) {
			return
		}
		var v any
		dec := json.NewDecoder(strings.NewReader(value))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return
		}
		op := jsonpatch.NewOperation([]string{"add", "replace", "remove"}[kind%3], path, v)
		patchErr := patch(d, []jsonpatch.Operation{op})
		want, wantErr := elsewhere(t, before, op)
		if patchErr != nil {
			if wantErr == nil {
				t.Fatalf("refused, unlike elsewhere: %v", patchErr)
			}
			return
		}
		out, err := d.Bytes()
		if err != nil && loneProperty.MatchString(in) {
			return // refused with what to do: it may be of the value above, or of the key below
		}
		if err != nil {
			t.Fatal(err)
		}
		if wantErr != nil {
			return
		}
		if diff := cmp.Diff(floats(t, want), floats(t, readBack(t, out))); diff != "" {
			t.Errorf("JSON (-want +got):\n%s\n%s", diff, out)
		}
	})
}

func TestPatch_AgreesWithJSON(t *testing.T) {
	key := rapid.SampledFrom([]string{"a", "b", "on", "1", "x/y", "shm~dev", "a b"})
	leaf := rapid.OneOf(
		rapid.Map(rapid.SampledFrom([]string{"", "x", "yes", "0777", "1e3", "a: b", "# c", "x\ny\n", " x", "- y", "{}", "é", "*a", "2001-01-01", `"q"`, "\t", "~"}), func(s string) any { return s }),
		rapid.Map(rapid.IntRange(-3, 1e6), func(i int) any { return i }), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Just[any](nil),
	)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return leaf
		}
		below := rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) })
		return rapid.OneOf(leaf, rapid.Map(rapid.MapOfN(key, below, 0, 4), func(m map[string]any) any { return m }), rapid.Map(rapid.SliceOfN(below, 0, 4), func(l []any) any { return l }))
	}
	rapid.Check(t, func(rt *rapid.T) {
		object := rapid.MapOfN(key, value(3), 1, 4).Draw(rt, "object")
		doc, err := json.Marshal(object)
		if err != nil {
			rt.Fatal(err)
		}
		in := layouts[rapid.IntRange(0, len(layouts)-1).Draw(rt, "layout")](t, doc)
		d := one(t, string(in))
		for range rapid.IntRange(1, 4).Draw(rt, "operations") {
			var now any
			if err := json.Unmarshal(doc, &now); err != nil {
				rt.Fatal(err)
			}
			op := jsonpatch.NewOperation(rapid.SampledFrom([]string{"add", "add", "replace", "remove"}).Draw(rt, "op"), pathIn(rt, now, key), value(2).Draw(rt, "value"))
			next, wantErr := elsewhere(t, doc, op)
			gotErr := patch(d, []jsonpatch.Operation{op})
			if (wantErr == nil) != (gotErr == nil) {
				rt.Fatalf("%v: got the error %v, elsewhere %v", op, gotErr, wantErr)
			}
			if wantErr == nil {
				doc = next
			}
		}
		out, err := d.Bytes()
		if err != nil {
			rt.Fatalf("%v\n%s", err, in)
		}
		if diff := cmp.Diff(floats(t, doc), floats(t, readBack(t, out))); diff != "" {
			rt.Errorf("JSON (-want +got):\n%s\n%s", diff, out)
		}
	})
}

// layouts are the ways in which the same document may be laid out.
var layouts = []func(t *testing.T, doc []byte) []byte{
	func(_ *testing.T, doc []byte) []byte { return doc },
	func(t *testing.T, doc []byte) []byte {
		var b bytes.Buffer
		if err := json.Indent(&b, doc, "", "\t"); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	},
	func(_ *testing.T, doc []byte) []byte { return append(doc, " # flow"...) },
	func(t *testing.T, doc []byte) []byte {
		text, err := sigsyaml.JSONToYAML(doc)
		if err != nil {
			t.Fatal(err)
		}
		return text
	},
	func(t *testing.T, doc []byte) []byte {
		text, err := sigsyaml.JSONToYAML(doc)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.ReplaceAll(append([]byte("# head\n\n"), text...), []byte("\n"), []byte("\r\n"))
	},
}

func joinPointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return b.String()
}

// pathIn draws a path that is there, or ends at something that may not be.
func pathIn(rt *rapid.T, v any, key *rapid.Generator[string]) string {
	var tokens []string
	for {
		last := rapid.IntRange(0, 2).Draw(rt, "stop") == 0
		switch x := v.(type) {
		case map[string]any:
			k := key.Draw(rt, "key")
			tokens, v = append(tokens, k), x[k]
		case []any:
			i := rapid.IntRange(0, len(x)).Draw(rt, "index")
			if i == len(x) {
				return joinPointer(append(tokens, "-"))
			}
			tokens, v = append(tokens, strconv.Itoa(i)), x[i]
		default:
			return joinPointer(tokens)
		}
		if last {
			return joinPointer(tokens)
		}
	}
}

func readBack(t *testing.T, text []byte) []byte {
	t.Helper()
	d := one(t, string(text))
	if err := d.load(); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	if d.root == nil {
		return []byte("null")
	}
	return d.root.JSON()
}

// lenientElsewhere are the paths that the other implementation does not read as RFC 6901 has them: no slash at the beginning,
// an empty key, and indices with a sign or with zeros before them.
var lenientElsewhere = regexp.MustCompile(`^[^/]|\x{FFFD}|//|/$|/[-+].|/0[0-9]`)

func elsewhere(t *testing.T, doc []byte, op jsonpatch.Operation) ([]byte, error) {
	t.Helper()
	ops, err := json.Marshal([]jsonpatch.Operation{op})
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch5.DecodePatch(ops)
	if err != nil {
		t.Fatal(err)
	}
	options := jsonpatch5.NewApplyOptions()
	options.SupportNegativeIndices = false
	return patch.ApplyWithOptions(doc, options)
}

// floats decodes JSON with every number a float64, so that integers which kubectl rounds compare equal.
func floats(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return round(v)
}

func round(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = round(v[k])
		}
	case []any:
		for i := range v {
			v[i] = round(v[i])
		}
	case json.Number:
		f, _ := strconv.ParseFloat(v.String(), 64)
		return f
	}
	return v
}
