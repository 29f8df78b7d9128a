package cli

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
)

// Locate adds to errors about fields of an object the file and the line of the field. Errors of
// another kind stay as they are.
func Locate(o manifest.Object, err error) error {
	var all Errors
	all.Add(err)
	for i, e := range all {
		var at *manifest.Error
		if errors.As(e, &at) && at.Source == "" && o.Document != nil {
			all[i] = FieldError(o, at.Path, at.Problem, at.Remedy)
		}
	}
	return all.Err()
}

// FieldError returns an error about a field, whose path is that within the object.
func FieldError(o manifest.Object, path, problem, remedy string) *manifest.Error {
	return &manifest.Error{
		Source: o.Document.Source, Line: LineOf(o, path),
		Path: PathInDocument(o, path), Problem: problem, Remedy: remedy,
	}
}

var listItem = regexp.MustCompile(`/([^/]+)/([0-9]+)`)

// PathInDocument puts the place of an item of a List before a path.
func PathInDocument(o manifest.Object, path string) string {
	list := FieldOf(o.Pointer)
	switch {
	case list == "":
		return path
	case path == "":
		return list
	default:
		return list + "." + path
	}
}

// FieldOf returns the path of the field that a JSON pointer leads to.
func FieldOf(pointer string) string {
	path := strings.ReplaceAll(listItem.ReplaceAllString(pointer, "/$1[$2]"), "/", ".")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(path, "."))
}

// LineOf returns the line on which the document of an object has a field, or the nearest field around
// it that is there.
//
// manifest.Decode reports the line of every value that does not fit its type. So the field is decoded
// into a type that nothing fits.
func LineOf(o manifest.Object, path string) int {
	steps := PathSteps.FindAllString(path, -1)
	for ; len(steps) > 0; steps = steps[:len(steps)-1] {
		want := PathInDocument(o, strings.TrimPrefix(strings.Join(steps, ""), "."))
		var found Errors
		found.Add(manifest.Decode(o, reflect.New(typeThatEndsAt(steps)).Interface(), false))
		for _, err := range found {
			var at *manifest.Error
			if errors.As(err, &at) && at.Path == want {
				return at.Line
			}
		}
	}
	return o.Document.Line
}

// PathSteps cuts a path such as spec.match.images[0] into .spec, .match, .images and [0].
var PathSteps = regexp.MustCompile(`(?:^|\.)[A-Za-z]+|\[[0-9]+\]`)

type nothingFits struct{}

var errNothingFits = errors.New("nothing fits")

func (nothingFits) UnmarshalJSON([]byte) error { return errNothingFits }

var _ json.Unmarshaler = nothingFits{}

func typeThatEndsAt(steps []string) reflect.Type {
	t := reflect.TypeFor[nothingFits]()
	for i := len(steps) - 1; i >= 0; i-- {
		if strings.HasPrefix(steps[i], "[") {
			t = reflect.SliceOf(t)
			continue
		}
		name := strings.TrimPrefix(steps[i], ".")
		t = reflect.StructOf([]reflect.StructField{{Name: "Field", Type: t, Tag: reflect.StructTag("json:" + strconv.Quote(name))}})
	}
	return t
}
