package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// model is a policy to compute with.
type model struct {
	// name is the policy's name; empty for a model that flags describe.
	name string
	// spec is the policy as it was given, with the defaults filled in.
	spec v1alpha1.SharedMemoryPolicySpec
	// policy computes as the given one does, but governs every Pod, all of its
	// containers, and takes the memory as it is.
	policy policy.Policy
}

// newModel compiles a policy. The errors are those of the policy as it was given.
func newModel(p *v1alpha1.SharedMemoryPolicy) (model, field.ErrorList) {
	if _, found := policy.Compile(p); len(found) > 0 {
		return model{}, found
	}
	m := model{name: p.Name}
	open := p.DeepCopy()
	v1alpha1.SetDefaults(open)
	m.spec = *open.Spec.DeepCopy()
	open.Spec.Match, open.Spec.Exclude = v1alpha1.Match{PodSelector: &metav1.LabelSelector{}}, nil
	open.Spec.Containers = []string{"*"}
	open.Spec.Memory = v1alpha1.MemoryRequire
	var found field.ErrorList
	m.policy, found = policy.Compile(open)
	return m, found
}

// modelFromPolicy reads the policy that --policy names: a file, "-", or one of
// the library where there is no such file.
func modelFromPolicy(name string, stdin io.Reader) (model, error) {
	documents, err := readPolicy(name, stdin)
	if err != nil {
		return model{}, fmt.Errorf("--policy: %w", err)
	}
	p, source, err := onlyPolicy(name, documents)
	if err != nil {
		return model{}, err
	}
	m, found := newModel(p)
	if len(found) > 0 {
		errs := make([]error, len(found))
		for i, e := range found {
			errs[i] = fmt.Errorf("--policy: %s: %w", source, e)
		}
		return model{}, errors.Join(errs...)
	}
	return m, nil
}

func readPolicy(name string, stdin io.Reader) ([]*manifest.Document, error) {
	if _, err := os.Stat(name); name == "-" || !errors.Is(err, fs.ErrNotExist) {
		return manifest.ReadPaths([]string{name}, false, stdin)
	}
	library := policies.All()
	i := slices.IndexFunc(library, func(f policies.File) bool { return f.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%s is neither a file nor a built-in policy: check the path, or take a name from the list of kubectl shm policies", shown(name))
	}
	return manifest.Read(bytes.NewReader(library[i].YAML), name)
}

// onlyPolicy is the one SharedMemoryPolicy in documents, and where it stands.
func onlyPolicy(name string, documents []*manifest.Document) (*v1alpha1.SharedMemoryPolicy, string, error) {
	var objects []manifest.Object
	for _, d := range documents {
		more, err := d.Objects()
		if err != nil {
			return nil, "", fmt.Errorf("--policy: %w", err)
		}
		objects = append(objects, more...)
	}
	objects = slices.DeleteFunc(objects, func(o manifest.Object) bool {
		return o.Kind != v1alpha1.Kind || o.APIVersion != v1alpha1.GroupVersion.String()
	})
	if len(objects) == 0 {
		return nil, "", fmt.Errorf("--policy: %s holds no %s of %s: name a file that holds one", shown(name), v1alpha1.Kind, v1alpha1.GroupVersion)
	}
	if len(objects) > 1 {
		names := make([]string, len(objects))
		for i, o := range objects {
			names[i] = shown(o.Name)
		}
		return nil, "", fmt.Errorf("--policy: %s holds %d policies, %s: name a file that holds one", shown(name), len(objects), strings.Join(names, ", "))
	}
	p := &v1alpha1.SharedMemoryPolicy{}
	if err := manifest.Decode(objects[0], p, true); err != nil {
		return nil, "", fmt.Errorf("--policy: %w", err)
	}
	return p, objects[0].Document.Source, nil
}
