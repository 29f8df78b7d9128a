// Package yamledit changes values in a text of YAML or JSON: every byte stays that does not belong to
// a value that changes, and what is written reads back as the value that was wanted.
//
// Nothing here panics, and no input makes it work without bound.
package yamledit

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// Kind says what a Node is.
type Kind int

// The kinds.
const (
	Scalar Kind = iota
	List
	Object
)

// Node represents a value, and where it stands in the text that it was parsed from. It must not be changed.
type Node struct {
	Kind   Kind
	Value  any              // of a Scalar: a string, a bool, a json.Number or nil
	Keys   []string         // of an Object, in the order of the text
	Fields map[string]*Node // of an Object
	Items  []*Node          // of a List

	Line   int    // 1-based: that of its key, if it is a list or an object in an object
	Source string // a scalar as it is spelled, without quotes
	Plain  bool   // whether YAML decides what a scalar is, since it has no quotes and no tag

	place
}

// IsNull reports whether there is no value.
func (n *Node) IsNull() bool { return n == nil || n.Kind == Scalar && n.Value == nil }

// Text returns a field's string, or fallback if it is absent, empty or not a string.
func (n *Node) Text(key, fallback string) string {
	if field := n.Fields[key]; field != nil {
		if s, _ := field.Value.(string); s != "" {
			return s
		}
	}
	return fallback
}

// children returns the items of a list, or the values of an object in the order of its keys.
func (n *Node) children() []*Node {
	if n.Kind != Object {
		return n.Items
	}
	all := make([]*Node, len(n.Keys))
	for i, key := range n.Keys {
		all[i] = n.Fields[key]
	}
	return all
}

// JSON returns a value as compact JSON. It leaves <, > and & as they are: escaped they mean the same,
// but no reader wants to see it.
func (n *Node) JSON() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	n.write(&b, enc)
	return b.Bytes()
}

func (n *Node) write(b *bytes.Buffer, enc *json.Encoder) {
	scalar := func(v any) {
		_ = enc.Encode(v)       // a scalar always encodes, and a Buffer always takes it
		b.Truncate(b.Len() - 1) // the line break
	}
	if n.Kind == Scalar {
		scalar(n.Value)
		return
	}
	brackets := map[Kind]string{List: "[]", Object: "{}"}[n.Kind]
	b.WriteByte(brackets[0])
	for i, child := range n.children() {
		if i > 0 {
			b.WriteByte(',')
		}
		if n.Kind == Object {
			scalar(n.Keys[i])
			b.WriteByte(':')
		}
		child.write(b, enc)
	}
	b.WriteByte(brackets[1])
}

// equal reports whether two values are the same, in whatever order their keys are. Numbers are the
// same if same says so.
func equal(a, b *Node, same func(a, b json.Number) bool) bool {
	if a == nil || b == nil || a.Kind != b.Kind || len(a.Items) != len(b.Items) || len(a.Keys) != len(b.Keys) {
		return false
	}
	for i, item := range a.Items {
		if !equal(item, b.Items[i], same) {
			return false
		}
	}
	for key, field := range a.Fields {
		if !equal(field, b.Fields[key], same) {
			return false
		}
	}
	x, isNumber := a.Value.(json.Number)
	if y, ok := b.Value.(json.Number); ok && isNumber {
		return same(x, y)
	}
	return a.Value == b.Value
}

// Find returns the node at a path and its line; nil and the line of the nearest one around it if there
// is none. The path is written as Member and Element write it.
func (n *Node) Find(path string) (found *Node, line int) {
	at := ""
	for at != path {
		below := n.step(at, path)
		if below < 0 {
			return nil, n.Line
		}
		at, n = n.pathOf(at, below), n.children()[below]
	}
	return n, n.Line
}

// step returns the index of the child that is on the way from a path to another; -1 if there is none.
func (n *Node) step(at, path string) int {
	for i := range max(len(n.Items), len(n.Keys)) {
		rest, ok := strings.CutPrefix(path, n.pathOf(at, i))
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return i
		}
	}
	return -1
}

func (n *Node) pathOf(at string, child int) string {
	if n.Kind == List {
		return Element(at, child)
	}
	return Member(at, n.Keys[child])
}

// Member appends a key to a field path; a key that is not a plain word is quoted in brackets.
func Member(path, key string) string {
	notWord := func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	switch {
	case key == "" || strings.ContainsFunc(key, notWord):
		return path + "[" + Quote(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

// Element appends an index to a field path.
func Element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// Display returns a value as a message quotes it.
func (n *Node) Display() string {
	return [...]string{Scalar: Quote(n.Source), List: "a list", Object: "a mapping"}[n.Kind]
}

// Quote quotes a value for a message, cutting one that is too long to read.
func Quote(s string) string { return human.Quote(s, 80) }
