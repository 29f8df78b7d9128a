package manifest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object is a JSON object that keeps the order of its keys. The other values are those of
// encoding/json: []any, string, bool, json.Number and nil.
type object struct {
	keys   []string
	fields map[string]any
}

// with returns a copy in which a field has another value; a new one comes last.
func (o *object) with(key string, value any) *object {
	c := &object{keys: slices.Clone(o.keys), fields: maps.Clone(o.fields)}
	if _, found := c.fields[key]; !found {
		c.keys = append(c.keys, key)
	}
	c.fields[key] = value
	return c
}

func (o *object) without(key string) *object {
	c := &object{fields: maps.Clone(o.fields)}
	delete(c.fields, key)
	c.keys = slices.DeleteFunc(slices.Clone(o.keys), func(k string) bool { return k == key })
	return c
}

// encodeJSON returns a value as compact JSON. It leaves <, > and & as they are: escaped they mean the
// same, but no reader wants to see it.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	writeJSON(&b, enc, v)
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, enc *json.Encoder, v any) {
	switch v := v.(type) {
	case *object:
		b.WriteByte('{')
		for i, key := range v.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, enc, key)
			b.WriteByte(':')
			writeJSON(b, enc, v.fields[key])
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

// decodeJSON decodes JSON without loss: numbers keep their spelling and objects their order.
func decodeJSON(text []byte) (any, error) {
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
		o := &object{fields: map[string]any{}}
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
			if _, found := o.fields[k]; !found {
				o.keys = append(o.keys, k)
			}
			o.fields[k] = value
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

// likeNodes gives a value what sigs.k8s.io/yaml does not keep: the order of keys, and the digits of a
// long integer, which it rounds to a float. One that matters is better rejected by its field.
func likeNodes(value any, n *yaml.Node) any {
	n = target(n)
	switch v := value.(type) {
	case *object:
		v.keys = v.keys[:0]
		for _, f := range fieldsIn(n) {
			v.keys = append(v.keys, f.name)
			v.fields[f.name] = likeNodes(v.fields[f.name], f.value)
		}
	case []any:
		for i := range v {
			v[i] = likeNodes(v[i], n.Content[i])
		}
	case json.Number:
		if n.Style == 0 && decimalInteger.MatchString(n.Value) {
			return json.Number(strings.TrimPrefix(n.Value, "+"))
		}
	}
	return value
}
