package scan

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// ShippedLibrary returns the policies that ship, for a cluster that pulls its images from mirrors.
// An error says that the program was built from files that are not policies.
func ShippedLibrary(mirrors policy.Mirrors) (audit.Library, error) {
	var compiled []policy.Policy
	for _, file := range policies.All() {
		var p v1alpha1.SharedMemoryPolicy
		if err := yaml.UnmarshalStrict(file.YAML, &p); err != nil {
			return audit.Library{}, fmt.Errorf("policy %q of the library: %w", file.Name, err)
		}
		c, errs := policy.Compile(&p)
		if len(errs) > 0 {
			return audit.Library{}, fmt.Errorf("policy %q of the library: %w", file.Name, errs.ToAggregate())
		}
		compiled = append(compiled, c)
	}
	return audit.NewLibrary(mirrors, compiled...)
}
