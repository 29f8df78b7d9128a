package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// freeForm are fields of Pods that are maps and not objects.
var freeForm = []string{"limits", "requests"}

// celTyped returns a value of decoded JSON as a CEL literal of a type, in which objects have types
// of their own, named by their path: "Object.spec.volumes".
func celTyped(path string, value any) string {
	switch v := value.(type) {
	case map[string]any:
		if slices.Contains(freeForm, path[strings.LastIndexByte(path, '.')+1:]) {
			return celDynamic(v)
		}
		return path + "{" + fields(v, func(key string) string { return key + ": " + celTyped(path+"."+key, v[key]) }) + "}"
	case []any:
		return list(v, func(item any) string { return celTyped(path, item) })
	default:
		return celDynamic(v)
	}
}

// celDynamic returns a value of decoded JSON as a CEL literal without types. The values of a map
// are dynamic unless all are strings, since Kubernetes admits no literals of mixed types.
func celDynamic(value any) string {
	switch v := value.(type) {
	case map[string]any:
		form := "%q: %s"
		if slices.ContainsFunc(slices.Collect(maps.Values(v)), func(item any) bool { _, is := item.(string); return !is }) {
			form = "%q: dyn(%s)"
		}
		return "{" + fields(v, func(key string) string { return fmt.Sprintf(form, key, celDynamic(v[key])) }) + "}"
	case []any:
		return list(v, celDynamic)
	case string:
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}

func fields(object map[string]any, term func(key string) string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		out = append(out, term(key))
	}
	return strings.Join(out, ", ")
}

func list(items []any, term func(any) string) string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = term(item)
	}
	return "[" + strings.Join(out, ", ") + "]"
}
