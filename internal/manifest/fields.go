package manifest

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

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
	best, nearest := "", 1+min(2, len(key)/3)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if strings.EqualFold(name, key) {
			best = name
			break
		}
		if n := distance(key, name, nearest); n < nearest {
			best, nearest = name, n
		}
	}
	if best == "" {
		return "remove it or correct its spelling"
	}
	return "did you mean " + yamledit.Quote(best) + "?"
}

// distance counts the bytes to add, drop or change to make b from a (Levenshtein), or returns limit when there are as many or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}
