package policy_test

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func genPolicy(t *rapid.T, name string, w weights) *v1alpha1.SharedMemoryPolicy {
	p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	s := &p.Spec
	s.Mode = pick(t, name+" mode", v1alpha1.Enforce, "", v1alpha1.Enforce, v1alpha1.Warn)
	s.Priority = pick[int32](t, name+" priority", 0, 1, -1)
	if odds(t, name+" is for another path", w.otherPath) {
		s.MountPath = "/cache"
	} else if odds(t, name+" names the path", 8) {
		s.MountPath = "/dev/shm"
	}
	s.Match = []v1alpha1.Match{genMatch(t, name+" match", w)}
	for i := 0; i < 2 && odds(t, name+" has another entry", 3); i++ {
		s.Match = append(s.Match, genMatch(t, fmt.Sprintf("%s match %d", name, i+1), w))
	}
	if odds(t, name+" excludes", w.excluded) {
		s.Exclude = []v1alpha1.Match{genMatch(t, name+" exclude", w)}
	}
	if odds(t, name+" names writers", w.named) {
		s.Writers = &v1alpha1.Writers{Names: pick(t, name+" writers",
			[]string{"web"}, []string{"web", "helper"}, []string{"*"},
			[]string{"seed", "web"}, []string{"pro?y"}, []string{"nobody"})}
	}
	if !odds(t, name+" only checks", w.noSizing) {
		s.Sizing = genSizing(t, name)
	}
	s.Memory.Handling = pick(t, name+" memory", v1alpha1.MemoryRaise, v1alpha1.MemoryRaise,
		v1alpha1.MemoryRequire, v1alpha1.MemoryIgnore)
	if w.onlyMem > 0 {
		s.Memory.Handling = v1alpha1.MemoryRaise
	}
	if odds(t, name+" has a reserve", 5) {
		s.Memory.Reserve = quantity(pick(t, name+" reserve", "128Mi", "0", "1", "50M"))
	}
	s.Existing = pick(t, name+" existing", v1alpha1.ExistingEnlarge, v1alpha1.ExistingSetLimit,
		v1alpha1.ExistingRequire, v1alpha1.ExistingLeave)
	s.HostShm = pick(t, name+" hostShm", v1alpha1.Allowed, v1alpha1.Denied)
	if odds(t, name+" is not to mutate", 2) {
		s.Mutation = v1alpha1.MutationDisabled
	}
	s.Overrides = pick(t, name+" overrides",
		v1alpha1.OverridesRaiseOnly, v1alpha1.OverridesAllowed, v1alpha1.OverridesDenied)
	s.Exemptions = pick(t, name+" exemptions", v1alpha1.Denied, v1alpha1.Allowed)
	if odds(t, name+" has mount options", 2) {
		s.BindMountOptions = []v1alpha1.BindMountOption{"noexec", "nosuid"}
	}
	return p
}

func genSelector(t *rapid.T, label string) *metav1.LabelSelector {
	one := func(operator metav1.LabelSelectorOperator, key string, values ...string) *metav1.LabelSelector {
		return &metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: key, Operator: operator, Values: values},
			},
		}
	}
	switch pick(t, label, "everything", "a or c", "exists", "is", "not a", "no tier") {
	case "is":
		return &metav1.LabelSelector{
			MatchLabels: map[string]string{"app": pick(t, label+" app", "a", "b")},
		}
	case "a or c":
		return one(metav1.LabelSelectorOpIn, "app", "a", "c")
	case "exists":
		return one(metav1.LabelSelectorOpExists, "app")
	case "not a":
		return one(metav1.LabelSelectorOpNotIn, "app", "a")
	case "no tier":
		return one(metav1.LabelSelectorOpDoesNotExist, "tier")
	default:
		return &metav1.LabelSelector{}
	}
}

func genMatch(t *rapid.T, label string, w weights) v1alpha1.Match {
	if odds(t, label+" is a guess", w.guess) {
		return v1alpha1.Match{TmpfsPaths: v1alpha1.TmpfsPathsDetect}
	}
	var m v1alpha1.Match
	switch pick(t, label+" by", "pods", "images", "everything", "namespace", "paths", "mounted") {
	case "pods":
		m.PodSelector = genSelector(t, label+" pods")
	case "everything":
		m.PodSelector = &metav1.LabelSelector{}
	case "images":
		m.Images = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
			"nginx", "ghcr.io/goauthentik/proxy", "ghcr.io/*/pro?y", "selenium/node-*", "localhost:5000/team/*",
			"registry.example.org/nobody", "docker.io/selenium/node-edge",
		}), 1, 4, rapid.ID).Draw(t, label+" images")
	case "namespace":
		m.NamespaceSelector = genSelector(t, label+" namespaces")
	case "paths":
		m.PodSelector, m.TmpfsPaths = genSelector(t, label+" pods"), v1alpha1.TmpfsPathsDetect
	case "mounted":
		m.Mounted = ptr(true)
	}
	return m
}

func genSizing(t *rapid.T, name string) *v1alpha1.Sizing {
	s := &v1alpha1.Sizing{}
	switch pick(t, name+" model", "fixed", "files", "percent", "units") {
	case "files":
		s.Files = genFiles(t, name)
	case "fixed":
		sizes := []string{"256Mi", "128Mi", "64Mi", "1Gi", "100001", "300M"}
		s.Fixed = &v1alpha1.Fixed{
			Size:               resource.MustParse(pick(t, name+" fixed", sizes...)),
			ExpectedUsePercent: genUse(t, name),
		}
		if odds(t, name+" has small files", 4) {
			s.Fixed.FileSize = quantity(pick(t, name+" file size", "1500", "5000", "1Mi"))
		}
	case "percent":
		s.MemoryPercent = &v1alpha1.MemoryPercent{
			Percent:            pick[int32](t, name+" percent", 30, 50, 100, 1),
			ExpectedUsePercent: genUse(t, name),
		}
	case "units":
		s.Units = genUnits(t, name)
	}
	if odds(t, name+" has headroom", 5) {
		s.HeadroomPercent = ptr(pick[int32](t, name+" headroom", 10, 0, 33))
	}
	if odds(t, name+" has bounds", 5) {
		s.Min = quantity(pick(t, name+" min", "1Mi", "64Mi", "100Mi"))
		s.Max = quantity(pick(t, name+" max", "2Gi", "1Gi", "1Ti"))
	}
	if odds(t, name+" has large pages", 2) {
		s.PageSize = quantity("64Ki")
	}
	return s
}

func genUse(t *rapid.T, name string) *int32 {
	return pick(t, name+" expected use", nil, ptr[int32](50), ptr[int32](0), ptr[int32](33))
}

func genFiles(t *rapid.T, name string) *v1alpha1.Files {
	out := &v1alpha1.Files{
		CreatedPerMinute: pick(t, name+" rate", "18", "0.001", "3.5", "60"),
		FileSize:         resource.MustParse(pick(t, name+" file size", "1500", "1", "5000", "64Ki")),
	}
	if !odds(t, name+" deletes nothing", 2) {
		retention := pick[v1alpha1.Duration](t, name+" retention", "24h", "168h", "1h", "1ms")
		out.Retention = &retention
	}
	if odds(t, name+" batches", 3) {
		out.Batch = ptr[int32](10)
	}
	return out
}

func genUnits(t *rapid.T, name string) *v1alpha1.Units {
	out := &v1alpha1.Units{
		Each:               resource.MustParse(pick(t, name+" each", "64Mi", "100M", "256Mi")),
		ExpectedUsePercent: genUse(t, name),
	}
	if odds(t, name+" has a base", 8) {
		out.Base = quantity("40Mi")
	}
	switch pick(t, name+" count", "literal", "annotation", "resources") {
	case "literal":
		out.Count.Literal = ptr[int32](3)
	case "annotation":
		out.Count.Annotation = ptr("units")
	case "resources":
		out.Count.Resources = []string{"nvidia.com/gpu", "amd.com/*"}
	}
	return out
}
