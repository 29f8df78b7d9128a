package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
)

// Decode decodes an object into a typed one as the API server does: keys are case-sensitive, and where strict is true a field
// that the type does not have is an error. Each value that does not fit its field is told as an *Error with the path of the
// field, several of them joined. Values are not judged otherwise; see CheckPod. into must be a pointer, and is left
// as it was when Decode fails.
func Decode(o Object, into any, strict bool) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return errors.New("manifest.Decode: into is not a pointer to decode into")
	}
	f := &fitter{object: o, strict: strict}
	f.value(o.JSON, target.Type().Elem(), nil, 0)
	if len(f.found) > 0 {
		return join(f.found)
	}
	fresh := reflect.New(target.Type().Elem())
	strictErrs, err := kjson.UnmarshalStrict(o.JSON, fresh.Interface())
	if strict && err == nil && len(strictErrs) > 0 {
		err = strictErrs[0]
	}
	if err != nil {
		f.add(nil, err.Error(), "")
		return join(f.found)
	}
	target.Elem().Set(fresh.Elem())
	return nil
}

// fitter holds an object's JSON against a type, to find each value that does not fit and where it stands. The decoder itself
// stops at the first and mostly does not say where.
type fitter struct {
	object Object
	strict bool
	found  []*Error
}

// pathStep is one step of a path: a key, or an index where listed is true.
type pathStep struct {
	key    string
	index  int
	listed bool
}

// below returns a path with one more step, sharing nothing that a sibling's path could write over.
func below(path []pathStep, step pathStep) []pathStep {
	return append(slices.Clip(path), step)
}

func (f *fitter) add(path []pathStep, problem, remedy string) {
	e := &Error{Problem: problem, Remedy: remedy}
	_, text, line := f.find(path)
	e.Path = text
	if d := f.object.Document; d != nil {
		e.Source = d.Source
		if line == 0 {
			if n, _ := d.start(f.object.Pointer); n != nil {
				line = n.Line
			}
		}
		e.Line = d.Line + max(line, 1) - 1
	}
	f.found = append(f.found, e)
}

// find gives the node at a path, nil where the document has none; the path as text; and the line within the document on which
// the value begins, or the last key on the way to it that is there, 0 for neither.
func (f *fitter) find(path []pathStep) (node *yaml.Node, text string, line int) {
	if d := f.object.Document; d != nil {
		node, text = d.start(f.object.Pointer)
	}
	for _, s := range path {
		var child *yaml.Node
		if s.listed {
			text = element(text, s.index)
			if node != nil && node.Kind == yaml.SequenceNode && s.index < len(node.Content) {
				child = node.Content[s.index]
			}
		} else {
			text = member(text, s.key)
			if node != nil {
				if i := fieldIndex(node, s.key); i >= 0 {
					child, line = node.Content[i+1], node.Content[i].Line
				}
			}
		}
		node = child
		if node != nil && node.Kind == yaml.ScalarNode && node.Line > 0 {
			line = node.Line
		}
	}
	return node, text, line
}

// start returns an object's node and the path of the object in its document.
func (d *Document) start(pointer string) (*yaml.Node, string) {
	n, err := d.root()
	tokens, ok := parsePointer(pointer)
	if err != nil || !ok {
		return nil, ""
	}
	path := ""
	for _, token := range tokens {
		if n == nil {
			return nil, path
		}
		if i, ok := listIndex(token); ok && n.Kind == yaml.SequenceNode {
			path = element(path, i)
		} else {
			path = member(path, token)
		}
		n = step(n, token)
	}
	return n, path
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// value looks at one value. The types of the API are structs, slices, maps with string keys, scalars, and leaves that decode themselves.
func (f *fitter) value(raw []byte, t reflect.Type, path []pathStep, depth int) {
	if len(f.found) >= maxReported {
		return
	}
	if depth > maxDepth {
		f.add(path, tooDeep(0).Problem, tooDeep(0).Remedy)
		return
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	raw = bytes.TrimSpace(raw)
	isNull := string(raw) == "null"
	switch {
	case reflect.PointerTo(t).Implements(unmarshaler):
		f.leaf(raw, t, path)
	case isNull:
		return
	case t.Kind() == reflect.Struct:
		f.fields(raw, t, path, depth)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		f.entries(raw, t, path, depth)
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() != reflect.Uint8:
		f.elements(raw, t, path, depth)
	default:
		f.leaf(raw, t, path)
	}
}

func (f *fitter) fields(raw []byte, t reflect.Type, path []pathStep, depth int) {
	known := fieldsOf(t)
	f.members(raw, path, func(key string, value []byte) {
		at := below(path, pathStep{key: key})
		fieldType, ok := known[key]
		if ok {
			f.value(value, fieldType, at, depth+1)
			return
		}
		if f.strict {
			f.add(at, "unknown field", suggest(key, known))
		}
	})
}

func (f *fitter) entries(raw []byte, t reflect.Type, path []pathStep, depth int) {
	f.members(raw, path, func(key string, value []byte) {
		f.value(value, t.Elem(), below(path, pathStep{key: key}), depth+1)
	})
}

func (f *fitter) members(raw []byte, path []pathStep, visit func(key string, value []byte)) {
	if len(raw) == 0 || raw[0] != '{' {
		f.add(path, shown(raw)+" is not a mapping", "write it with keys and values")
		return
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		f.add(path, err.Error(), "")
		return
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		var value json.RawMessage
		if err == nil && ok {
			err = dec.Decode(&value)
		}
		if err != nil {
			f.add(path, err.Error(), "")
			return
		}
		if seen[key] && f.strict {
			f.add(below(path, pathStep{key: key}), "is given twice", "remove one of them")
			continue
		}
		seen[key] = true
		visit(key, value)
	}
}

func (f *fitter) elements(raw []byte, t reflect.Type, path []pathStep, depth int) {
	if len(raw) == 0 || raw[0] != '[' {
		f.add(path, shown(raw)+" is not a list", `begin each element with "- "`)
		return
	}
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		f.add(path, err.Error(), "")
		return
	}
	for i, value := range values {
		f.value(value, t.Elem(), below(path, pathStep{index: i, listed: true}), depth+1)
	}
}
