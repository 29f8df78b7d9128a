// Package policyfile loads SharedMemoryPolicies: from files, from the built-in library.
package policyfile

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

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
	if len(names) == 0 {
		names = BuiltInNames()
	}
	var l loader
	for _, name := range names {
		docs, err := policyDocuments(name, stdin)
		l.wrong.Add(err)
		before := len(l.wrong)
		found := false
		for _, d := range docs {
			objects, err := d.Objects()
			l.wrong.Add(err)
			objects = slices.DeleteFunc(objects, func(o manifest.Object) bool { return !Is(o) })
			found = found || len(objects) > 0
			l.compile(objects)
		}
		if err == nil && !found && len(l.wrong) == before {
			l.wrong.Add(&manifest.Error{Source: cli.SourceOf(name), Problem: "there is no SharedMemoryPolicy in it", Remedy: "name a file that has one"})
		}
	}
	return l.result()
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
		return nil, fmt.Errorf("%w; %s", err, cli.DidYouMean(name, BuiltInNames(), "kubectl shm policies lists the built-in ones"))
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

// Compile decodes and compiles policies, each of which has a name of its own.
func Compile(objects []manifest.Object) ([]Policy, error) {
	var l loader
	l.compile(objects)
	return l.result()
}

// loader collects policies, and all that is wrong with them.
type loader struct {
	policies []Policy
	wrong    cli.Errors
}

func (l *loader) compile(objects []manifest.Object) {
	for _, o := range objects {
		p, _, err := Read(o)
		l.wrong.Add(err)
		if err == nil {
			l.policies = append(l.policies, p)
		}
	}
}

// result returns the policies, and an error if two of them have one name: a cluster could have only
// one of them.
func (l *loader) result() ([]Policy, error) {
	first := map[string]manifest.Object{}
	for _, p := range l.policies {
		name := p.Compiled.Name()
		if o, found := first[name]; found {
			l.wrong.Add(p.Object.ErrorAt("metadata.name", fmt.Sprintf("%q is also the name of the policy at %s", name, Position(o)), "rename or remove one of them"))
			continue
		}
		first[name] = p.Object
	}
	return l.policies, l.wrong.Err()
}

// Is reports whether an object is a SharedMemoryPolicy, of whatever version.
func Is(o manifest.Object) bool {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	return o.Kind == v1alpha1.Kind && group == v1alpha1.GroupVersion.Group
}

// Position returns where an object begins.
func Position(o manifest.Object) string {
	return o.Document.Source + ":" + strconv.Itoa(o.Document.Line(o.FieldPath("metadata.name")))
}

// IsGlob reports whether a pattern of a policy has wildcards.
func IsGlob(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }
