// Package policyfile reads SharedMemoryPolicies from files and from the built-in library.
package policyfile

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Policy represents a policy that was read, and where.
type Policy struct {
	Compiled policy.Policy
	// Source is the policy as the file has it, without defaults.
	Source *v1alpha1.SharedMemoryPolicy
	Object manifest.Object
}

// Reserve returns the policy's memory.reserve.
func (l Policy) Reserve() sizing.Bytes {
	p := l.Source.DeepCopy()
	v1alpha1.SetDefaults(p)
	return sizing.BytesOf(*p.Spec.Memory.Reserve)
}

// Load reads the policies that the names stand for: names of the built-in library, files, and
// directories. No names stand for the whole library. The error holds all that is wrong with them.
func Load(names []string, stdin io.Reader) ([]Policy, error) {
	var all cli.Errors
	var loaded []Policy
	if len(names) == 0 {
		names = BuiltInNames()
	}
	for _, name := range names {
		docs, err := policyDocuments(name, stdin)
		if err != nil {
			all.Add(err)
			continue
		}
		found, err := policiesIn(docs)
		if err == nil && len(found) == 0 {
			err = &manifest.Error{Source: cli.SourceOf(name), Problem: "there is no SharedMemoryPolicy in it", Remedy: "name a file that has one"}
		}
		all.Add(err)
		loaded = append(loaded, found...)
	}
	all.Add(sameNames(loaded))
	return loaded, all.Err()
}

// builtInSource begins the source of a policy of the library.
const builtInSource = "built-in policy "

// IsBuiltIn reports whether the policy is one of the library.
func (l Policy) IsBuiltIn() bool {
	return strings.HasPrefix(l.Object.Document.Source, builtInSource)
}

// policyDocuments reads one built-in policy, file or directory. A built-in name is never looked up as
// a file, so it means the same in every directory; ./name is the file.
func policyDocuments(name string, stdin io.Reader) ([]*manifest.Document, error) {
	if text, ok := BuiltIn(name); ok {
		return manifest.Read(bytes.NewReader(text), builtInSource+name)
	}
	docs, err := manifest.ReadPaths([]string{name}, false, stdin)
	if err != nil && name != "-" && !strings.ContainsAny(name, "./") {
		return nil, fmt.Errorf("%w; kubectl shm policies lists the built-in ones", err)
	}
	return docs, err
}

// BuiltIn returns the text of a policy of the library.
func BuiltIn(name string) ([]byte, bool) {
	for _, f := range policies.All() {
		if f.Name == name {
			return f.YAML, true
		}
	}
	return nil, false
}

// BuiltInNames returns the names of the policies of the library.
func BuiltInNames() []string {
	var names []string
	for _, f := range policies.All() {
		names = append(names, f.Name)
	}
	return names
}

// policiesIn decodes and compiles the policies among the objects of documents.
func policiesIn(docs []*manifest.Document) ([]Policy, error) {
	var all cli.Errors
	var found []manifest.Object
	for _, d := range docs {
		objects, err := d.Objects()
		all.Add(err)
		for _, o := range objects {
			if Is(o) {
				found = append(found, o)
			}
		}
	}
	loaded, err := compileEach(found)
	all.Add(err)
	return loaded, all.Err()
}

// Compile decodes and compiles policies, each of which has a name of its own.
func Compile(objects []manifest.Object) ([]Policy, error) {
	var all cli.Errors
	loaded, err := compileEach(objects)
	all.Add(err)
	all.Add(sameNames(loaded))
	return loaded, all.Err()
}

func compileEach(objects []manifest.Object) ([]Policy, error) {
	var all cli.Errors
	var loaded []Policy
	for _, o := range objects {
		l, _, err := Read(o)
		all.Add(err)
		if err == nil {
			loaded = append(loaded, l)
		}
	}
	return loaded, all.Err()
}

// Is reports whether an object is a SharedMemoryPolicy, of whatever version.
func Is(o manifest.Object) bool {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	return o.Kind == v1alpha1.Kind && group == v1alpha1.GroupVersion.Group
}

func checkVersion(o manifest.Object) error {
	if o.APIVersion == v1alpha1.GroupVersion.String() {
		return nil
	}
	return o.ErrorAt("apiVersion", strconv.Quote(o.APIVersion)+" is not a version of "+v1alpha1.Kind, "write "+v1alpha1.GroupVersion.String())
}

func policyError(o manifest.Object, e *field.Error) *manifest.Error {
	return o.ErrorAt(e.Field, e.ErrorBody(), "")
}

// sameNames returns an error if two policies have one name: a cluster could have only one of them.
func sameNames(loaded []Policy) error {
	var all cli.Errors
	first := map[string]manifest.Object{}
	for _, l := range loaded {
		name := l.Compiled.Name()
		if o, found := first[name]; found {
			all.Add(l.Object.ErrorAt("metadata.name", fmt.Sprintf("%q is also the name of the policy at %s", name, Position(o)), "rename or remove one of them"))
			continue
		}
		first[name] = l.Object
	}
	return all.Err()
}

// Position returns where an object begins.
func Position(o manifest.Object) string {
	return o.Document.Source + ":" + strconv.Itoa(o.Document.Line(o.FieldPath("metadata.name")))
}

// IsGlob reports whether a pattern of a policy has wildcards.
func IsGlob(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }
