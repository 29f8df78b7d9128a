package manifest

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

// fieldsOf returns the JSON fields of a struct type by name, those of embedded structs among them.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	known := map[string]reflect.StructField{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			// An outer field hides an inner one of its name.
			inner := fieldsOf(f.Type)
			maps.Copy(inner, known)
			known = inner
		case f.IsExported() && name != "-":
			known[cmp.Or(name, f.Name)] = f
		}
	}
	return known
}

// suggest gives the remedy for an unknown field: the known one that it is most likely meant to be, if any comes near.
func suggest(key string, known map[string]reflect.StructField) string {
	best := human.Closest(key, slices.Collect(maps.Keys(known)))
	if best == "" {
		return "remove it or correct its spelling"
	}
	return "did you mean " + yamledit.Quote(best) + "?"
}
