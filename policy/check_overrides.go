package policy

// InvalidOverride: an annotation that would change the size (shmkeeper.dev/
// files-per-minute, /retention, /file-size or /size-limit) is not allowed by the
// policy, does not fit its model, cannot be read, or asks for a size outside
// sizing.min and sizing.max. The other checks go by the size without it. A policy with
// overrides: RaiseOnly ignores such an annotation with a warning.
func checkOverrides(v *view) []Violation { return v.size.invalid }
