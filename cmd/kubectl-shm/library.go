package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// loadedPolicy represents a policy that was found valid, and where it was read.
type loadedPolicy struct {
	policy policy.Policy
	source *v1alpha1.SharedMemoryPolicy
	object manifest.Object
}

// reserve returns the policy's memory.reserve.
func (l loadedPolicy) reserve() sizing.Bytes {
	p := l.source.DeepCopy()
	v1alpha1.SetDefaults(p)
	return sizing.BytesOf(*p.Spec.Memory.Reserve)
}

// loadPolicies reads the policies that the names stand for: names of the built-in library, files, and
// directories. No names stand for the whole library. The error holds all that is wrong with them.
func loadPolicies(names []string, stdin io.Reader) ([]loadedPolicy, error) {
	var all errorList
	var loaded []loadedPolicy
	if len(names) == 0 {
		names = builtInNames()
	}
	for _, name := range names {
		docs, err := policyDocuments(name, stdin)
		if err != nil {
			all.add(err)
			continue
		}
		found, err := policiesIn(docs)
		if err == nil && len(found) == 0 {
			err = &manifest.Error{Source: sourceOf(name), Problem: "there is no SharedMemoryPolicy in it", Remedy: "name a file that has one"}
		}
		all.add(err)
		loaded = append(loaded, found...)
	}
	all.add(sameNames(loaded))
	return loaded, all.err()
}

// builtInSource begins the source of a policy of the library.
const builtInSource = "built-in policy "

func (l loadedPolicy) isBuiltIn() bool {
	return strings.HasPrefix(l.object.Document.Source, builtInSource)
}

// policyDocuments reads one built-in policy, file or directory. A built-in name is never looked up as
// a file, so it means the same in every directory; ./name is the file.
func policyDocuments(name string, stdin io.Reader) ([]*manifest.Document, error) {
	if text, ok := builtIn(name); ok {
		return manifest.Read(bytes.NewReader(text), builtInSource+name)
	}
	docs, err := manifest.ReadPaths([]string{name}, false, stdin)
	if err != nil && name != "-" && !strings.ContainsAny(name, "./") {
		return nil, fmt.Errorf("%w; kubectl shm policies lists the built-in ones", err)
	}
	return docs, err
}

// builtIn returns the text of a policy of the library.
func builtIn(name string) ([]byte, bool) {
	for _, f := range policies.All() {
		if f.Name == name {
			return f.YAML, true
		}
	}
	return nil, false
}

func builtInNames() []string {
	var names []string
	for _, f := range policies.All() {
		names = append(names, f.Name)
	}
	return names
}

// policiesIn decodes and compiles the policies among the objects of documents.
func policiesIn(docs []*manifest.Document) ([]loadedPolicy, error) {
	var all errorList
	var found []manifest.Object
	for _, d := range docs {
		objects, err := d.Objects()
		all.add(err)
		for _, o := range objects {
			if isPolicy(o) {
				found = append(found, o)
			}
		}
	}
	loaded, err := compileEach(found)
	all.add(err)
	return loaded, all.err()
}

// compilePolicies decodes and compiles policies, each of which has a name of its own.
func compilePolicies(objects []manifest.Object) ([]loadedPolicy, error) {
	var all errorList
	loaded, err := compileEach(objects)
	all.add(err)
	all.add(sameNames(loaded))
	return loaded, all.err()
}

func compileEach(objects []manifest.Object) ([]loadedPolicy, error) {
	var all errorList
	var loaded []loadedPolicy
	for _, o := range objects {
		l, _, err := readPolicy(o)
		all.add(err)
		if err == nil {
			loaded = append(loaded, l)
		}
	}
	return loaded, all.err()
}

// isPolicy reports whether an object is a SharedMemoryPolicy, of whatever version.
func isPolicy(o manifest.Object) bool {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	return o.Kind == v1alpha1.Kind && group == v1alpha1.GroupVersion.Group
}

func checkVersion(o manifest.Object) error {
	if o.APIVersion == v1alpha1.GroupVersion.String() {
		return nil
	}
	return fieldError(o, "apiVersion", strconv.Quote(o.APIVersion)+" is not a version of "+v1alpha1.Kind, "write "+v1alpha1.GroupVersion.String())
}

func policyError(o manifest.Object, e *field.Error) *manifest.Error {
	return fieldError(o, e.Field, e.ErrorBody(), "")
}

// sameNames returns an error if two policies have one name: a cluster could have only one of them.
func sameNames(loaded []loadedPolicy) error {
	var all errorList
	first := map[string]manifest.Object{}
	for _, l := range loaded {
		name := l.policy.Name()
		if o, found := first[name]; found {
			all.add(fieldError(l.object, "metadata.name", fmt.Sprintf("%q is also the name of the policy at %s", name, position(o)), "rename or remove one of them"))
			continue
		}
		first[name] = l.object
	}
	return all.err()
}

// position returns where an object begins.
func position(o manifest.Object) string {
	return o.Document.Source + ":" + strconv.Itoa(lineOf(o, "metadata.name"))
}
