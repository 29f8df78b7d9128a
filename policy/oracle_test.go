package policy_test

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The oracle says what is right without the engine: it is written from the rules of Kubernetes,
// of the kernel and of the project, in the plainest way, and calls nothing of package policy.

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
	// endless stands for a size that nothing bounds.
	endless = int64(math.MaxInt64)
	// runtimeShm is what a runtime mounts at /dev/shm if nobody mounts anything else.
	runtimeShm = 64 * mib
)

// Arithmetic.

func plus(a, b int64) int64 {
	if a+b < a {
		return endless
	}
	return a + b
}

func times(a, b int64) int64 {
	if a != 0 && b > endless/a {
		return endless
	}
	return a * b
}

func up(a, unit int64) int64 {
	if a > endless-unit {
		return endless - endless%unit
	}
	return (a + unit - 1) / unit * unit
}

func down(a, unit int64) int64 { return a / unit * unit }

// bytesOf reads a quantity: rounded up to whole bytes, none below 0.
func bytesOf(q resource.Quantity) int64 { return max(0, q.Value()) }

// The kernel.

// nodes returns how many page tree nodes a file of some pages has: one for each started 64 pages, one
// for each started 64 of these, up to a single root. A file of one page has none.
func nodes(pages int64) int64 {
	if pages <= 1 {
		return 0
	}
	var total int64
	for level := pages; level > 1; {
		level = (level + 63) / 64
		total += level
	}
	return total
}

// kernelOf returns the kernel memory of a file.
func kernelOf(size, page int64) int64 { return 1112 + 104 + 592*nodes((size+page-1)/page) }

// cost returns what a full tmpfs is charged, in bytes: itself and the kernel memory of the files of a
// size that fit in it, or of one file if the size is not known (0).
func cost(volume, file, page int64) int64 {
	switch {
	case volume <= 0:
		return 0
	case file == 0:
		return plus(volume, kernelOf(volume, page))
	}
	whole := volume / up(file, page) * kernelOf(file, page)
	return plus(volume, max(whole, kernelOf(min(file, volume), page)))
}

// The kubelet.

func memoryLimit(r *corev1.ResourceRequirements) int64 {
	return bytesOf(r.Limits[corev1.ResourceMemory])
}

// effectiveRequest returns the request, or the limit, which an API server makes the request.
func effectiveRequest(r *corev1.ResourceRequirements) int64 {
	if q, found := r.Requests[corev1.ResourceMemory]; found {
		return bytesOf(q)
	}
	return memoryLimit(r)
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// podSum adds up a figure over the containers as the scheduler and the kubelet do: regular containers
// and sidecars run together, an init container with the sidecars before it.
func podSum(pod *corev1.Pod, figure func(*corev1.ResourceRequirements) int64) int64 {
	var sidecars, starting int64
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		one := figure(&c.Resources)
		if isSidecar(c) {
			sidecars = plus(sidecars, one)
			one = 0
		}
		starting = max(starting, plus(sidecars, one))
	}
	running := sidecars
	for i := range pod.Spec.Containers {
		running = plus(running, figure(&pod.Spec.Containers[i].Resources))
	}
	return max(running, starting)
}

func anyNamesMemory(pod *corev1.Pod) bool {
	return slices.ContainsFunc(notEphemeral(pod), func(c *corev1.Container) bool {
		_, limited := c.Resources.Limits[corev1.ResourceMemory]
		_, requested := c.Resources.Requests[corev1.ResourceMemory]
		return limited || requested
	})
}

func eachIsLimited(pod *corev1.Pod) bool {
	return !slices.ContainsFunc(
		notEphemeral(pod),
		func(c *corev1.Container) bool { return memoryLimit(&c.Resources) == 0 },
	)
}

// podLimit returns the memory limit of the Pod's cgroup; 0 for none. (Newer API servers complete a
// pod-level request without a limit, if every container has one: to no less than their sum.)
func podLimit(pod *corev1.Pod) int64 {
	overhead := bytesOf(pod.Spec.Overhead[corev1.ResourceMemory])
	r := pod.Spec.Resources
	if r != nil && memoryLimit(r) > 0 {
		return plus(memoryLimit(r), overhead)
	}
	if !eachIsLimited(pod) {
		return 0
	}
	return plus(podSum(pod, memoryLimit), overhead)
}

// mountedSize returns the size with which the kubelet mounts a Memory emptyDir.
func mountedSize(pod *corev1.Pod, e *corev1.EmptyDirVolumeSource) int64 {
	size := endless
	if e.SizeLimit != nil && bytesOf(*e.SizeLimit) > 0 {
		size = bytesOf(*e.SizeLimit)
	}
	if limit := podLimit(pod); limit > 0 {
		size = min(size, limit)
	}
	return size
}

// Kubernetes' rules for Pods.

// qos returns the Pod's class: of the pod-level figures if there are any of CPU or memory, else of the
// containers'.
func qos(pod *corev1.Pod) corev1.PodQOSClass {
	var all []*corev1.ResourceRequirements
	if r := pod.Spec.Resources; r != nil && len(r.Limits)+len(r.Requests) > 0 {
		all = append(all, r)
	} else {
		for _, c := range notEphemeral(pod) {
			all = append(all, &c.Resources)
		}
	}
	some, guaranteed := false, true
	for _, r := range all {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit, request := r.Limits[name], r.Requests[name]
			if _, found := r.Requests[name]; !found {
				request = limit
			}
			some = some || !limit.IsZero() || !request.IsZero()
			guaranteed = guaranteed && !limit.IsZero() && limit.Cmp(request) == 0
		}
	}
	switch {
	case !some:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	default:
		return corev1.PodQOSBurstable
	}
}

// invalid returns why an API server would reject the Pod, as far as a change of volumes, mounts and
// memory figures can bring it about; "" if it would not.
func invalid(pod *corev1.Pod) string {
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		if volumes[v.Name] {
			return "volume " + v.Name + " is there twice"
		}
		volumes[v.Name] = true
		if e := v.EmptyDir; e != nil && e.SizeLimit != nil && e.SizeLimit.Sign() < 0 {
			return "volume " + v.Name + " has a negative size"
		}
	}
	names := map[string]bool{}
	for _, c := range everyContainer(pod) {
		if names[c.Name] {
			return "container " + c.Name + " is there twice"
		}
		names[c.Name] = true
		paths := map[string]bool{}
		for _, d := range c.VolumeDevices {
			if !volumes[d.Name] {
				return c.Name + " has a device of no volume: " + d.Name
			}
			paths[d.DevicePath] = true
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				return c.Name + " mounts no volume: " + m.Name
			}
			if m.MountPath == "" || paths[m.MountPath] {
				return c.Name + " uses the path twice: " + m.MountPath
			}
			paths[m.MountPath] = true
		}
		if why := invalidFigures(&c.Resources); why != "" {
			return c.Name + ": " + why
		}
	}
	r := pod.Spec.Resources
	if r == nil {
		return ""
	}
	if why := invalidFigures(r); why != "" {
		return "pod-level: " + why
	}
	if request, found := r.Requests[corev1.ResourceMemory]; found &&
		bytesOf(request) < podSum(pod, effectiveRequest) {
		return "pod-level request below the containers' together"
	}
	if limit := memoryLimit(r); limit > 0 {
		for _, c := range notEphemeral(pod) {
			if memoryLimit(&c.Resources) > limit {
				return c.Name + " has a limit above the pod-level one"
			}
		}
		if limit < podSum(pod, effectiveRequest) {
			return "pod-level limit below the containers' requests"
		}
	}
	return ""
}

func invalidFigures(r *corev1.ResourceRequirements) string {
	for name, request := range r.Requests {
		if limit, found := r.Limits[name]; found && request.Cmp(limit) > 0 {
			return "request of " + string(name) + " above its limit"
		}
	}
	for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
		for name, q := range list {
			if q.Sign() < 0 {
				return "negative " + string(name)
			}
		}
	}
	return ""
}

// Admission plugins.

// limitRanger returns why the LimitRanger plugin would reject the Pod, "" if it would not.
func limitRanger(pod *corev1.Pod, limitRanges []*corev1.LimitRange) string {
	for _, lr := range limitRanges {
		for _, item := range lr.Spec.Limits {
			switch item.Type {
			case corev1.LimitTypeContainer:
				for _, c := range notEphemeral(pod) {
					if why := outOfRange(&item, memoryLimit(&c.Resources), effectiveRequest(&c.Resources)); why != "" {
						return c.Name + ": " + why
					}
				}
			case corev1.LimitTypePod:
				if why := outOfRange(&item, podFigure(pod, memoryLimit), podFigure(pod, effectiveRequest)); why != "" {
					return "the Pod: " + why
				}
			}
		}
	}
	return ""
}

// podFigure returns a figure of the Pod as a whole: the pod-level one, or else the containers'.
func podFigure(pod *corev1.Pod, figure func(*corev1.ResourceRequirements) int64) int64 {
	if r := pod.Spec.Resources; r != nil {
		filled := pod.DeepCopy()
		fillIn(filled)
		if own := figure(filled.Spec.Resources); own > 0 {
			return own
		}
	}
	return podSum(pod, figure)
}

func outOfRange(item *corev1.LimitRangeItem, limit, request int64) string {
	if most, found := item.Max[corev1.ResourceMemory]; found &&
		(limit == 0 || limit > bytesOf(most)) {
		return "limit above max"
	}
	if least, found := item.Min[corev1.ResourceMemory]; found && request < bytesOf(least) {
		return "request below min"
	}
	if ratio, found := item.MaxLimitRequestRatio[corev1.ResourceMemory]; found {
		if request == 0 || limit == 0 ||
			float64(limit) > float64(request)*ratio.AsApproximateFloat64() {
			return "ratio above maxLimitRequestRatio"
		}
	}
	return ""
}

// overQuota reports whether the quota plugin would reject the Pod.
func overQuota(pod *corev1.Pod, quotas []*corev1.ResourceQuota) bool {
	overhead := bytesOf(pod.Spec.Overhead[corev1.ResourceMemory])
	for _, quota := range quotas {
		for name, hard := range quota.Status.Hard {
			if !specifies(pod, name) {
				return true
			}
			needs := plus(podFigure(pod, effectiveRequest), overhead)
			if name == corev1.ResourceLimitsMemory {
				needs = podFigure(pod, memoryLimit)
				if needs > 0 {
					needs = plus(needs, overhead)
				}
			}
			used := quota.Status.Used[name]
			if plus(bytesOf(used), needs) > bytesOf(hard) {
				return true
			}
		}
	}
	return false
}

// specifies reports whether each container has the figure that a quota counts, or the Pod as a whole.
func specifies(pod *corev1.Pod, name corev1.ResourceName) bool {
	if r := pod.Spec.Resources; r != nil && len(r.Limits)+len(r.Requests) > 0 {
		return true
	}
	return !slices.ContainsFunc(notEphemeral(pod), func(c *corev1.Container) bool {
		_, limited := c.Resources.Limits[corev1.ResourceMemory]
		_, requested := c.Resources.Requests[corev1.ResourceMemory]
		return !limited && (name == corev1.ResourceLimitsMemory || !requested)
	})
}

// Policies.

func mountPathOf(p *v1alpha1.SharedMemoryPolicy) string {
	if p.Spec.MountPath == "" {
		return "/dev/shm"
	}
	return p.Spec.MountPath
}

func handlingOf(p *v1alpha1.SharedMemoryPolicy) v1alpha1.MemoryHandling {
	if p.Spec.Sizing == nil || p.Spec.Memory.Handling == v1alpha1.MemoryRequire {
		return v1alpha1.MemoryRequire
	}
	if p.Spec.Memory.Handling == v1alpha1.MemoryIgnore {
		return v1alpha1.MemoryIgnore
	}
	return v1alpha1.MemoryRaise
}

func existingOf(p *v1alpha1.SharedMemoryPolicy) v1alpha1.ExistingHandling {
	if p.Spec.Existing == "" {
		return v1alpha1.ExistingEnlarge
	}
	return p.Spec.Existing
}

func reserveOf(p *v1alpha1.SharedMemoryPolicy) int64 {
	if p.Spec.Memory.Reserve == nil {
		return 32 * mib
	}
	return bytesOf(*p.Spec.Memory.Reserve)
}

func quantityOr(q *resource.Quantity, otherwise int64) int64 {
	if q == nil {
		return otherwise
	}
	return bytesOf(*q)
}

func enforces(p *v1alpha1.SharedMemoryPolicy) bool {
	return p.Spec.Mode == "" || p.Spec.Mode == v1alpha1.Enforce
}

// model is the sizing of a policy in plain figures.
type model struct {
	page, file       int64 // file: 0 if it is not known
	headroom         int64
	least, most      int64
	usePercent       int64
	averageUse       int64 // of files
	files, unbounded bool
}

func modelOf(p *v1alpha1.SharedMemoryPolicy) model {
	s := p.Spec.Sizing
	if s == nil {
		return model{page: 4 * kib}
	}
	m := model{page: quantityOr(s.PageSize, 4*kib), most: quantityOr(s.Max, 4*gib), usePercent: 100}
	m.least = quantityOr(s.Min, min(64*mib, m.most))
	percent := func(p *int32) {
		if p != nil {
			m.usePercent = int64(*p)
		}
	}
	switch {
	case s.Files != nil:
		m.files, m.headroom, m.file = true, 25, bytesOf(s.Files.FileSize)
		m.unbounded = s.Files.Retention == nil
		m.averageUse = averageUse(s.Files, m.page)
	case s.Fixed != nil:
		percent(s.Fixed.ExpectedUsePercent)
		m.file = quantityOr(s.Fixed.FileSize, 0)
	case s.MemoryPercent != nil:
		percent(s.MemoryPercent.ExpectedUsePercent)
	case s.Units != nil:
		percent(s.Units.ExpectedUsePercent)
	}
	if s.HeadroomPercent != nil {
		m.headroom = int64(*s.HeadroomPercent)
	}
	return m
}

// cost returns the memory cost of a volume.
func (m model) cost(volume int64) int64 { return cost(volume, m.file, m.page) }

// limit returns the size limit for a required size.
func (m model) limit(required int64) int64 {
	if required == endless {
		return m.most
	}
	withHeadroom := (times(required, 100+m.headroom) + 99) / 100
	return min(up(max(withHeadroom, m.least), mib), m.most)
}

// use returns the average use of a volume for a required size.
func (m model) use(volume, required int64) int64 {
	average := m.averageUse
	if !m.files {
		average = (times(required, m.usePercent) + 99) / 100
	}
	return min(volume, average)
}

func minutes(d *v1alpha1.Duration, otherwise time.Duration) float64 {
	if d == nil {
		return otherwise.Minutes()
	}
	parsed, err := time.ParseDuration(string(*d))
	if err != nil {
		panic(err)
	}
	return parsed.Minutes()
}

func rateOf(f *v1alpha1.Files) float64 {
	rate, err := strconv.ParseFloat(f.CreatedPerMinute, 64)
	if err != nil {
		panic(err)
	}
	return rate
}

func averageUse(f *v1alpha1.Files, page int64) int64 {
	if f.Retention == nil {
		return endless
	}
	lifetime := minutes(f.Retention, 0) + minutes(f.SweepInterval, 5*time.Minute)/2
	size := bytesOf(f.FileSize)
	return int64(math.Ceil(rateOf(f) * lifetime * float64(up(size, page)+kernelOf(size, page))))
}

var peaks sync.Map // of peakKey to int64

type peakKey struct {
	mean, probability float64
}

// quantile returns the smallest n with P(X > n) at most a probability, for X of a Poisson
// distribution: its terms are added up from far above the mean, the smallest first.
func quantile(mean, probability float64) int64 {
	key := peakKey{mean, probability}
	if n, found := peaks.Load(key); found {
		if n, ok := n.(int64); ok {
			return n
		}
	}
	d := distuv.Poisson{Lambda: mean}
	n := int64(mean + 40*math.Sqrt(mean) + 100)
	for above := 0.0; n >= 0; n-- {
		if above += d.Prob(float64(n)); above > probability {
			break
		}
	}
	n = max(n, 0)
	peaks.Store(key, n)
	return n
}

// requiredByFiles returns what a files model requires; endless if nothing is ever deleted.
func requiredByFiles(f *v1alpha1.Files, page int64) int64 {
	if f.Retention == nil {
		return endless
	}
	batch, probability := int64(1), 1e-6
	if f.Batch != nil {
		batch = int64(*f.Batch)
	}
	if f.OverflowProbability != "" {
		probability, _ = strconv.ParseFloat(f.OverflowProbability, 64)
	}
	mean := rateOf(
		f,
	) * (minutes(f.Retention, 0) + minutes(f.SweepInterval, 5*time.Minute)) / float64(
		batch,
	)
	return times(batch*quantile(mean, probability), up(bytesOf(f.FileSize), page))
}

// required returns what the policy requires of the Pod, without any override; ok is false if it
// follows from the memory of the writers, which is another matter.
func (w *world) required(p *v1alpha1.SharedMemoryPolicy) (size int64, ok bool) {
	s, m := p.Spec.Sizing, modelOf(p)
	switch {
	case s == nil || s.MemoryPercent != nil:
		return 0, false
	case s.Files != nil:
		return requiredByFiles(s.Files, m.page), true
	case s.Fixed != nil:
		return bytesOf(s.Fixed.Size), true
	default:
		return plus(quantityOr(s.Units.Base, 0), times(bytesOf(s.Units.Each), w.count(p))), true
	}
}

// count returns how many units the Pod has.
func (w *world) count(p *v1alpha1.SharedMemoryPolicy) int64 {
	c := p.Spec.Sizing.Units.Count
	switch {
	case c.Literal != nil:
		return int64(*c.Literal)
	case c.Annotation != nil:
		n, err := strconv.ParseInt(w.pod.Annotations[*c.Annotation], 10, 32)
		if err == nil && n >= 0 {
			return n
		}
		if c.Absent != nil {
			return int64(*c.Absent)
		}
		return 1
	}
	var n int64
	writers, found := w.writers(p), false
	for _, container := range notEphemeral(w.pod) {
		if !writers[container.Name] {
			continue
		}
		for _, list := range []corev1.ResourceList{container.Resources.Limits, container.Resources.Requests} {
			counted := false
			for name, q := range list {
				for _, pattern := range c.Resources {
					if ok, _ := path.Match(pattern, string(name)); ok {
						n, counted = n+q.Value(), true
						break
					}
				}
			}
			if found = found || counted; counted {
				break
			}
		}
	}
	if !found && c.Absent != nil {
		return int64(*c.Absent)
	}
	return n
}

// Matching.

// names reports whether a container's settings name the path, by the table of texts.
func names(c *corev1.Container, mountPath string) bool {
	all := slices.Concat(c.Command, c.Args)
	for _, e := range c.Env {
		all = append(all, e.Value)
	}
	return slices.ContainsFunc(all, func(text string) bool {
		if slices.Contains(remounts, text) {
			return mountPath == "/dev/shm"
		}
		return texts[text] == mountPath
	})
}

// runsOn returns the sidecars and regular containers: the ones that keep running.
func runsOn(pod *corev1.Pod) []*corev1.Container {
	return slices.DeleteFunc(notEphemeral(pod), func(c *corev1.Container) bool {
		return isInit(pod, c) && !isSidecar(c)
	})
}

func isInit(pod *corev1.Pod, c *corev1.Container) bool {
	return slices.ContainsFunc(
		pod.Spec.InitContainers,
		func(i corev1.Container) bool { return i.Name == c.Name },
	)
}

func imageMatches(patterns []string, image string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return images[image] != "" && slices.Contains(globs[pattern], images[image])
	})
}

func selected(s *metav1.LabelSelector, set map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		panic(err)
	}
	return selector.Matches(labels.Set(set))
}

// matches reports whether one entry matches.
func (w *world) matches(m *v1alpha1.Match, mountPath string) bool {
	if m.PodSelector != nil && !selected(m.PodSelector, w.pod.Labels) {
		return false
	}
	if m.NamespaceSelector != nil && !selected(m.NamespaceSelector, w.namespace) {
		return false
	}
	if m.Images != nil &&
		!slices.ContainsFunc(
			runsOn(w.pod),
			func(c *corev1.Container) bool { return imageMatches(m.Images, c.Image) },
		) {
		return false
	}
	if m.TmpfsPaths != "" &&
		!slices.ContainsFunc(
			notEphemeral(w.pod),
			func(c *corev1.Container) bool { return names(c, mountPath) },
		) {
		return false
	}
	if m.Mounted != nil &&
		!slices.ContainsFunc(notEphemeral(w.pod), func(c *corev1.Container) bool {
			return slices.ContainsFunc(
				c.VolumeMounts,
				func(v corev1.VolumeMount) bool { return at(v.MountPath, mountPath) || below(v.MountPath, mountPath) },
			)
		}) {
		return false
	}
	return true
}

// entries returns the entries of a policy that match; none if it does not apply.
func (w *world) entries(p *v1alpha1.SharedMemoryPolicy) []*v1alpha1.Match {
	for i := range p.Spec.Exclude {
		if w.matches(&p.Spec.Exclude[i], mountPathOf(p)) {
			return nil
		}
	}
	var out []*v1alpha1.Match
	for i := range p.Spec.Match {
		if w.matches(&p.Spec.Match[i], mountPathOf(p)) {
			out = append(out, &p.Spec.Match[i])
		}
	}
	return out
}

// deciding returns the policy that decides and the next one that matches too and has a size to give;
// nil if there is none.
func (w *world) deciding() (first, second *v1alpha1.SharedMemoryPolicy) {
	var all []*v1alpha1.SharedMemoryPolicy
	for _, p := range w.policies {
		if len(w.entries(p)) > 0 {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *v1alpha1.SharedMemoryPolicy) int {
		if a.Spec.Priority != b.Spec.Priority {
			return int(b.Spec.Priority - a.Spec.Priority)
		}
		return strings.Compare(a.Name, b.Name)
	})
	all = append(all, nil)
	rest := slices.DeleteFunc(
		slices.Clone(all[min(1, len(all)-1):]),
		func(p *v1alpha1.SharedMemoryPolicy) bool {
			return p != nil && p.Spec.Sizing == nil
		},
	)
	return all[0], rest[0]
}

// guessed reports whether nothing but paths in settings speaks for the policy.
func (w *world) guessed(p *v1alpha1.SharedMemoryPolicy) bool {
	return !slices.ContainsFunc(w.entries(p), func(m *v1alpha1.Match) bool {
		return m.PodSelector != nil || m.NamespaceSelector != nil || m.Images != nil ||
			m.Mounted != nil
	})
}

// writers returns the names of the containers that write to the volume: those that are named, else
// those whose image matched, else, if the policy only checks, those that mount something there,
// else those that name the path, else the main one.
func (w *world) writers(p *v1alpha1.SharedMemoryPolicy) map[string]bool {
	out := map[string]bool{}
	if p.Spec.Writers != nil {
		for _, c := range notEphemeral(w.pod) {
			for _, pattern := range p.Spec.Writers.Names {
				if ok, _ := path.Match(pattern, c.Name); ok {
					out[c.Name] = true
				}
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, c := range runsOn(w.pod) {
		for _, m := range w.entries(p) {
			if imageMatches(m.Images, c.Image) {
				out[c.Name] = true
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	if p.Spec.Sizing == nil {
		for _, c := range runsOn(w.pod) {
			if len(mountsAt(c, mountPathOf(p)))+len(mountsBelow(c, mountPathOf(p))) > 0 {
				out[c.Name] = true
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, c := range runsOn(w.pod) {
		if names(c, mountPathOf(p)) {
			out[c.Name] = true
		}
	}
	if len(out) == 0 {
		out[mainContainer(w.pod)] = true
	}
	return out
}

func mainContainer(pod *corev1.Pod) string {
	wanted := pod.Annotations["kubectl.kubernetes.io/default-container"]
	for _, c := range pod.Spec.Containers {
		if c.Name == wanted {
			return wanted
		}
	}
	return pod.Spec.Containers[0].Name
}

// Mounts.

// place returns where a path leads, from the root, without its first slash.
func place(written string) string {
	var at []string
	for _, part := range strings.Split(written, "/") {
		switch part {
		case "", ".":
		case "..":
			at = at[:max(0, len(at)-1)]
		default:
			at = append(at, part)
		}
	}
	return strings.Join(at, "/")
}

func at(written, mountPath string) bool { return place(written) == place(mountPath) }

func below(written, mountPath string) bool {
	return strings.HasPrefix(place(written), place(mountPath)+"/")
}

func mountsAt(c *corev1.Container, mountPath string) []corev1.VolumeMount {
	var out []corev1.VolumeMount
	for _, m := range c.VolumeMounts {
		if at(m.MountPath, mountPath) {
			out = append(out, m)
		}
	}
	return out
}

func mountsBelow(c *corev1.Container, mountPath string) []corev1.VolumeMount {
	var out []corev1.VolumeMount
	for _, m := range c.VolumeMounts {
		if below(m.MountPath, mountPath) {
			out = append(out, m)
		}
	}
	return out
}

func deviceAt(c *corev1.Container, mountPath string) bool {
	return slices.ContainsFunc(
		c.VolumeDevices,
		func(d corev1.VolumeDevice) bool { return at(d.DevicePath, mountPath) },
	)
}

// volume returns a volume of the Pod; nil if there is none, or more than one.
func volume(pod *corev1.Pod, name string) *corev1.Volume {
	var found *corev1.Volume
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].Name == name {
			if found != nil {
				return nil
			}
			found = &pod.Spec.Volumes[i]
		}
	}
	return found
}

// memoryVolume returns the source of a Memory emptyDir; nil for anything else.
func memoryVolume(pod *corev1.Pod, name string) *corev1.EmptyDirVolumeSource {
	if v := volume(pod, name); v != nil && v.EmptyDir != nil &&
		v.EmptyDir.Medium == corev1.StorageMediumMemory {
		return v.EmptyDir
	}
	return nil
}

// sizeLimit returns a volume's size limit; 0 for none.
func sizeLimit(e *corev1.EmptyDirVolumeSource) int64 {
	if e == nil || e.SizeLimit == nil {
		return 0
	}
	return bytesOf(*e.SizeLimit)
}

// nodeShm reports whether a volume is the node's /dev/shm or something in it.
func nodeShm(v *corev1.Volume) bool {
	return v != nil && v.HostPath != nil &&
		(at(v.HostPath.Path, "/dev/shm") || below(v.HostPath.Path, "/dev/shm"))
}

// onNode reports whether a container uses the node's /dev/shm.
func onNode(pod *corev1.Pod, c *corev1.Container, mountPath string) bool {
	mounts := mountsAt(c, mountPath)
	if len(mounts) == 0 {
		return pod.Spec.HostIPC && mountPath == "/dev/shm"
	}
	for _, m := range mounts {
		if !nodeShm(volume(pod, m.Name)) {
			return false
		}
	}
	return true
}

// crioSize returns what CRI-O's annotations ask for; 0 for nothing.
func crioSize(pod *corev1.Pod) int64 {
	var size int64
	for _, name := range []string{"io.kubernetes.cri-o.ShmSize", "shm-size.crio.io"} {
		if q, err := resource.ParseQuantity(pod.Annotations[name]); err == nil {
			size = max(size, bytesOf(q))
		}
	}
	return size
}

// effective returns how large a container finds the mount path: what the runtime gives it where it
// mounts nothing, or the least of the tmpfs that it mounts there. known is false for anything else.
func effective(pod *corev1.Pod, c *corev1.Container, mountPath string) (size int64, known bool) {
	mounts := mountsAt(c, mountPath)
	switch {
	case deviceAt(c, mountPath) || onNode(pod, c, mountPath):
		return 0, false
	case len(mounts) == 0 && mountPath == "/dev/shm":
		return max(runtimeShm, crioSize(pod)), true
	case len(mounts) == 0:
		return 0, false
	}
	size = endless
	for _, m := range mounts {
		e := memoryVolume(pod, m.Name)
		if e == nil {
			return 0, false
		}
		size = min(size, mountedSize(pod, e))
	}
	return size, true
}

// shares returns what two containers must have in common to see the same files at the mount path.
func shares(c *corev1.Container, mountPath string) string {
	var out []string
	for _, m := range mountsAt(c, mountPath) {
		out = append(out, m.Name+":"+m.SubPath+":"+m.SubPathExpr)
	}
	if len(out) == 0 {
		return "runtime"
	}
	return strings.Join(out, ",")
}

// skipped reports whether the Pod is one that nobody may touch.
func skipped(pod *corev1.Pod) bool {
	_, mirror := pod.Annotations["kubernetes.io/config.mirror"]
	return mirror || pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows
}

// exempt reports whether the Pod carries a reason to be left alone, and may.
func exempt(pod *corev1.Pod, p *v1alpha1.SharedMemoryPolicy) bool {
	return strings.TrimSpace(pod.Annotations[v1alpha1.AnnotationExempt]) != "" &&
		p.Spec.Exemptions == v1alpha1.Allowed
}

// overridden reports whether the Pod carries an annotation that asks for another size.
func overridden(pod *corev1.Pod) bool {
	for _, name := range []string{
		v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationFilesPerMinute, v1alpha1.AnnotationRetention, v1alpha1.AnnotationFileSize,
	} {
		if _, found := pod.Annotations[name]; found {
			return true
		}
	}
	return false
}
