package podtemplate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
)

// reader decodes values at or below a place, up to the first that does not fit.
type reader struct {
	*walker
	place   *place
	problem string // with the first value that does not fit; empty for none
}

// read decodes a value as an API server does: a field that the type does not have is left out, and
// one of the wrong type is a problem, which names it by its path below the place. For nil, and after
// a problem, it returns the zero value.
func read[T any](r *reader, value any, path string) (out T) {
	switch {
	case value == nil || r.problem != "":
	case !r.measure(value, r.place, 0):
		r.problem = "is larger or deeper than what is looked at: " + remedy
	default:
		if err := convert(value, path, &out); err != nil {
			r.problem = "cannot be read: " + err.Error()
		}
	}
	return out
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

// convert decodes a value into what a pointer points to. The error is about the first field that does
// not fit.
func convert(value any, path string, into any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s is not JSON (%w): write keys in quotes", cmp.Or(path, "it"), err)
	}
	err = manifest.Decode(manifest.Object{JSON: data, Path: path}, into, false)
	var field *manifest.Error
	if errors.As(err, &field) {
		field.Path = shorten(cmp.Or(field.Path, "it"), 400)
		return field
	}
	return err
}

// shorten cuts a text that is longer than so many bytes.
func shorten(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
