// Package yamledit changes values in a text of YAML or JSON: every byte stays that does not belong to
// a value that changes, and what is written reads back as the value that was wanted.
//
// Nothing here panics, and no input makes it work without bound.
package yamledit

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Object is a JSON object that keeps the order of its keys. The other values are those of
// encoding/json: []any, string, bool, json.Number and nil.
type Object struct {
	Keys   []string
	Fields map[string]any
}

// String returns a field's string, or fallback if it is absent, empty or not a string.
func (o *Object) String(key, fallback string) string {
	if s, _ := o.Fields[key].(string); s != "" {
		return s
	}
	return fallback
}

// With returns a copy in which a field has another value; a new one comes last.
func (o *Object) With(key string, value any) *Object {
	c := &Object{Keys: slices.Clone(o.Keys), Fields: maps.Clone(o.Fields)}
	if _, found := c.Fields[key]; !found {
		c.Keys = append(c.Keys, key)
	}
	c.Fields[key] = value
	return c
}

// Without returns a copy without a field.
func (o *Object) Without(key string) *Object {
	c := &Object{Fields: maps.Clone(o.Fields)}
	delete(c.Fields, key)
	c.Keys = slices.DeleteFunc(slices.Clone(o.Keys), func(k string) bool { return k == key })
	return c
}

// Encode returns a value as compact JSON. It leaves <, > and & as they are: escaped they mean the
// same, but no reader wants to see it.
func Encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	writeJSON(&b, enc, v)
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, enc *json.Encoder, v any) {
	switch v := v.(type) {
	case *Object:
		b.WriteByte('{')
		for i, key := range v.Keys {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, enc, key)
			b.WriteByte(':')
			writeJSON(b, enc, v.Fields[key])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, enc, item)
		}
		b.WriteByte(']')
	default:
		_ = enc.Encode(v)       // a scalar always encodes, and a Buffer always takes it
		b.Truncate(b.Len() - 1) // the line break
	}
}

// Decode decodes JSON without loss: numbers keep their spelling and objects their order.
func Decode(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return decodeNext(dec)
}

func decodeNext(dec *json.Decoder) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := &Object{Fields: map[string]any{}}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := decodeNext(dec)
			if err != nil {
				return nil, err
			}
			k, _ := key.(string)
			if _, found := o.Fields[k]; !found {
				o.Keys = append(o.Keys, k)
			}
			o.Fields[k] = value
		}
		_, err = dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := decodeNext(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = dec.Token()
		return list, err
	}
	return t, nil
}

var decimalInteger = regexp.MustCompile(`^[-+]?[1-9][0-9]*$`)

// likeNodes gives a value what sigs.k8s.io/yaml does not keep: the order of keys, and the digits of a
// long integer, which it rounds to a float. One that matters is better rejected by its field.
func likeNodes(value any, n *yaml.Node) any {
	n = target(n)
	switch v := value.(type) {
	case *Object:
		sorted := v.Keys
		v.Keys = make([]string, 0, len(sorted))
		for _, f := range fieldsIn(n) {
			if child, ok := v.Fields[f.name]; ok {
				v.Keys = append(v.Keys, f.name)
				v.Fields[f.name] = likeNodes(child, f.value)
			}
		}
		// The tag "!", which makes a string of a key, does not reach the nodes. No manifest has it.
		if len(v.Keys) != len(sorted) {
			v.Keys = sorted
		}
	case []any:
		for i := range min(len(v), len(n.Content)) {
			v[i] = likeNodes(v[i], n.Content[i])
		}
	case json.Number:
		if n.Style == 0 && decimalInteger.MatchString(n.Value) {
			return json.Number(strings.TrimPrefix(n.Value, "+"))
		}
	}
	return value
}
