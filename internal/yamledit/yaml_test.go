package yamledit

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"
)

// FuzzAgree holds what a document means against the library that kubectl uses, and the nodes against
// what it means: every value has a node of its kind at its path.
func FuzzAgree(f *testing.F) {
	for _, seed := range []string{
		"a: yes\nb: 0o17\nc: 0b11\nd: 1_000\ne: +1\nf: .5\ng: 1e3\nh: 2001-01-01\ni: ~\nj: 'no'\nk: !!str 1\nl: !!float 3\n", "1: a\n1.5: b\ntrue: c\n",
		"a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: {x: 2, <<: [*a, {z: 1}]}\n", "a: |\n  x\nb: >-\n  y\n  z\nc: \"\\u00e9\"\n", "a: -0b11\nb: 0b-1\nc: 0x_f\nd: 1.\ne: 190:20:30\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		root, err := Parse([]byte(in), false)
		if err != nil || root.IsNull() {
			return
		}
		want, err := sigsyaml.YAMLToJSON([]byte(in))
		if err != nil {
			t.Fatalf("parsed, unlike elsewhere: %v", err)
		}
		if !reflect.DeepEqual(floats(t, root.JSON()), floats(t, want)) {
			t.Errorf("got  %s\nwant %s", root.JSON(), want)
		}
		findAll(t, root, root, "")
	})
}

func findAll(t *testing.T, root, n *Node, path string) {
	t.Helper()
	for i, child := range n.children() {
		// A long key is cut in a path, and may be that of another.
		if n.Kind == List || len(n.Keys[i]) < 80 {
			findAll(t, root, child, n.pathOf(path, i))
		}
	}
	if found, _ := root.Find(path); found != n {
		t.Errorf("%s: got the node %v, want %v", path, found, n)
	}
}

// floats decodes JSON with every number a float64, so that integers which kubectl rounds compare equal.
func floats(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEdit(t *testing.T) {
	const in = "# head\nb: 1   # one\n\na: [x] # tail"
	was, err := Parse([]byte(in), false)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(Edit([]byte(in), false, was, was)); got != in {
		t.Errorf("without a change: got %q", got)
	}
	for want, out := range map[string]string{
		`{"a":["x","yes"],"c":null}`: "# head\n\na: [x, \"yes\"] # tail\nc: null\n",
		`{"b":1,"a":["x"]}`:          in,
		`{"a":["x"],"b":1}`:          in,
		`1e400`:                      "", // a number that YAML does not have
	} {
		value, err := Parse([]byte(want), true)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(Edit([]byte(in), false, was, value)); got != out {
			t.Errorf("%s: got %q, want %q", want, got, out)
		}
	}
	if got, want := string(was.JSON()), `{"b":1,"a":["x"]}`; got != want {
		t.Errorf("the value that was read changed: got %s, want %s", got, want)
	}
}

// What has no text may still have a tag or an anchor, and what is added goes behind that.
func TestEdit_BehindWhatHasNoText(t *testing.T) {
	for in, out := range map[string]string{
		"a: 1\nc: !":           "a: 1\nc: !\nz: [1]\n",
		"a: 1\nc: ! # x\n":     "a: 1\nc: ! # x\nz: [1]\n",
		"c: !\nd: 1\n":         "c: !\nd: 1\nz: [1]\n",
		"a: 1\nc: &x\n":        "a: 1\nc: &x\nz: [1]\n",
		"a: 1\nc: &x !!null\n": "a: 1\nc: &x !!null\nz: [1]\n",
		"a: 1\nc:\n":           "a: 1\nc:\nz: [1]\n",
		"{a: 1, c: &x}":        "{a: 1, c: &x, z: [1]}",
		"a:\n  c: !\nb: 1\n":   "a:\n  c: !\nb: 1\nz: [1]\n",
	} {
		was, err := Parse([]byte(in), false)
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		want, err := Parse([]byte(strings.TrimSuffix(string(was.JSON()), "}")+`,"z":[1]}`), true)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(string(Edit([]byte(in), false, was, want)), "\n  - 1", " [1]"); got != out {
			t.Errorf("%q: got %q, want %q", in, got, out)
		}
	}
}
