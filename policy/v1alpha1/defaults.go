package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// SetDefaults fills in what an API server would: the same values as the
// defaults in the CustomResourceDefinition. HeadroomPercent has none there, as
// it depends on the model.
func SetDefaults(p *SharedMemoryPolicy) {
	s := &p.Spec
	orElse(&s.Mode, Enforce)
	orElse(&s.MountPath, "/dev/shm")
	orElse(&s.Memory, MemoryRaise)
	orElse(&s.Existing, ExistingResize)
	orElse(&s.BindMountOptions, BindMountNever)
	orElse(&s.Mutation, MutationEnabled)
	orElse(&s.Overrides, Allowed)
	orElse(&s.Exemptions, Denied)
	if s.Containers == nil {
		s.Containers = []string{"*"}
	}
	orQuantity(&s.Sizing.Min, "64Mi")
	orQuantity(&s.Sizing.Max, "4Gi")
	orQuantity(&s.Sizing.PageSize, "4Ki")
	if f := s.Sizing.Files; f != nil {
		if f.Batch == nil {
			one := int32(1)
			f.Batch = &one
		}
		orElse(&f.OverflowProbability, "1e-6")
		if f.SweepInterval == nil {
			d := Duration("5m")
			f.SweepInterval = &d
		}
	}
}

func orElse[T comparable](field *T, value T) {
	var absent T
	if *field == absent {
		*field = value
	}
}

func orQuantity(field **resource.Quantity, value string) {
	if *field == nil {
		q := resource.MustParse(value)
		*field = &q
	}
}
