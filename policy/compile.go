package policy

import (
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Policy is a SharedMemoryPolicy that has been found valid. It is made by Compile
// alone, is immutable, and may be shared.
type Policy struct {
	*compiled
}

type compiled struct {
	name     string
	priority int32
	mode     v1alpha1.Mode

	match, exclude matcher
	anchors        []anchor
	containers     []glob
	containerNames []string

	mountPath  string
	sizing     sizing
	memory     v1alpha1.MemoryHandling
	existing   v1alpha1.ExistingHandling
	restricted bool
	mutates    bool
	overrides  bool
	exemptions bool
}

// Name is the policy's name.
func (p Policy) Name() string { return p.name }

// Mode is the most that the policy does.
func (p Policy) Mode() v1alpha1.Mode { return p.mode }

// MountPath is where the policy wants the volume, as a cleaned path.
func (p Policy) MountPath() string { return p.mountPath }

// Size is the size that the policy gives a Pod without overrides. ok is false for
// a model that needs a Pod to compute it: memoryPercent, and units counted from
// an annotation or a resource.
func (p Policy) Size() (s Size, ok bool) {
	if p.sizing.fixed == nil {
		return Size{}, false
	}
	return *p.sizing.fixed, true
}

// Compile checks a policy and makes it ready for decisions, with the defaults
// that an API server would have filled in. It changes nothing in its argument.
// The errors are all that is wrong; a Policy is valid only where there are none.
// Each error that CEL also finds has the field and the words that the rule in the
// CustomResourceDefinition has.
func Compile(source *v1alpha1.SharedMemoryPolicy) (Policy, field.ErrorList) {
	p := source.DeepCopy()
	v1alpha1.SetDefaults(p)
	var c compiler
	spec := field.NewPath("spec")
	c.name(p.Name)

	out := &compiled{name: p.Name, priority: p.Spec.Priority, mode: p.Spec.Mode}
	oneOf(&c, spec.Child("mode"), p.Spec.Mode, v1alpha1.Audit, v1alpha1.Enforce, v1alpha1.Warn)
	out.mountPath = c.mountPath(spec.Child("mountPath"), p.Spec.MountPath)
	out.match = c.matcher(spec.Child("match"), &p.Spec.Match, out.mountPath)
	if !anyGiven(&p.Spec.Match) {
		c.invalid(spec.Child("match"), field.OmitValueType{}, "must have at least one of podSelector, namespaceSelector, images and tmpfsPaths: add the one that recognises the workload")
	}
	if p.Spec.Exclude != nil {
		out.exclude = c.matcher(spec.Child("exclude"), p.Spec.Exclude, out.mountPath)
	}
	out.anchors = anchors(&p.Spec.Match, out.match.images)
	out.containers = c.containers(spec.Child("containers"), p.Spec.Containers)
	out.containerNames = p.Spec.Containers
	out.sizing = c.sizing(spec.Child("sizing"), &p.Spec.Sizing)

	oneOf(&c, spec.Child("memory"), p.Spec.Memory, v1alpha1.MemoryIgnore, v1alpha1.MemoryRaise, v1alpha1.MemoryRequire)
	oneOf(&c, spec.Child("existing"), p.Spec.Existing, v1alpha1.ExistingKeep, v1alpha1.ExistingResize)
	oneOf(&c, spec.Child("bindMountOptions"), p.Spec.BindMountOptions, v1alpha1.BindMountNever, v1alpha1.BindMountRestricted)
	oneOf(&c, spec.Child("mutation"), p.Spec.Mutation, v1alpha1.MutationDisabled, v1alpha1.MutationEnabled)
	oneOf(&c, spec.Child("overrides"), p.Spec.Overrides, v1alpha1.Allowed, v1alpha1.Denied)
	oneOf(&c, spec.Child("exemptions"), p.Spec.Exemptions, v1alpha1.Allowed, v1alpha1.Denied)
	out.memory, out.existing = p.Spec.Memory, p.Spec.Existing
	out.restricted = p.Spec.BindMountOptions == v1alpha1.BindMountRestricted
	out.mutates = p.Spec.Mutation == v1alpha1.MutationEnabled
	out.overrides = p.Spec.Overrides == v1alpha1.Allowed
	out.exemptions = p.Spec.Exemptions == v1alpha1.Allowed

	if len(c.errs) > 0 {
		return Policy{}, c.errs
	}
	return Policy{out}, nil
}

// compiler collects what is wrong.
type compiler struct{ errs field.ErrorList }

func (c *compiler) invalid(at *field.Path, value any, message string) {
	c.errs = append(c.errs, field.Invalid(at, value, message))
}

func (c *compiler) name(name string) {
	at := field.NewPath("metadata", "name")
	if name == "" {
		c.errs = append(c.errs, field.Required(at, "a policy needs a name: add one, such as session-stores"))
		return
	}
	for _, problem := range validation.NameIsDNSSubdomain(name, false) {
		c.invalid(at, name, problem)
	}
}

func oneOf[T ~string](c *compiler, at *field.Path, value T, valid ...T) {
	for _, v := range valid {
		if v == value {
			return
		}
	}
	c.errs = append(c.errs, field.NotSupported(at, value, valid))
}

func (c *compiler) mountPath(at *field.Path, p string) string {
	if c.tooLong(at, p, 255) {
		return p
	}
	ok := strings.HasPrefix(p, "/") && p != "/"
	for _, part := range strings.Split(strings.TrimPrefix(p, "/"), "/") {
		ok = ok && part != "" && part[0] != '.' && strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
	}
	if !ok || path.Clean(p) != p {
		c.invalid(at, p, "must be an absolute path without empty, . or .. parts, such as /dev/shm")
	}
	return p
}

func anyGiven(m *v1alpha1.Match) bool {
	return m.PodSelector != nil || m.NamespaceSelector != nil || m.Images != nil || m.TmpfsPaths != ""
}

func (c *compiler) matcher(at *field.Path, m *v1alpha1.Match, mountPath string) matcher {
	out := matcher{
		pods:       c.selector(at.Child("podSelector"), m.PodSelector),
		namespaces: c.selector(at.Child("namespaceSelector"), m.NamespaceSelector),
		images:     c.images(at.Child("images"), m.Images),
	}
	if m.TmpfsPaths != "" {
		oneOf(c, at.Child("tmpfsPaths"), m.TmpfsPaths, v1alpha1.TmpfsPathsDetect)
		out.tmpfsPath = mountPath
	}
	return out
}

func (c *compiler) selector(at *field.Path, s *metav1.LabelSelector) labels.Selector {
	if s == nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		c.invalid(at, field.OmitValueType{}, err.Error()+": mend the selector as the message says")
		return nil
	}
	return selector
}

func (c *compiler) images(at *field.Path, patterns []string) []glob {
	if patterns == nil {
		return nil
	}
	c.listLength(at, len(patterns), 64)
	globs := make([]glob, 0, len(patterns))
	for i, pattern := range patterns {
		if c.repeats(at, patterns, i) || c.tooLong(at.Index(i), pattern, 255) {
			continue
		}
		colon := strings.LastIndexByte(pattern, ':')
		if pattern == "" || strings.Contains(pattern, "@") || colon >= 0 && !strings.Contains(pattern[colon:], "/") {
			c.invalid(at.Index(i), pattern, "must be a repository without tag or digest, such as ghcr.io/goauthentik/proxy")
			continue
		}
		g, err := imageGlob(pattern)
		if err != nil {
			c.badGlob(at.Index(i), pattern)
			continue
		}
		globs = append(globs, g)
	}
	return globs
}

func (c *compiler) containers(at *field.Path, patterns []string) []glob {
	c.listLength(at, len(patterns), 32)
	globs := make([]glob, 0, len(patterns))
	for i, pattern := range patterns {
		if c.repeats(at, patterns, i) || c.tooLong(at.Index(i), pattern, 63) {
			continue
		}
		if pattern == "" {
			c.invalid(at.Index(i), pattern, "must not be empty: write a container's name, or * for all")
			continue
		}
		g, err := newGlob(pattern)
		if err != nil {
			c.badGlob(at.Index(i), pattern)
			continue
		}
		globs = append(globs, g)
	}
	return globs
}

func (c *compiler) badGlob(at *field.Path, pattern string) {
	c.invalid(at, pattern, "is not a glob: close the bracket, or put a backslash before it")
}

// The next three repeat what the schema of the CustomResourceDefinition says
// without CEL.

func (c *compiler) tooLong(at *field.Path, value string, most int) bool {
	if utf8.RuneCountInString(value) <= most {
		return false
	}
	c.errs = append(c.errs, field.TooLongCharacters(at, value, most))
	return true
}

func (c *compiler) listLength(at *field.Path, n, most int) {
	switch {
	case n == 0:
		c.invalid(at, n, "must have at least one entry: add one, or leave the field out")
	case n > most:
		c.errs = append(c.errs, field.TooMany(at, n, most))
	}
}

func (c *compiler) repeats(at *field.Path, list []string, i int) bool {
	for _, earlier := range list[:i] {
		if earlier == list[i] {
			c.errs = append(c.errs, field.Duplicate(at.Index(i), list[i]))
			return true
		}
	}
	return false
}

const most = 1 << 50 // 1Pi, the largest amount that a policy may name

func (c *compiler) sizing(at *field.Path, s *v1alpha1.Sizing) sizing {
	given := 0
	for _, is := range []bool{s.Files != nil, s.Fixed != nil, s.MemoryPercent != nil, s.Units != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		c.invalid(at, field.OmitValueType{}, "must have exactly one of files, fixed, memoryPercent and units: keep the model that describes the workload")
	}

	out := sizing{bounds: c.bounds(at, s)}
	if s.Files != nil {
		files := c.files(at.Child("files"), s.Files)
		out.files = &files
	}
	if s.Fixed != nil {
		out.plain = c.quantity(at.Child("fixed"), s.Fixed, 1, "must be greater than 0 and at most 1Pi, such as 1Gi")
	}
	if s.MemoryPercent != nil {
		c.within(at.Child("memoryPercent"), *s.MemoryPercent, 1, 100)
		out.memoryPercent = int64(*s.MemoryPercent)
	}
	if s.Units != nil {
		units := c.units(at.Child("units"), s.Units)
		out.units = &units
	}
	if len(c.errs) == 0 {
		out.precompute()
	}
	return out
}

func (c *compiler) bounds(at *field.Path, s *v1alpha1.Sizing) bounds {
	const wholeMiB = "must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi"
	mib := func(name string, q resource.Quantity) Bytes {
		if q.Sign() > 0 && q.Cmp(*resource.NewQuantity(most, resource.BinarySI)) <= 0 && BytesOf(q)%MiB == 0 && q.Cmp(*BytesOf(q).Quantity()) == 0 {
			return BytesOf(q)
		}
		c.invalid(at.Child(name), q.String(), wholeMiB)
		return MiB
	}
	b := bounds{min: mib("min", *s.Min), max: mib("max", *s.Max)}
	if s.Min.Cmp(*s.Max) > 0 {
		c.invalid(at, field.OmitValueType{}, "min must not be greater than max: lower min or raise max")
	}
	switch {
	case s.HeadroomPercent != nil:
		c.within(at.Child("headroomPercent"), *s.HeadroomPercent, 0, 1000)
		b.headroom = int64(*s.HeadroomPercent)
	case s.Files != nil:
		b.headroom = DefaultFilesHeadroom
	}
	for _, b.pageSize = range [...]Bytes{64 * KiB, 16 * KiB, 4 * KiB} {
		if s.PageSize.Cmp(*b.pageSize.Quantity()) == 0 {
			return b
		}
	}
	c.invalid(at.Child("pageSize"), s.PageSize.String(), "must be 4Ki, 16Ki or 64Ki")
	return b
}

// DefaultFilesHeadroom is sizing.headroomPercent of a files model that names none.
const DefaultFilesHeadroom = 25

func (c *compiler) quantity(at *field.Path, q *resource.Quantity, least int64, message string) Bytes {
	if q == nil {
		return 0
	}
	if q.Sign() < 0 || q.Cmp(*resource.NewQuantity(most, resource.BinarySI)) > 0 || least > 0 && q.Sign() == 0 {
		c.invalid(at, q.String(), message)
		return Bytes(least)
	}
	return BytesOf(*q)
}

func (c *compiler) within(at *field.Path, n, least, most int32) {
	if n < least || n > most {
		c.invalid(at, n, fmt.Sprintf("must be from %d to %d", least, most))
	}
}

func (c *compiler) files(at *field.Path, f *v1alpha1.Files) filesModel {
	var out filesModel
	var err error
	rate := at.Child("createdPerMinute")
	if !c.tooLong(rate, f.CreatedPerMinute, 32) {
		if out.createdPerMinute, err = parseRate(f.CreatedPerMinute); err != nil {
			c.invalid(rate, f.CreatedPerMinute, err.Error())
		}
	}
	c.within(at.Child("batch"), *f.Batch, 1, 1_000_000)
	out.batch = int64(*f.Batch)
	if f.Retention != nil {
		out.retention = c.duration(at.Child("retention"), *f.Retention, parseRetention)
	}
	out.sweepInterval = c.duration(at.Child("sweepInterval"), *f.SweepInterval, parseInterval)
	if out.fileSize, err = fileSizeWithin(f.FileSize); err != nil {
		c.invalid(at.Child("fileSize"), f.FileSize.String(), err.Error())
	}
	probability := at.Child("overflowProbability")
	if !c.tooLong(probability, f.OverflowProbability, 24) {
		if out.overflowProbability, err = parseProbability(f.OverflowProbability); err != nil {
			c.invalid(probability, f.OverflowProbability, err.Error())
		}
	}
	return out
}

func (c *compiler) duration(at *field.Path, d v1alpha1.Duration, parse func(string) (time.Duration, error)) time.Duration {
	if c.tooLong(at, string(d), 20) {
		return 0
	}
	parsed, err := parse(string(d))
	if err != nil {
		c.invalid(at, string(d), err.Error())
	}
	return parsed
}

func (c *compiler) units(at *field.Path, u *v1alpha1.Units) unitsModel {
	out := unitsModel{
		base: c.quantity(at.Child("base"), u.Base, 0, "must be from 0 to 1Pi, such as 40Mi"),
		each: c.quantity(at.Child("each"), &u.Each, 1, "must be greater than 0 and at most 1Pi, such as 64Mi"),
	}
	from, path := u.CountFrom, at.Child("countFrom")
	given := 0
	if from.Annotation != nil {
		given++
		out.annotation = c.key(path.Child("annotation"), *from.Annotation, "must be the name of an annotation, such as frigate/cameras")
	}
	if from.Resource != nil {
		given++
		out.resource = c.key(path.Child("resource"), *from.Resource, "must be the name of a resource, such as nvidia.com/gpu")
	}
	if from.Literal != nil {
		given++
		c.within(path.Child("literal"), *from.Literal, 1, 1_000_000)
		out.literal = int64(*from.Literal)
	}
	if given != 1 {
		c.invalid(path, field.OmitValueType{}, "must have exactly one of annotation, resource and literal: keep the one that holds the count")
	}
	return out
}

func (c *compiler) key(at *field.Path, name, message string) string {
	if name == "" {
		c.invalid(at, name, message)
	}
	c.tooLong(at, name, 317)
	return name
}
