package policyfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Read decodes and compiles a policy. The error holds all that is wrong with it, in one go:
// values that do not fit are left out, so that the rest is checked as well. The source is what could
// be read, even if there is an error; nil if nothing could. ok is false if there is no policy to
// evaluate by.
func Read(o manifest.Object) (l Policy, ok bool, err error) {
	l.Object = o
	if served := v1alpha1.GroupVersion.String(); o.APIVersion != served {
		return l, false, o.ErrorAt("apiVersion", fmt.Sprintf("%q is not a version of %s", o.APIVersion, v1alpha1.Kind), "write "+served)
	}
	var all cli.Errors
	var wrong []string // the fields of the errors so far
	source := &v1alpha1.SharedMemoryPolicy{}
	all.Add(manifest.Decode(o, source, true))
	for _, err := range all {
		var at *manifest.Error
		if errors.As(err, &at) {
			wrong = append(wrong, strings.TrimPrefix(strings.TrimPrefix(at.Path, o.Path), "."))
		}
	}
	if len(all) > 0 {
		if source, ok = decodeRest(o, wrong); !ok {
			return l, false, all.Err()
		}
	}
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
