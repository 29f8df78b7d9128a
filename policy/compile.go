package policy

import (
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Policy is a SharedMemoryPolicy that has been found valid. It is made by Compile
// alone, is immutable, and may be shared. The zero Policy matches nothing, and has no name and no size.
type Policy struct {
	*compiled
}

// orNothing returns what was compiled, for the zero Policy too.
func (p Policy) orNothing() *compiled {
	if p.compiled == nil {
		return &compiled{}
	}
	return p.compiled
}

type compiled struct {
	name     string
	priority int32
	mode     v1alpha1.Mode

	match, exclude []matcher
	writers        []glob
	writerNames    []string
	mountPath      string
	// model is nil for a policy that only checks what is mounted.
	model *model

	memory           v1alpha1.MemoryHandling
	reserve          sizing.Bytes
	existing         v1alpha1.ExistingHandling
	hostShm          v1alpha1.Permission
	bindMountOptions []string
	mutation         bool
	overrides        v1alpha1.OverrideHandling
	exemptions       bool
}

// Name returns the policy's name.
func (p Policy) Name() string { return p.orNothing().name }

// Mode returns the most that the policy does.
func (p Policy) Mode() v1alpha1.Mode { return p.orNothing().mode }

// MountPath returns where the policy wants the volume, as a cleaned path.
func (p Policy) MountPath() string { return p.orNothing().mountPath }

// Size returns the size that the policy gives a Pod without annotations. ok is false for
// a model that needs a Pod to compute it (memoryPercent, and units counted from
// an annotation or resources), and for a policy without sizing.
func (p Policy) Size() (s sizing.Size, ok bool) {
	m := p.orNothing().model
	if m == nil || m.podIndependent == nil {
		return sizing.Size{}, false
	}
	return *m.podIndependent, true
}

// SizeWarning returns the field that keeps the size that the policy gives from being enough, and a
// sentence about it that ends in the remedy; both are empty if it is enough, or depends on the Pod.
func (p Policy) SizeWarning() (field, message string) {
	s, ok := p.Size()
	if !ok || s.Shortfall(s.Limit) == "" {
		return "", ""
	}
	field, remedy := "spec.sizing.max", "raise sizing.max"
	switch {
	case !s.Bounded:
		field, remedy = "spec.sizing.files", "delete old files, and set sizing.files.retention to how old they get"
	case s.PeakFiles > 0:
		remedy += ", or shorten sizing.files.retention"
	}
	return field, s.Shortfall(s.Limit) + ": " + remedy
}

// mutates reports whether the policy changes Pods.
func (p *compiled) mutates() bool { return p.mutation && p.model != nil }

// handling returns what happens to the memory of the writers.
func (p *compiled) handling() v1alpha1.MemoryHandling {
	if p.model == nil {
		return v1alpha1.MemoryRequire
	}
	return p.memory
}

// Compile checks a policy and makes it ready for evaluations, with the defaults
// that an API server would have filled in. It changes nothing in its argument.
// The errors are all that is wrong; a Policy is valid only if there are none.
// Each error that CEL also finds has the field and the words that the rule in the
// CustomResourceDefinition has.
func Compile(source *v1alpha1.SharedMemoryPolicy) (Policy, field.ErrorList) {
	p := source.DeepCopy()
	v1alpha1.SetDefaults(p)
	var c compiler
	at := field.NewPath("spec")
	c.name(p.Name)

	out := &compiled{name: p.Name, priority: p.Spec.Priority, mode: p.Spec.Mode}
	oneOf(&c, at.Child("mode"), p.Spec.Mode, v1alpha1.Audit, v1alpha1.Enforce, v1alpha1.Warn)
	out.mountPath = c.mountPath(at.Child("mountPath"), p.Spec.MountPath)
	if p.Spec.Match == nil {
		c.errs = append(c.errs, field.Required(at.Child("match"), "add an entry that recognizes the workload"))
	} else {
		c.listLength(at.Child("match"), len(p.Spec.Match), 32)
	}
	out.match = c.matchers(at.Child("match"), p.Spec.Match)
	if len(p.Spec.Exclude) > 32 {
		c.errs = append(c.errs, field.TooMany(at.Child("exclude"), len(p.Spec.Exclude), 32))
	}
	out.exclude = c.matchers(at.Child("exclude"), p.Spec.Exclude)
	if p.Spec.Writers != nil && p.Spec.Writers.Names != nil {
		out.writerNames = p.Spec.Writers.Names
		out.writers = c.writers(at.Child("writers", "names"), p.Spec.Writers.Names)
	}
	if p.Spec.Sizing != nil {
		out.model = c.sizing(at.Child("sizing"), p.Spec.Sizing, source.Spec.Sizing.Min != nil)
	}

	memory := at.Child("memory")
	oneOf(&c, memory.Child("handling"), p.Spec.Memory.Handling, v1alpha1.MemoryIgnore, v1alpha1.MemoryRaise, v1alpha1.MemoryRequire)
	out.memory = p.Spec.Memory.Handling
	out.reserve = c.quantity(memory.Child("reserve"), p.Spec.Memory.Reserve, 0, "must be from 0 to 1Pi, such as 32Mi")
	oneOf(&c, at.Child("existing"), p.Spec.Existing, v1alpha1.ExistingEnlarge, v1alpha1.ExistingLeave, v1alpha1.ExistingRequire, v1alpha1.ExistingSetLimit)
	oneOf(&c, at.Child("hostShm"), p.Spec.HostShm, v1alpha1.Allowed, v1alpha1.Denied)
	oneOf(&c, at.Child("mutation"), p.Spec.Mutation, v1alpha1.MutationDisabled, v1alpha1.MutationEnabled)
	oneOf(&c, at.Child("overrides"), p.Spec.Overrides, v1alpha1.OverridesAllowed, v1alpha1.OverridesDenied, v1alpha1.OverridesRaiseOnly)
	oneOf(&c, at.Child("exemptions"), p.Spec.Exemptions, v1alpha1.Allowed, v1alpha1.Denied)
	out.existing, out.hostShm, out.overrides = p.Spec.Existing, p.Spec.HostShm, p.Spec.Overrides
	out.bindMountOptions = c.bindMountOptions(at.Child("bindMountOptions"), p.Spec.BindMountOptions)
	out.mutation = p.Spec.Mutation == v1alpha1.MutationEnabled
	out.exemptions = p.Spec.Exemptions == v1alpha1.Allowed

	if len(c.errs) > 0 {
		return Policy{}, c.errs
	}
	if s := p.Spec.Sizing; s != nil && s.Files != nil && s.Files.Source == v1alpha1.FilesObserved {
		out.model.observe(p.Status.Observed, s.Files.ObservedFloor)
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
	if !mountPathPattern.MatchString(p) {
		c.invalid(at, p, "must be an absolute path without empty, . or .. parts, such as /dev/shm")
	}
	hides := slices.Contains([]string{"/dev", "/etc", "/usr", "/var", "/run", "/var/run"}, p)
	for _, dir := range [...]string{"/proc", "/sys", "/run/secrets", "/var/run/secrets"} {
		hides = hides || isUnder(p, dir)
	}
	if hides {
		c.invalid(at, p, "must not hide a directory that every container needs: choose a path such as /dev/shm or /cache")
	}
	return p
}

func (c *compiler) matchers(at *field.Path, entries []v1alpha1.Match) []matcher {
	out := make([]matcher, len(entries))
	for i := range entries {
		out[i] = c.matcher(at.Index(i), &entries[i])
	}
	return out
}

func (c *compiler) matcher(at *field.Path, m *v1alpha1.Match) matcher {
	if m.PodSelector == nil && m.NamespaceSelector == nil && m.Images == nil && m.TmpfsPaths == "" && m.Mounted == nil {
		c.invalid(at, field.OmitValueType{}, "must have at least one of podSelector, namespaceSelector, images, tmpfsPaths and mounted: add the one that recognizes the workload")
	}
	out := matcher{
		pods:       c.selector(at.Child("podSelector"), m.PodSelector),
		namespaces: c.selector(at.Child("namespaceSelector"), m.NamespaceSelector),
		images:     c.images(at.Child("images"), m.Images),
	}
	if m.TmpfsPaths != "" {
		oneOf(c, at.Child("tmpfsPaths"), m.TmpfsPaths, v1alpha1.TmpfsPathsDetect)
		out.names = true
	}
	if m.Mounted != nil {
		if !*m.Mounted {
			c.invalid(at.Child("mounted"), *m.Mounted, "must be true: remove the field to match Pods that mount nothing as well")
		}
		out.mounted = true
	}
	out.keySets = keySets(m, out.images)
	return out
}

func (c *compiler) selector(at *field.Path, s *metav1.LabelSelector) labels.Selector {
	if s == nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		c.invalid(at, field.OmitValueType{}, err.Error()+": correct the selector")
		return nil
	}
	return selector
}

func (c *compiler) images(at *field.Path, patterns []string) []glob {
	return c.globs(at, patterns, 64, imageGlob, func(at *field.Path, pattern string) bool {
		if c.tooLong(at, pattern, 255) {
			return false
		}
		colon := strings.LastIndexByte(pattern, ':')
		if pattern == "" || strings.Contains(pattern, "@") || colon >= 0 && !strings.Contains(pattern[colon:], "/") {
			c.invalid(at, pattern, "must be a repository without tag or digest, such as ghcr.io/goauthentik/proxy")
			return false
		}
		return true
	})
}

func (c *compiler) writers(at *field.Path, patterns []string) []glob {
	return c.globs(at, patterns, 32, newGlob, func(at *field.Path, pattern string) bool {
		if c.tooLong(at, pattern, 63) {
			return false
		}
		if pattern == "" {
			c.invalid(at, pattern, "must not be empty: write a container's name, or * for all")
		}
		return pattern != ""
	})
}

// globs compiles a list of patterns, those that are valid.
func (c *compiler) globs(
	at *field.Path, patterns []string, most int,
	compile func(string) (glob, error), valid func(*field.Path, string) bool,
) []glob {
	if patterns == nil {
		return nil
	}
	c.listLength(at, len(patterns), most)
	out := make([]glob, 0, len(patterns))
	for i, pattern := range patterns {
		if !valid(at.Index(i), pattern) {
			continue
		}
		g, err := compile(pattern)
		if err != nil {
			c.invalid(at.Index(i), pattern, "is not a glob: close the bracket, or put a backslash before it")
			continue
		}
		out = append(out, g)
	}
	return out
}

// The next two repeat what the schema of the CustomResourceDefinition says
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

func (c *compiler) bindMountOptions(at *field.Path, options []v1alpha1.BindMountOption) []string {
	if options == nil {
		return nil
	}
	c.listLength(at, len(options), 3)
	out := make([]string, 0, len(options))
	twice := false
	for i, option := range options {
		oneOf(c, at.Index(i), option, v1alpha1.BindMountNoDev, v1alpha1.BindMountNoExec, v1alpha1.BindMountNoSUID)
		twice = twice || slices.Contains(out, string(option))
		out = append(out, string(option))
	}
	if twice {
		c.invalid(at, field.OmitValueType{}, "must not name an option twice: remove the second one")
	}
	return out
}
