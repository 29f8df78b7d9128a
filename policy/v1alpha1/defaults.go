package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// SetDefaults fills in what an API server would, the defaults in the
// CustomResourceDefinition, and sizing.min, which depends on sizing.max. HeadroomPercent
// and Absent stay nil, as what they are then depends on the model.
func SetDefaults(p *SharedMemoryPolicy) {
	s := &p.Spec
	orElse(&s.Mode, Enforce)
	orElse(&s.MountPath, "/dev/shm")
	orElse(&s.Memory.Handling, MemoryRaise)
	orQuantity(&s.Memory.Reserve, "32Mi")
	orElse(&s.Existing, ExistingEnlarge)
	orElse(&s.HostShm, Allowed)
	orElse(&s.Mutation, MutationEnabled)
	orElse(&s.Overrides, OverridesRaiseOnly)
	orElse(&s.Exemptions, Denied)
	if s.Sizing != nil {
		setSizingDefaults(s.Sizing)
	}
}

func setSizingDefaults(s *Sizing) {
	orQuantity(&s.Max, "4Gi")
	if s.Min == nil {
		orQuantity(&s.Min, "64Mi")
		if s.Max.Cmp(*s.Min) < 0 {
			*s.Min = s.Max.DeepCopy()
		}
	}
	orQuantity(&s.PageSize, "4Ki")
	if f := s.Files; f != nil {
		orPointer(&f.Batch, 1)
		orElse(&f.OverflowProbability, "1e-6")
		orPointer(&f.SweepInterval, "5m")
		orElse(&f.Source, FilesDeclared)
	}
	if s.Fixed != nil {
		orPointer(&s.Fixed.ExpectedUsePercent, 100)
	}
	if s.MemoryPercent != nil {
		orPointer(&s.MemoryPercent.ExpectedUsePercent, 100)
	}
	if s.Units != nil {
		orPointer(&s.Units.ExpectedUsePercent, 100)
	}
}

func orElse[T comparable](field *T, value T) {
	var absent T
	if *field == absent {
		*field = value
	}
}

func orPointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func orQuantity(field **resource.Quantity, value string) {
	if *field == nil {
		q := resource.MustParse(value)
		*field = &q
	}
}
