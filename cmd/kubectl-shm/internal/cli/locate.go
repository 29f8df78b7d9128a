package cli

import (
	"errors"
	"regexp"
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
			all[i] = o.ErrorAt(at.Path, at.Problem, at.Remedy)
		}
	}
	return all.Err()
}

var listItem = regexp.MustCompile(`/([^/]+)/([0-9]+)`)

// FieldOf returns the path of the field that a JSON pointer leads to.
func FieldOf(pointer string) string {
	path := strings.ReplaceAll(listItem.ReplaceAllString(pointer, "/$1[$2]"), "/", ".")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(path, "."))
}
