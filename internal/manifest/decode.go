package manifest

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

// Decode decodes an object into a typed one as the API server does: keys are case-sensitive. If strict
// is true, a field that the type does not have is an error, and so is an optional text of a type of
// the same package that is empty: the decoder cannot tell it from an absent one. Each value that does not fit its
// field is reported as an *Error with the path of the field, several of them joined. Values are not
// validated otherwise; see CheckPod. into must be a pointer, and is left as it was when Decode fails.
func Decode(o Object, into any, strict bool) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return errors.New("manifest.Decode: into is not a pointer to decode into")
	}
	t := typeChecker{document: o.Document, strict: strict}
	if strict {
		t.own = target.Type().Elem().PkgPath()
	}
	value, err := yamledit.Parse(o.JSON, true)
	var e *Error
	if errors.As(err, &e) {
		return t.document.errorAt(o.Path, e.Problem, e.Remedy)
	}
	if t.check(value, target.Type().Elem(), o.Path); len(t.found) > 0 {
		return join(t.found)
	}
	fresh := reflect.New(target.Type().Elem())
	if err := kjson.UnmarshalCaseSensitivePreserveInts(o.JSON, fresh.Interface()); err != nil {
		return t.document.errorAt(o.Path, err.Error(), "correct it")
	}
	target.Elem().Set(fresh.Elem())
	return nil
}

// typeChecker compares a value with a type, to find each part of it that does not fit and where it
// stands. The decoder itself stops at the first and mostly does not say where.
type typeChecker struct {
	document *Document // nil if the object has none
	strict   bool
	own      string // the package whose optional texts must not be empty; empty for none
	found    []error
}

func (t *typeChecker) add(path, problem, remedy string) {
	t.found = append(t.found, t.document.errorAt(path, problem, remedy))
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// check checks one value. The types of the API are structs, slices, maps with string keys, scalars,
// and those that decode themselves.
func (t *typeChecker) check(value *yamledit.Node, as reflect.Type, path string) {
	for as.Kind() == reflect.Pointer {
		as = as.Elem()
	}
	decodesItself := reflect.PointerTo(as).Implements(unmarshaler)
	if len(t.found) >= maxReported || value.IsNull() && !decodesItself {
		return
	}
	isMap := as.Kind() == reflect.Map && as.Key().Kind() == reflect.String
	isList := (as.Kind() == reflect.Slice || as.Kind() == reflect.Array) && as.Elem().Kind() != reflect.Uint8
	switch {
	case decodesItself || as.Kind() != reflect.Struct && !isMap && !isList:
		t.checkScalar(value, as, path)
	case isList && value.Kind != yamledit.List:
		t.add(path, t.document.display(path, value)+" is not a list", `begin each element with "- "`)
	case !isList && value.Kind != yamledit.Object:
		t.add(path, t.document.display(path, value)+" is not a mapping", "write it with keys and values")
	case isList:
		for i, item := range value.Items {
			t.check(item, as.Elem(), yamledit.Element(path, i))
		}
	case isMap:
		for _, key := range value.Keys {
			t.check(value.Fields[key], as.Elem(), yamledit.Member(path, key))
		}
	default:
		known := fieldsOf(as)
		for _, key := range value.Keys {
			field, found := known[key]
			at, content := yamledit.Member(path, key), value.Fields[key]
			switch {
			case found && t.own == as.PkgPath() && content.Value == "" && field.Type.Kind() == reflect.String && strings.HasSuffix(field.Tag.Get("json"), ",omitempty"):
				t.add(at, `"" is empty`, "write a value, or leave the field out for its default")
			case found:
				t.check(content, field.Type, at)
			case t.strict:
				t.add(at, "unknown field", suggest(key, known))
			}
		}
	}
}
