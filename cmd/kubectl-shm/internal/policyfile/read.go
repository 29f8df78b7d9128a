package policyfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Read decodes and compiles a policy. The error holds all that is wrong with it, in one go:
// values that do not fit are left out, so that the rest is checked as well. The source is what could
// be read, also if there is an error; nil if nothing could. ok is false if there is no policy to
// evaluate by.
func Read(o manifest.Object) (l Policy, ok bool, err error) {
	l.Object = o
	if served := v1alpha1.GroupVersion.String(); o.APIVersion != served {
		return l, false, o.ErrorAt("apiVersion", fmt.Sprintf("%q is not a version of %s", o.APIVersion, v1alpha1.Kind), "write "+served)
	}
	var all cli.Errors
	var wrong []string // the fields of the errors so far
	note := func(err error) {
		from := len(all)
		all.Add(err)
		for _, err := range all[from:] {
			var at *manifest.Error
			if errors.As(err, &at) {
				wrong = append(wrong, pathInObject(o, at.Path))
			}
		}
	}
	source := &v1alpha1.SharedMemoryPolicy{}
	note(manifest.Decode(o, source, true))
	if len(all) > 0 {
		if source, ok = decodeRest(o, wrong); !ok {
			return l, false, all.Err()
		}
	}
	note(emptyStrings(o))
	l.Source = source
	compiled, errs := policy.Compile(source)
	for _, e := range errs {
		if !slices.ContainsFunc(wrong, func(path string) bool { return follows(e.Field, path) }) {
			all.Add(o.ErrorAt(e.Field, e.ErrorBody(), ""))
		}
	}
	l.Compiled = compiled
	return l, len(errs) == 0, all.Err()
}

// follows reports whether an error of a field may follow from one of another field: it is the same
// field, or one within the other.
func follows(field, other string) bool {
	within := func(a, b string) bool {
		return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(a, b+"[")
	}
	return within(field, other) || within(other, field)
}

// decodeRest decodes a policy with null in place of what is wrong, so that lists keep their indexes.
func decodeRest(o manifest.Object, wrong []string) (*v1alpha1.SharedMemoryPolicy, bool) {
	for _, path := range wrong {
		path, _, _ = strings.Cut(path, `["`) // of a map with names of any form all is left out
		pointer := strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)
		patch, err := jsonpatch.DecodePatch(fmt.Appendf(nil, `[{"op": "replace", "path": "/%s", "value": null}]`, pointer))
		if err != nil {
			return nil, false
		}
		if text, err := patch.Apply(o.JSON); err == nil { // or what is around it is left out already
			o.JSON = text
		}
	}
	source := &v1alpha1.SharedMemoryPolicy{}
	return source, manifest.Decode(o, source, false) == nil
}

// pathInObject returns a path within a document as one within the object.
func pathInObject(o manifest.Object, path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, o.Path), ".")
}

// emptyStrings finds fields that are given and empty. The decoder cannot tell them from absent ones,
// which have a default; an API server rejects them.
func emptyStrings(o manifest.Object) error {
	var all cli.Errors
	var content map[string]any
	if json.Unmarshal(o.JSON, &content) != nil {
		return nil // reported already
	}
	findEmpty(content["spec"], reflect.TypeFor[v1alpha1.SharedMemoryPolicySpec](), field.NewPath("spec"), func(at *field.Path) {
		all.Add(o.ErrorAt(at.String(), `"" is empty`, "write a value, or leave the field out for its default"))
	})
	return all.Err()
}

// findEmpty calls found with each optional text of the policy's own types that is empty.
func findEmpty(value any, t reflect.Type, at *field.Path, found func(*field.Path)) {
	switch value := value.(type) {
	case map[string]any:
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[v1alpha1.Match]().PkgPath() {
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			child, given := value[name]
			if !given {
				continue
			}
			if child == "" && f.Type.Kind() == reflect.String && options == "omitempty" {
				found(at.Child(name))
			}
			findEmpty(child, f.Type, at.Child(name), found)
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return
		}
		for i, item := range value {
			findEmpty(item, t.Elem(), at.Index(i), found)
		}
	}
}
