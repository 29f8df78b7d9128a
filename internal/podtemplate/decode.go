package podtemplate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"
)

// decode decodes a value as an API server does: a field that the type does not have is left out,
// and one of the wrong type is a problem, which names it by its path below the place. For nil it
// returns the zero value.
func decode[T any](w *walker, value any, p *place, path string) (out T, problem string) {
	if value == nil {
		return out, ""
	}
	if !w.measure(value, p, 0) {
		return out, fmt.Sprintf("is larger or deeper than what is looked at: %s", remedy)
	}
	if err := convert(value, &out); err != nil {
		var none T
		return none, explain[T](value, path, err)
	}
	return out, ""
}

// measure reports whether a value that is to be decoded is within the bounds, and takes it off them:
// decoders of YAML share what an alias names, so a value written out can be much larger than its
// source.
func (w *walker) measure(value any, p *place, depth int) bool {
	if depth > maxDepth || !w.spend(1, textOf(value), p) {
		return false
	}
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if !w.spend(0, len(key), p) || !w.measure(value[key], p, depth+1) {
				return false
			}
		}
	case []any:
		for _, item := range value {
			if !w.measure(item, p, depth+1) {
				return false
			}
		}
	}
	return true
}

func textOf(value any) int { return len(text(value)) }

func convert(value, into any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(data, into)
}

// explain says which field of a value does not fit T. The decoder does not say where a quantity
// stands, so this looks for the innermost field that by itself fails as well. Each level is decoded
// once more, and no type of a Pod has more than a dozen of them.
func explain[T any](value any, path string, err error) string {
	type step struct {
		key    string
		listed bool
	}
	var steps []step // to value
	fails := func(candidate any, further ...step) error {
		for _, s := range slices.Backward(slices.Concat(steps, further)) {
			if s.listed {
				candidate = []any{candidate}
			} else {
				candidate = map[string]any{s.key: candidate}
			}
		}
		var out T
		return convert(candidate, &out)
	}
	descend := func(child any, to step, written string) bool {
		e := fails(child, to)
		if e != nil {
			steps = append(steps, to)
			value, err, path = child, e, path+written
		}
		return e != nil
	}
	for found := true; found; {
		found = false
		switch outer := value.(type) {
		case map[string]any:
			if fails(map[string]any{}) != nil {
				break // no object belongs here, whatever is in it
			}
			for _, key := range slices.Sorted(maps.Keys(outer)) {
				if found = descend(outer[key], step{key: key}, fieldText(path, key)); found {
					break
				}
			}
		case []any:
			if fails([]any{}) != nil {
				break
			}
			for i, item := range outer {
				if found = descend(item, step{listed: true}, "["+strconv.Itoa(i)+"]"); found {
					break
				}
			}
		}
	}
	return mismatch(shorten(path), value, err)
}

// fieldText returns how a field is written below a path: ".name", or ["a.b/c"] if it is no plain
// name.
func fieldText(path, key string) string {
	plain := key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return r != '_' && r != '-' &&
			(r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	switch {
	case !plain:
		return "[" + quote(key) + "]"
	case path == "":
		return key
	}
	return "." + key
}

func shorten(path string) string {
	const most = 400
	if len(path) > most {
		path = strings.ToValidUTF8(path[:most], "") + "..."
	}
	return path
}

// mismatch says what is wrong with a field, and what to write there.
func mismatch(path string, value any, err error) string {
	if path == "" {
		path = "it"
	}
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.Is(err, resource.ErrFormatWrong), errors.Is(err, resource.ErrNumeric),
		errors.Is(err, resource.ErrSuffix):
		return fmt.Sprintf("cannot be read: %s is %s, not a quantity: write one such as 512Mi", path,
			display(value))
	case errors.As(err, &wrongType) && wrongType.Type != nil:
		wanted := typeText(wrongType.Type)
		return fmt.Sprintf("cannot be read: %s is %s, not %s: write %s", path, display(value), wanted,
			wanted)
	}
	const most = 200
	reason := err.Error()
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "") + "..."
	}
	return fmt.Sprintf("cannot be read: %s is %s (%s): write what the field takes", path,
		display(value), reason)
}

// display returns a value as a sentence has it: short ones as they are.
func display(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case string:
		return quote(value)
	case map[string]any, map[any]any:
		return "an object"
	case []any:
		return "a list"
	case bool:
		return strconv.FormatBool(value)
	}
	s := fmt.Sprint(value)
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return "the number " + s
}

func typeText(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeText(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	}
	return "a " + t.Kind().String()
}
