package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// longestOverride bounds the text of an override: parsing is paid for by the API
// server's users, and no sensible value is longer.
const longestOverride = 32

// override applies the annotations by which a Pod's owner changes the size. What they ask for
// stays within the policy's min and max. What one of them asks for does not count if the
// policy does not allow it, if it does not fit the model or cannot be read, and under RaiseOnly
// if the size would be smaller: that is then reported, as a violation or under RaiseOnly as a
// warning. The policy has a model.
func (v *view) override(out *size) {
	annotations := v.subject.Pod.Metadata.Annotations
	if overridesIn(annotations) == "" {
		return
	}
	given := out.Size
	if files, changed := v.overriddenFiles(out); changed {
		out.Size = new(files.Size(v.policy.model.bounds))
	}
	v.overrideLimit(out)
	if out.Limit >= given.Limit && out.Minimum >= given.Minimum {
		return
	}
	if v.policy.overrides != v1alpha1.OverridesRaiseOnly {
		out.lowered = given.Limit
		out.warnings = append(out.warnings, fmt.Sprintf(
			"the annotations ask for a %s of %s, and policy %s would give %s: remove %s if that is not meant",
			v.policy.mountPath, out.Limit, quote(v.policy.name), given.Limit, overridesIn(annotations)))
		return
	}
	out.warnings = append(out.warnings, fmt.Sprintf(
		"the annotations ask for a %s of %s, less than the %s that policy %s gives, and are ignored: remove %s",
		v.policy.mountPath, out.Limit, given.Limit, quote(v.policy.name), overridesIn(annotations)))
	out.Size = given
}

// overrideNames are the annotations that change the size.
var overrideNames = [...]string{
	v1alpha1.AnnotationFilesPerMinute, v1alpha1.AnnotationRetention,
	v1alpha1.AnnotationFileSize, v1alpha1.AnnotationSizeLimit,
}

// overridesIn lists the annotations that change the size.
func overridesIn(annotations map[string]string) string {
	var names []string
	for _, name := range overrideNames {
		if _, found := annotations[name]; found {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func (v *view) overrideLimit(out *size) {
	text, found := v.overrideText(v1alpha1.AnnotationSizeLimit, out)
	if !found {
		return
	}
	limit, err := overrideBytes(text)
	if err != nil {
		v.rejectOverride(v1alpha1.AnnotationSizeLimit, text, err.Error(), out)
		return
	}
	limit = limit.RoundUp(sizing.MiB)
	b := v.policy.model.bounds
	switch {
	case limit >= b.Min && limit <= b.Max:
	case v.policy.overrides == v1alpha1.OverridesRaiseOnly:
		if limit > b.Max {
			out.warnings = append(out.warnings, fmt.Sprintf(
				"annotation %s asks for %s, and policy %s gives at most %s: ask the policy's administrator for more",
				v1alpha1.AnnotationSizeLimit, limit, quote(v.policy.name), b.Max))
		}
		limit = min(max(limit, b.Min), b.Max)
	default:
		v.rejectOverride(v1alpha1.AnnotationSizeLimit, text,
			fmt.Sprintf("is not from %s to %s, as policy %s asks", b.Min, b.Max, quote(v.policy.name)), out)
		return
	}
	out.Size = new(out.WithLimit(limit))
}

// overriddenFiles returns the files model with a Pod's overrides; changed is false
// if there are none that count.
func (v *view) overriddenFiles(out *size) (files sizing.Files, changed bool) {
	if v.policy.model.files != nil {
		files = *v.policy.model.files
	}
	rate := overrideFiles(v, v1alpha1.AnnotationFilesPerMinute, &files.CreatedPerMinute, parseRate, out)
	retention := overrideFiles(v, v1alpha1.AnnotationRetention, &files.Retention, parseRetention, out)
	fileSize := overrideFiles(v, v1alpha1.AnnotationFileSize, &files.FileSize, overrideBytes, out)
	return files, rate || retention || fileSize
}

// overrideFiles reports whether an annotation counts, and sets a term of the files model to what
// it asks for.
func overrideFiles[T any](v *view, name string, term *T, parse func(string) (T, error), out *size) bool {
	text, found := v.overrideText(name, out)
	if !found {
		return false
	}
	value, err := parse(text)
	switch {
	case v.policy.model.files == nil:
		v.rejectOverride(name, text, "has no effect, as policy "+quote(v.policy.name)+" counts no files", out)
	case err != nil:
		v.rejectOverride(name, text, err.Error(), out)
	default:
		*term = value
		return true
	}
	return false
}

// overrideText returns the value of an override annotation. found is false if it is
// absent, and if it does not count, which is then reported.
func (v *view) overrideText(name string, out *size) (text string, found bool) {
	text, found = v.subject.Pod.Metadata.Annotations[name]
	switch {
	case !found:
		return "", false
	case v.policy.overrides == v1alpha1.OverridesDenied:
		v.rejectOverride(name, text, "does not count, as policy "+quote(v.policy.name)+" has overrides: Denied", out)
		return "", false
	case len(text) > longestOverride:
		v.rejectOverride(name, text, fmt.Sprintf("must have at most %d characters", longestOverride), out)
		return "", false
	default:
		return text, true
	}
}

// rejectOverride reports an annotation that does not count.
func (v *view) rejectOverride(name, text, problem string, out *size) {
	remedy := "correct or remove the annotation"
	if v.policy.overrides == v1alpha1.OverridesDenied {
		remedy = "remove the annotation"
	}
	detail := fmt.Sprintf("annotation %s: %s %s: %s", name, quote(text), problem, remedy)
	if v.policy.overrides == v1alpha1.OverridesRaiseOnly {
		out.warnings = append(out.warnings, detail)
		return
	}
	out.invalid = append(out.invalid, Violation{Reason: InvalidOverride, Detail: detail})
}

// overridePattern is the part of the syntax of quantities that makes sense for
// bytes. It leaves out exponents: a large one takes long to read, and anyone who may
// create Pods could make every admission wait.
var overridePattern = regexp.MustCompile(`^[0-9]{1,18}([.][0-9]{1,9})?([KMGTP]i|[kMGTP])?$`)

// overrideBytes reads an amount that somebody wrote into an annotation.
func overrideBytes(text string) (sizing.Bytes, error) {
	problem := errors.New("must be a number of bytes or a quantity, such as 1500 or 512Mi")
	if !overridePattern.MatchString(text) {
		return 0, problem
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, problem
	}
	return fileSizeWithin(q)
}
