package v1alpha1

// Labels and annotations of shmkeeper. A Pod's owner writes the override and
// exemption annotations, and a policy says whether they count; shmkeeper
// writes the other two.
const (
	// LabelMode opts a namespace in. Its value is audit, warn or enforce.
	LabelMode = "shmkeeper.dev/mode"

	// AnnotationPolicy names the policy that a mutated Pod was sized by.
	AnnotationPolicy = "shmkeeper.dev/policy"
	// AnnotationInjected holds, as JSON, what a mutation added to the Pod.
	AnnotationInjected = "shmkeeper.dev/injected"
	// AnnotationExempt carries the reason why a Pod is to be left alone.
	AnnotationExempt = "shmkeeper.dev/exempt"

	// AnnotationFilesPerMinute overrides sizing.files.createdPerMinute.
	AnnotationFilesPerMinute = "shmkeeper.dev/files-per-minute"
	// AnnotationRetention overrides sizing.files.retention.
	AnnotationRetention = "shmkeeper.dev/retention"
	// AnnotationFileSize overrides sizing.files.fileSize.
	AnnotationFileSize = "shmkeeper.dev/file-size"
	// AnnotationSizeLimit replaces the computed size, whatever the model.
	AnnotationSizeLimit = "shmkeeper.dev/size-limit"

	// AnnotationDescription says in one line what a policy is for.
	AnnotationDescription = "shmkeeper.dev/description"
	// AnnotationSource says where a policy's figures are from.
	AnnotationSource = "shmkeeper.dev/source"
)
