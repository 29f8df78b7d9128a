package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// longestOverride bounds the text of an override: parsing is paid for by the API
// server's users, and no sensible value is longer.
const longestOverride = 32

// override applies the annotations by which a Pod's owner changes the size. What
// they ask for is bounded by the policy's min and max; one that is not allowed,
// does not fit the model or cannot be read changes nothing and is reported.
func (p *compiled) override(annotations map[string]string, out *sized) {
	if len(annotations) == 0 {
		return
	}
	files, changed := p.overriddenFiles(annotations, out)
	if changed {
		out.Size = files.size(p.sizing.bounds)
	}
	text, found := p.overrideText(annotations, v1alpha1.AnnotationSizeLimit, out)
	if !found {
		return
	}
	limit, err := overrideBytes(text)
	if err != nil {
		p.rejectOverride(v1alpha1.AnnotationSizeLimit, text, err.Error(), out)
		return
	}
	limit = limit.RoundUp(MiB)
	if limit < p.sizing.min || limit > p.sizing.max {
		p.rejectOverride(v1alpha1.AnnotationSizeLimit, text,
			fmt.Sprintf("must be within the policy's min %s and max %s", p.sizing.min, p.sizing.max), out)
		return
	}
	out.Size = p.sizing.withLimit(out.Size, limit, limit)
}

// overriddenFiles is the files model with a Pod's overrides; changed is false
// where there are none that count.
func (p *compiled) overriddenFiles(annotations map[string]string, out *sized) (files filesModel, changed bool) {
	if p.sizing.files != nil {
		files = *p.sizing.files
	}
	for _, o := range [...]struct {
		annotation string
		set        func(text string) error
	}{
		{v1alpha1.AnnotationFilesPerMinute, func(text string) (err error) {
			return assign(&files.createdPerMinute, text, parseRate)
		}},
		{v1alpha1.AnnotationRetention, func(text string) (err error) {
			return assign(&files.retention, text, parseRetention)
		}},
		{v1alpha1.AnnotationFileSize, func(text string) (err error) {
			return assign(&files.fileSize, text, overrideBytes)
		}},
	} {
		text, found := p.overrideText(annotations, o.annotation, out)
		if !found {
			continue
		}
		if p.sizing.files == nil {
			p.rejectOverride(o.annotation, text, "has no effect on a policy without sizing.files: use "+v1alpha1.AnnotationSizeLimit, out)
			continue
		}
		if err := o.set(text); err != nil {
			p.rejectOverride(o.annotation, text, err.Error(), out)
			continue
		}
		changed = true
	}
	return files, changed
}

// assign sets a field to what a text stands for, and leaves it where it stands
// for nothing.
func assign[T any](target *T, text string, parse func(string) (T, error)) error {
	value, err := parse(text)
	if err == nil {
		*target = value
	}
	return err
}

// overrideText is the value of an override annotation. found is false where it is
// absent, and where it does not count, which is then reported.
func (p *compiled) overrideText(annotations map[string]string, name string, out *sized) (text string, found bool) {
	text, found = annotations[name]
	switch {
	case !found:
		return "", false
	case !p.overrides:
		p.rejectOverride(name, text, "is not allowed: the policy has overrides: Denied", out)
		return "", false
	case len(text) > longestOverride:
		p.rejectOverride(name, text, fmt.Sprintf("must have at most %d characters", longestOverride), out)
		return "", false
	default:
		return text, true
	}
}

func (p *compiled) rejectOverride(name, text, problem string, out *sized) {
	out.invalid = append(out.invalid, Violation{
		Reason: InvalidOverride,
		Detail: fmt.Sprintf("annotation %s: %s %s; mend or remove the annotation", name, quote(text), problem),
	})
}

// overridePattern is the part of the syntax of quantities that makes sense for
// bytes. It leaves out exponents: a large one takes long to read, and whoever may
// create Pods could make every admission wait.
var overridePattern = regexp.MustCompile(`^[0-9]{1,18}([.][0-9]{1,9})?([KMGTP]i|[kMGTP])?$`)

func overrideBytes(text string) (Bytes, error) {
	errUnreadable := errors.New("must be a number of bytes or a quantity, such as 1500 or 512Mi")
	if !overridePattern.MatchString(text) {
		return 0, errUnreadable
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, errUnreadable
	}
	return fileSizeWithin(q)
}

// quote quotes a value for a message and shortens a long one.
func quote(text string) string {
	const longest = 64
	if len(text) > longest {
		return strconv.Quote(text[:longest]) + "..."
	}
	return strconv.Quote(text)
}
