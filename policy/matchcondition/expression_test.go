package matchcondition

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func selecting(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func matchImages(globs ...string) v1alpha1.Match { return v1alpha1.Match{Images: globs} }

// matchOperator returns an entry that asks for one thing of the label app.
func matchOperator(operator metav1.LabelSelectorOperator, values ...string) v1alpha1.Match {
	return v1alpha1.Match{PodSelector: &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: operator, Values: values}},
	}}
}

var (
	yes          = true
	matchApp     = v1alpha1.Match{PodSelector: selecting("a")}
	matchPaths   = v1alpha1.Match{TmpfsPaths: v1alpha1.TmpfsPathsDetect}
	matchMounted = v1alpha1.Match{Mounted: &yes}
)

// What the property cannot show: that the expression holds anything back, and that it lets
// through what it is made for.
func TestExpression_HoldsBack(t *testing.T) {
	app := func(value string) map[string]string { return map[string]string{"app": value} }
	for name, tc := range map[string]struct {
		match []v1alpha1.Match
		pod   *corev1.Pod
		want  bool
	}{
		"NotIn alone, with another value":           {of(matchOperator(metav1.LabelSelectorOpNotIn, "a")), podWith(app("b"), "nginx"), true},
		"NotIn alone, with the value":               {of(matchOperator(metav1.LabelSelectorOpNotIn, "a")), podWith(app("a"), "nginx"), false},
		"Exists alone, with the label":              {of(matchOperator(metav1.LabelSelectorOpExists)), podWith(app("b"), "nginx"), true},
		"Exists alone, without the label":           {of(matchOperator(metav1.LabelSelectorOpExists)), podWith(nil, "nginx"), false},
		"DoesNotExist alone, without the label":     {of(matchOperator(metav1.LabelSelectorOpDoesNotExist)), podWith(nil, "nginx"), true},
		"another value of the label":                {of(matchApp), podWith(app("b"), "nginx"), false},
		"the value of the label":                    {of(matchApp), podWith(app("a"), "nginx"), true},
		"no labels at all":                          {of(matchApp), podWith(nil, "nginx"), false},
		"the label of the second entry":             {of(matchImages("busybox"), matchApp), podWith(app("a"), "nginx"), true},
		"the image of the first entry":              {of(matchImages("busybox"), matchApp), podWith(nil, "busybox"), true},
		"neither of two entries":                    {of(matchImages("busybox"), matchApp), podWith(app("b"), "nginx"), false},
		"one of two fields of an entry":             {of(v1alpha1.Match{PodSelector: selecting("a"), Images: []string{"busybox"}}), podWith(app("a"), "nginx"), false},
		"both fields of an entry":                   {of(v1alpha1.Match{PodSelector: selecting("a"), Images: []string{"busybox"}}), podWith(app("a"), "busybox"), true},
		"another repository of the same beginning":  {of(matchImages("ghcr.io/goauthentik/proxy")), podWith(nil, "ghcr.io/goauthentik/proxy-ng:1"), false},
		"the repository below another registry":     {of(matchImages("ghcr.io/goauthentik/proxy")), podWith(nil, "quay.io/goauthentik/proxy:1"), false},
		"another port of the registry":              {of(matchImages("ghcr.io/goauthentik/proxy")), podWith(nil, "ghcr.io:8443/goauthentik/proxy:1"), false},
		"a short name of another registry's folder": {of(matchImages("selenium/node-*")), podWith(nil, "ghcr.io/selenium/node-chrome"), false},
		"the second image of two":                   {of(matchImages("selenium/node-*")), podWith(nil, "busybox", "index.docker.io/selenium/node-chrome:4"), true},
		"images so long that they are not searched": {of(matchImages("nginx")), podWith(nil, strings.Repeat("a", maxImageBytes+1)), true},
		"more containers than are searched":         {of(matchImages("nginx")), podWith(nil, make([]string, maxContainers+1)...), true},
		"no container":                              {of(matchImages("nginx")), podWith(nil), false},
		"the image of an init container":            {of(matchImages("nginx")), policytest.With(podWith(nil, "busybox"), policytest.WithInit("", "nginx")), false},
		"the image of a sidecar":                    {of(matchImages("nginx")), policytest.With(podWith(nil, "busybox"), policytest.WithSidecar("", "nginx")), true},
		"a path in a setting":                       {of(matchPaths), podNaming("/dev/shm/x"), true},
		"another path in a setting":                 {of(matchPaths), podNaming("/tmp/x"), false},
		"a path in a setting without the label":     {of(v1alpha1.Match{PodSelector: selecting("a"), TmpfsPaths: v1alpha1.TmpfsPathsDetect}), podNaming("/dev/shm/x"), false},
		"a path where a mount is asked for":         {of(matchMounted), podNaming("/dev/shm/x"), false},
		"a mount where a path is asked for":         {of(matchPaths), podMounting("/dev/shm"), false},
		"a mount":                                   {of(matchMounted), podMounting("/dev/shm"), true},
		"a mount in another spelling":               {of(matchMounted), podMounting("dev//x/../shm/"), true},
		"another mount":                             {of(matchMounted), podMounting("/var/run/secrets"), false},
		"a mount without the label":                 {of(v1alpha1.Match{PodSelector: selecting("a"), Mounted: &yes}), podMounting("/dev/shm"), false},
		"more mounts than are searched":             {of(matchMounted), podMounting(make([]string, maxMounts+1)...), true},
		"a mount so long that it is not searched":   {of(matchMounted), podMounting("/" + strings.Repeat("a", maxMountPathBytes)), true},
		"as many settings as are searched":          {of(matchPaths), podSetting(maxSettings, maxSettings, maxSettings), false},
		"more parts of a command than are searched": {of(matchPaths), podSetting(maxSettings+1, 0, 0), true},
		"more arguments than are searched":          {of(matchPaths), podSetting(0, maxSettings+1, 0), true},
		"more variables than are searched":          {of(matchPaths), podSetting(0, 0, maxSettings+1), true},
		"a path in a command":                       {of(matchPaths), policytest.NewPod("pod", policytest.WithContainer("", "nginx", func(c *corev1.Container) { c.Command = []string{"ls", "/dev/shm"} })), true},
		"the label of one of two entries with paths": {
			of(v1alpha1.Match{PodSelector: selecting("a"), TmpfsPaths: v1alpha1.TmpfsPathsDetect}, v1alpha1.Match{Images: []string{"busybox"}, TmpfsPaths: v1alpha1.TmpfsPathsDetect}),
			podWith(app("a"), "nginx"), false,
		},
		"an entry with mounts that asks for nothing else": {
			of(v1alpha1.Match{PodSelector: selecting("a"), Mounted: &yes}, matchMounted), podMounting("/dev/shm"), true,
		},
		"a letter outside ASCII whose lower case is within": {of(matchImages("ghcr.io/goauthentik/proxy")), podWith(nil, "GHCR.\u0130O/goauthentik/proxy"), true},
		"such a letter in the policy":                       {of(matchImages("ghcr.\u0130o/goauthentik/proxy")), podWith(nil, "ghcr.io/goauthentik/proxy"), true},
		"a letter outside ASCII in the policy":              {of(matchImages("ghcr.io/org/\u00e9")), podWith(nil, "ghcr.io/org/e"), false},
		"the same letter in the Pod":                        {of(matchImages("ghcr.io/org/\u00e9")), podWith(nil, "ghcr.io/org/\u00e9"), true},
		"a line break in an image":                          {of(matchImages("ghcr.io/org/a\nb")), podWith(nil, "ghcr.io/org/a\nb"), true},
		"a namespace selector beside the label":             {of(v1alpha1.Match{PodSelector: selecting("a"), NamespaceSelector: selecting("x")}), podWith(nil, "nginx"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sent(t, tc.pod, nil, tc.match...); got != tc.want {
				t.Errorf("sent: %v, want %v", got, tc.want)
			}
		})
	}
}

func of(m ...v1alpha1.Match) []v1alpha1.Match { return m }

// sent reports whether a Pod is sent under one policy. It makes no difference whether names are
// looked up or written as patterns.
func sent(t *testing.T, pod *corev1.Pod, mirrors []Mirror, match ...v1alpha1.Match) bool {
	t.Helper()
	var sent [2]bool
	for i, spelled := range []int{maxSpelledBytes, 0} {
		expression, ok := expressionOf([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", match...)}, mirrors, spelled)
		if !ok {
			t.Fatal("there is no expression")
		}
		var err error
		if sent[i], err = mustCompile(t, expression, "oldest").sends(pod); err != nil {
			t.Fatalf("%v\n%s", err, expression)
		}
	}
	if sent[0] != sent[1] {
		t.Fatalf("sent with names as patterns: %t, and looked up: %t", sent[0], sent[1])
	}
	return sent[0]
}

// Every spelling of a registry, in the policy and in the Pod.
func TestExpression_Spellings(t *testing.T) {
	for _, spellings := range [][]string{
		{"ghcr.io/goauthentik/proxy", "GHCR.io/goauthentik/proxy", "ghcr.io:443/goauthentik/proxy"},
		{"nginx", "library/nginx", "docker.io/nginx", "docker.io/library/nginx", "index.docker.io/nginx", "registry-1.docker.io/library/nginx", "Docker.IO:443/nginx"},
		{"selenium/node-chrome", "docker.io/selenium/node-chrome", "registry-1.docker.io:443/selenium/node-chrome", "INDEX.docker.io/selenium/node-chrome"},
		{"localhost:5000/app", "LOCALHOST:5000/app"},
		{"localhost/app", "LOCALHOST/app", "localhost:443/app"},
		{"Registry/app", "REGISTRY/app"},
	} {
		for _, glob := range spellings {
			for _, image := range spellings {
				for _, suffix := range []string{"", ":2026.2.2", "@sha256:00", ":1@sha256:00"} {
					if !sent(t, podWith(nil, image+suffix), nil, matchImages(glob)) {
						t.Errorf("%q does not let %q through", glob, image+suffix)
					}
				}
			}
			if sent(t, podWith(nil, "example.com/goauthentik/other"), nil, matchImages(glob)) {
				t.Errorf("%q lets everything through", glob)
			}
		}
	}
}

func TestExpression_Mirrors(t *testing.T) {
	mirrors := []Mirror{{"harbor.local/ghcr", "ghcr.io"}, {"Harbor.local:443/hub/", "registry-1.docker.io"}, {"mirror.local:5000", "ghcr.io/goauthentik"}}
	for name, tc := range map[string]struct {
		glob, image string
		want        bool
	}{
		"an image of the mirror":                    {"ghcr.io/goauthentik/proxy", "harbor.local/ghcr/goauthentik/proxy:1", true},
		"another spelling of the mirror":            {"ghcr.io/goauthentik/proxy", "HARBOR.local:443/ghcr/goauthentik/proxy:1", true},
		"another image of the mirror":               {"ghcr.io/goauthentik/proxy", "harbor.local/ghcr/goauthentik/ldap:1", false},
		"another folder of the mirror's registry":   {"ghcr.io/goauthentik/proxy", "harbor.local/other/goauthentik/proxy:1", false},
		"the image without the mirror":              {"ghcr.io/goauthentik/proxy", "ghcr.io/goauthentik/proxy:1", true},
		"a mirror of a folder":                      {"ghcr.io/goauthentik/proxy", "mirror.local:5000/proxy:1", true},
		"an image of Docker Hub's own":              {"nginx", "harbor.local/hub/library/nginx", true},
		"an image of Docker Hub's own by its name":  {"docker.io/nginx", "harbor.local/hub/nginx", true},
		"a folder of Docker Hub":                    {"selenium/node-*", "harbor.local/hub/selenium/node-chrome", true},
		"a folder of Docker Hub, of another mirror": {"selenium/node-*", "harbor.local/ghcr/selenium/node-chrome", false},
		"a wildcard for the registry":               {"*/goauthentik/proxy", "harbor.local/ghcr/goauthentik/proxy", true},
		"a wildcard that the registry does not fit": {"*.com/goauthentik/proxy", "harbor.local/ghcr/goauthentik/proxy", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sent(t, podWith(nil, tc.image), mirrors, matchImages(tc.glob)); got != tc.want {
				t.Errorf("sent: %v, want %v", got, tc.want)
			}
		})
	}
}

// The folder of Docker Hub's own images may be left out below a mirror of Docker Hub, and of nothing
// else. A mirror without a registry is a folder of Docker Hub, and an empty one hides no other.
func TestExpression_MirrorsOfFolders(t *testing.T) {
	mirrors := []Mirror{{"", "ghcr.io"}, {"harbor.local/ghcr", "ghcr.io"}, {"cache.local", "docker.io/team"}, {"team/cache", "quay.io"}}
	for name, tc := range map[string]struct {
		glob, image string
		want        bool
	}{
		"a mirror behind an empty one":                 {"ghcr.io/goauthentik/proxy", "harbor.local/ghcr/goauthentik/proxy", true},
		"a folder of that name in another registry":    {"ghcr.io/library/app", "harbor.local/ghcr/library/app", true},
		"the same, left out":                           {"ghcr.io/library/app", "harbor.local/ghcr/app", false},
		"a folder of that name in a folder":            {"docker.io/team/library/app", "cache.local/library/app", true},
		"the same, left out of a folder":               {"docker.io/team/library/app", "cache.local/app", false},
		"a mirror on Docker Hub":                       {"quay.io/app", "team/cache/app", true},
		"a mirror on Docker Hub, by the registry":      {"quay.io/app", "docker.io/team/cache/app", true},
		"a mirror on Docker Hub, of a wildcard":        {"quay.io/a*", "docker.io/team/cache/app", true},
		"a mirror on Docker Hub, of another registry":  {"quay.io/app", "ghcr.io/team/cache/app", false},
		"a mirror on Docker Hub, of another of images": {"quay.io/app", "team/cache/other", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sent(t, podWith(nil, tc.image), mirrors, matchImages(tc.glob)); got != tc.want {
				t.Errorf("sent: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestExpression_AbsentIfItCannotBeWritten(t *testing.T) {
	one := func(m ...v1alpha1.Match) []*v1alpha1.SharedMemoryPolicy {
		return []*v1alpha1.SharedMemoryPolicy{newPolicy("p", m...)}
	}
	at := func(path string, m v1alpha1.Match) *v1alpha1.SharedMemoryPolicy {
		p := newPolicy(path, m)
		p.Spec.MountPath = path
		return p
	}
	empty := v1alpha1.Match{PodSelector: &metav1.LabelSelector{}}
	no := false
	var labels, patterns, both []*v1alpha1.SharedMemoryPolicy
	for i := range 5000 {
		labels = append(labels, newPolicy("p", v1alpha1.Match{PodSelector: selecting(fmt.Sprintf("value-%012d", i))}))
		image := fmt.Sprintf("ghcr.io/org/image-%03d-*", i)
		patterns = append(patterns, newPolicy("p", matchImages(image)))
		both = append(both, newPolicy("p", v1alpha1.Match{Images: []string{image}, Mounted: &yes}))
	}
	var many, mounts []*v1alpha1.SharedMemoryPolicy
	for i := range 5000 {
		many = append(many, newPolicy("p", matchImages(fmt.Sprint("ghcr.io/org/image-", i))))
	}
	for i := range maxMountFragments + 1 {
		mounts = append(mounts, at(fmt.Sprint("/data", i), matchMounted))
	}
	for name, policies := range map[string][]*v1alpha1.SharedMemoryPolicy{
		"a namespace selector alone":           one(v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{}}),
		"a selector that is empty":             one(empty),
		"one such among the entries":           one(matchApp, empty),
		"one such among other policies":        {newPolicy("o", matchApp), newPolicy("p", empty)},
		"a bracket that is a slash":            one(matchImages("ghcr.io[^a]nginx")),
		"a selector that is not one":           one(v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}}),
		"an entry without a field":             one(v1alpha1.Match{}),
		"a glob that is not one":               one(matchImages("a[")),
		"more text than is evaluated":          many,
		"more labels than are evaluated":       labels,
		"more patterns than are evaluated":     patterns,
		"more patterns beside mounts":          both,
		"an escaped slash":                     one(matchImages(`ghcr.io\/nginx`)),
		"mounted as it cannot be":              one(v1alpha1.Match{Mounted: &no}),
		"settings searched for two paths":      {newPolicy("o", matchPaths), at("/data", matchPaths)},
		"mounts searched for too many paths":   mounts,
		"a path that ends in nothing":          {at("/", matchMounted)},
		"a path in settings ending in nothing": {at("/", matchPaths)},
	} {
		t.Run(name, func(t *testing.T) {
			if expression, ok := Expression(policies, nil); ok || expression != "" {
				t.Errorf("the expression is\n%s", expression)
			}
		})
	}
	if expression, ok := Expression(mounts[1:], nil); !ok {
		t.Errorf("there is no expression for %d paths: %s", maxMountFragments, expression)
	}
}

// What is too costly is left out alone: an entry that asks for a label as well then asks for that.
func TestExpression_LeavesOutCostlySearches(t *testing.T) {
	of := func(search v1alpha1.Match) (policies []*v1alpha1.SharedMemoryPolicy) {
		for i := range maxMountFragments + 1 {
			m := search
			m.PodSelector = selecting(fmt.Sprint("a", i))
			p := newPolicy(fmt.Sprint("p", i), m)
			p.Spec.MountPath = fmt.Sprint("/data", i)
			policies = append(policies, p)
		}
		return policies
	}
	for name, search := range map[string]v1alpha1.Match{"mounts": matchMounted, "settings": matchPaths} {
		expression, ok := Expression(of(search), nil)
		if !ok || strings.Contains(expression, "contains") {
			t.Errorf("%s: %t, the expression is\n%s", name, ok, expression)
			continue
		}
		c := mustCompile(t, expression, "oldest")
		for app, want := range map[string]bool{"a0": true, "a2": true, "b": false} {
			if is, err := c.sends(podWith(map[string]string{"app": app}, "nginx")); is != want || err != nil {
				t.Errorf("%s: a Pod of %s is sent: %t, %v", name, app, is, err)
			}
		}
	}
}

// What a reader of the webhook configuration finds.
func TestExpression_Text(t *testing.T) {
	got, ok := Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", matchApp, matchImages("nginx", "ghcr.io/goauthentik/*"))}, nil)
	const want = `request.kind.kind != 'Pod' || object == null || ` +
		`[has(object.metadata.labels) ? object.metadata.labels : {}].exists(l, ` +
		`[(has(object.spec.initContainers) ? object.spec.initContainers : []) + (object.spec.containers != null ? object.spec.containers : [])]` +
		`.exists(c, c.size() > 32 || [((has(object.spec.initContainers) ? object.spec.initContainers.filter(x, ` +
		`has(x.restartPolicy) && x.restartPolicy == 'Always') : []) + (object.spec.containers != null ? object.spec.containers : []))` +
		`.map(x, has(x.image) ? x.image : '').join('\n')].exists(i, i.size() > 2048 || i.matches('[^ -~\n]') || 'app' in l && l['app'] == 'a' || ` +
		`i.matches('(?im)^(?:(?:(?:index[.]|registry-1[.])?docker[.]io(?::443)?/)?(?:library/nginx|nginx)|` +
		`ghcr[.]io(?::443)?/goauthentik/[^/]*)(?:[:@]|$)'))))`
	if got != want || !ok {
		t.Errorf("the expression is\n%s\nwant\n%s", got, want)
	}
}

// A mirror that has nothing below it, or is of nothing that the policy names, adds nothing.
func TestExpression_MirrorsThatDoNotMatter(t *testing.T) {
	policies := []*v1alpha1.SharedMemoryPolicy{newPolicy("p", matchImages("ghcr.io/goauthentik"))}
	want, _ := Expression(policies, nil)
	for _, m := range []Mirror{{"", "ghcr.io"}, {"/", "ghcr.io"}, {"harbor.local", ""}, {"harbor.local", "quay.io"}, {"harbor.local", "ghcr.io/goauthentik"}} {
		if got, ok := Expression(policies, []Mirror{m}); got != want || !ok {
			t.Errorf("%q makes the expression\n%s\nwant\n%s", m, got, want)
		}
	}
}

func TestPathFragment(t *testing.T) {
	for dir, want := range map[string]string{
		"": "shm", "/dev/shm": "shm", "/cache": "cache", "/a/0123456789": "0123456789", "/a/0123456789a": "0123456789",
		"/a/012345678é": "012345678", "/a/01234567é": "01234567é", "/": "",
	} {
		if got := pathFragment(dir); got != want {
			t.Errorf("of %q: %q, want %q", dir, got, want)
		}
	}
}

// A policy that is not valid yet may be on a replica of another version.
func TestExpression_OddPath(t *testing.T) {
	p := newPolicy("p", matchMounted, matchPaths)
	p.Spec.MountPath = `/it's\'`
	expression, ok := Expression([]*v1alpha1.SharedMemoryPolicy{p}, nil)
	if !ok {
		t.Fatal("there is no expression")
	}
	c := mustCompile(t, expression, "oldest")
	for path, want := range map[string]bool{p.Spec.MountPath: true, "/its": false} {
		if is, err := c.sends(podMounting(path)); is != want || err != nil {
			t.Errorf("a mount at %q is sent: %v, %v by\n%s", path, is, err, expression)
		}
	}
}

func TestExpression_FalseForNoPolicy(t *testing.T) {
	if expression, ok := Expression(nil, nil); expression != "false" || !ok {
		t.Errorf("the expression is %q, %v", expression, ok)
	}
}

func TestExpression_SameInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var policies []*v1alpha1.SharedMemoryPolicy
		for i := range 4 {
			policies = append(policies, genPolicy(t, fmt.Sprint("p", i)))
		}
		mirrors := genMirrors(t)
		want, _ := Expression(policies, mirrors)
		got, _ := Expression(rapid.Permutation(policies).Draw(t, "order"), rapid.Permutation(mirrors).Draw(t, "order of mirrors"))
		if want != got {
			t.Errorf("two orders give two texts:\n%s\n%s", want, got)
		}
	})
}

// Why a namespace selector widens: the API server has the variable, and gives no namespace
// in it.
func TestAPIServer_GivesConditionsNoNamespace(t *testing.T) {
	c := mustCompile(t, "namespaceObject != null", "newest")
	if is, err := c.sends(podWith(nil, "nginx")); is || err != nil {
		t.Errorf("a namespace is seen: %v, %v; then an expression can use it", is, err)
	}
}
