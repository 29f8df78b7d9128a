// Package model computes a size from flags or from a policy, for the verbs that need no Pod.
package model

import (
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Model represents a policy with sizing to compute with.
type Model struct {
	// Name is the policy's name; empty for a model that flags describe.
	Name string
	// Workload and Formula say what flags describe, and how the required size comes about; empty for a files model
	// and for a policy.
	Workload, Formula string
	// Given is the sizing as it was given, without defaults.
	Given *v1alpha1.Sizing
	// Spec is the policy as it was given, with the defaults filled in.
	Spec v1alpha1.SharedMemoryPolicySpec
	// Compiled computes as the given one does, but matches every Pod, all of its containers,
	// changes nothing, and checks the memory even if the given one ignores it.
	Compiled policy.Policy
}

// New compiles a policy that has sizing. The errors are those of the policy as it was given.
func New(p *v1alpha1.SharedMemoryPolicy) (Model, field.ErrorList) {
	if _, found := policy.Compile(p); len(found) > 0 {
		return Model{}, found
	}
	m := Model{Name: p.Name, Given: p.Spec.Sizing}
	open := p.DeepCopy()
	v1alpha1.SetDefaults(open)
	m.Spec = *open.Spec.DeepCopy()
	open.Spec.Match, open.Spec.Exclude = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}, nil
	open.Spec.Writers = &v1alpha1.Writers{Names: []string{"*"}}
	open.Spec.Mutation = v1alpha1.MutationDisabled
	if open.Spec.Memory.Handling == v1alpha1.MemoryIgnore {
		open.Spec.Memory.Handling = v1alpha1.MemoryRequire
	}
	var found field.ErrorList
	m.Compiled, found = policy.Compile(open)
	return m, found
}

// fromPolicy reads the one policy with sizing that --policy names: a built-in one, or that of
// a file.
func (m *Flags) fromPolicy(stdin io.Reader) (Model, error) {
	name := m.policy
	loaded, err := policyfile.Load([]string{name}, stdin)
	if err != nil {
		return Model{}, err
	}
	if len(loaded) > 1 {
		names := make([]string, len(loaded))
		for i, l := range loaded {
			names[i] = cli.Quote(l.Compiled.Name())
		}
		return Model{}, fmt.Errorf("--policy: %s holds %d policies, %s: name a file that holds one", cli.Quote(cli.SourceOf(name)), len(loaded), strings.Join(names, ", "))
	}
	if loaded[0].Source.Spec.Sizing == nil {
		return Model{}, fmt.Errorf("--policy: %s has no sizing and only checks what is mounted: name a policy with sizing", cli.Quote(loaded[0].Compiled.Name()))
	}
	source, err := m.withCount(loaded[0].Source)
	if err != nil {
		return Model{}, err
	}
	out, found := New(source)
	return out, found.ToAggregate()
}

// Subject returns a Pod of one container that mounts a volume of the given size.
func (m Model) Subject(volume, memoryLimit sizing.Bytes) policy.Subject {
	container := corev1.Container{
		Name:         "app",
		VolumeMounts: []corev1.VolumeMount{{Name: "dev-shm", MountPath: m.Spec.MountPath}},
	}
	if memoryLimit > 0 {
		container.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: *memoryLimit.Quantity()}
	}
	return policy.Subject{Kind: "Pod", Name: "app", Pod: policy.ViewOf(&metav1.ObjectMeta{Name: "app"}, &corev1.PodSpec{
		Containers: []corev1.Container{container},
		Volumes: []corev1.Volume{{Name: "dev-shm", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: volume.Quantity()},
		}}},
	})}
}

// Describe returns a files model in a line.
func (m Model) Describe() string {
	f := m.Spec.Sizing.Files
	text := fmt.Sprintf("%s files a minute of %s B", f.CreatedPerMinute, human.Count(int64(sizing.BytesOf(f.FileSize))))
	if *f.Batch > 1 {
		text += fmt.Sprintf(", %s at once", human.Count(int64(*f.Batch)))
	}
	if f.Retention == nil {
		return text + ", never deleted"
	}
	return text + fmt.Sprintf(", kept %s, old ones deleted every %s", *f.Retention, *f.SweepInterval)
}

// Files returns the files model; nil for a policy with another one.
func (m Model) Files() *v1alpha1.Files { return m.Spec.Sizing.Files }
