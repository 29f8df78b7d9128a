package matchcondition

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

var (
	corev1Pods = metav1.GroupVersionResource{Version: "v1", Resource: "pods"}
	corev1Pod  = metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}
)

// The law of the package: the expression is never narrower than the policies, and raises no
// error, whatever the Pod.
func TestExpression_TrueForEveryPodThatMatches(t *testing.T) {
	var wide, narrow, sent, evaluated, pods int
	matched := make(map[string]int)
	rapid.Check(t, func(t *rapid.T) {
		var policies []*v1alpha1.SharedMemoryPolicy
		for i := range pick(t, "policies", 0, 1, 1, 2, 2, 3) {
			policies = append(policies, genPolicy(t, fmt.Sprint("p", i)))
		}
		w := witness{genMirrors(t)}
		set, valid := engine(t, policies, w.mirrors)
		policies = valid
		expression, ok := Expression(policies, w.mirrors)
		if !ok {
			wide++
			return
		}
		narrow++
		c, err := compile(expression, pick(t, "release", "oldest", "newest"))
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			var pod *corev1.Pod
			if len(policies) == 0 || pick(t, "any Pod", true, false, false) {
				pod = genPod(t)
			} else {
				pod = genPodFor(t, pick(t, "for", policies...), w.mirrors)
			}
			pods++
			is, err := c.sends(pod)
			if err != nil {
				t.Fatalf("%v\n%s", err, expression)
			}
			if is {
				sent++
			}
			if e := evaluate(t, set, pod); e.Outcome != policy.NotMatched {
				evaluated++
				if !is {
					t.Fatalf("policy %q is %s, and the API server would not send the Pod by\n%s", e.Policy, e.Outcome, expression)
				}
			}
			for _, p := range policies {
				if !w.matches(p, pod) {
					continue
				}
				if !is {
					t.Fatalf("policy %q matches the Pod, and the API server would not send it by\n%s", p.Name, expression)
				}
				for i := range p.Spec.Match {
					if w.entryMatches(p.Spec.Match[i], p.Spec.MountPath, pod) {
						count(matched, &p.Spec.Match[i])
					}
				}
			}
		}
	})
	t.Logf("%d expressions and %d without; of %d Pods %d are sent; %d match by the engine, and by the witness %v", narrow, wide, pods, sent, evaluated, matched)
	if testing.Short() {
		return // too few cases for shares to mean anything
	}
	if evaluated < pods/5 {
		t.Errorf("%d of %d Pods match by the engine: widen the generators", evaluated, pods)
	}
	for _, kind := range []string{"labels", "images", "tmpfsPaths", "mounted"} {
		if matched[kind] < pods/20 {
			t.Errorf("%d of %d Pods match by %s: widen the generators", matched[kind], pods, kind)
		}
	}
	if sent > pods*3/4 || narrow < wide {
		t.Error("the generators leave too little to hold back: narrow the policies")
	}
}

// engine returns the policies that are valid, and the same as the engine's.
func engine(t *rapid.T, policies []*v1alpha1.SharedMemoryPolicy, mirrors []Mirror) (set policy.Set, valid []*v1alpha1.SharedMemoryPolicy) {
	var compiled []policy.Policy
	for _, p := range policies {
		c, errs := policy.Compile(p)
		if len(errs) == 0 {
			compiled, valid = append(compiled, c), append(valid, p)
		}
	}
	var entries []string
	for _, m := range mirrors {
		entries = append(entries, m.From+"="+m.To)
	}
	parsed, err := policy.ParseMirrors(entries)
	if err != nil {
		t.Fatal(err)
	}
	return policy.NewSet(compiled...).WithImageMirrors(parsed), valid
}

func evaluate(t *rapid.T, set policy.Set, pod *corev1.Pod) policy.Evaluation {
	subject, ok := policy.NewSubject(pod)
	if !ok {
		t.Fatal("a Pod is no subject")
	}
	return set.Evaluate(subject)
}

// count counts by what an entry matched a Pod.
func count(matched map[string]int, m *v1alpha1.Match) {
	for kind, is := range map[string]bool{
		"labels": m.PodSelector != nil, "images": m.Images != nil, "tmpfsPaths": m.TmpfsPaths != "", "mounted": m.Mounted != nil,
	} {
		if is {
			matched[kind]++
		}
	}
}

// The same law for images alone, with mirrors always.
func TestExpression_TrueForEveryImageOfAMirror(t *testing.T) {
	var cases, plain, mirrored, evaluated, sent int
	rapid.Check(t, func(t *rapid.T) {
		glob := pick(t, "registry", "ghcr.io/", "GHCR.io:443/", "docker.io/", "registry-1.docker.io/", "", "*/", "*.io/", "[dg]*.io/") +
			pick(t, "folder", "", "library/", "org/", "org/team/", "*/") + pick(t, "name", "nginx", "node-*", "*")
		p := newPolicy("p", matchImages(glob))
		mirrors := rapid.SliceOfNDistinct(rapid.SampledFrom(upstream), 2, 5, mirrorPath).Draw(t, "mirrors")
		set, valid := engine(t, []*v1alpha1.SharedMemoryPolicy{p}, mirrors)
		if len(valid) == 0 {
			t.Fatalf("%q is not valid", glob)
		}
		expression, ok := Expression([]*v1alpha1.SharedMemoryPolicy{p}, mirrors)
		if !ok {
			t.Fatalf("there is no expression for %q", glob)
		}
		c, err := compile(expression, "newest")
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			pod := podWith(nil, genImageFor(t, "image", p.Spec.Match[0].Images, mirrors))
			if pick(t, "any image", true, false, false) {
				pod = podWith(nil, genImage(t, "image"))
			}
			cases++
			is, err := c.sends(pod)
			if err != nil {
				t.Fatalf("%v\n%s", err, expression)
			}
			if is {
				sent++
			}
			if e := evaluate(t, set, pod); e.Outcome != policy.NotMatched {
				if !(witness{}).matches(p, pod) {
					evaluated++
				}
				if !is {
					t.Fatalf("%q is %s with %q and %v, and the API server would not send it by\n%s", glob, e.Outcome, pod.Spec.Containers[0].Image, mirrors, expression)
				}
				if !(witness{mirrors}).matches(p, pod) {
					t.Fatalf("%q matches %q with %v by the engine, and not by the witness", glob, pod.Spec.Containers[0].Image, mirrors)
				}
			}
			switch {
			case witness{}.matches(p, pod):
				plain++
			case witness{mirrors}.matches(p, pod):
				mirrored++
			default:
				continue
			}
			if !is {
				t.Fatalf("%q matches %q with %v, and the API server would not send it by\n%s", glob, pod.Spec.Containers[0].Image, mirrors, expression)
			}
		}
	})
	t.Logf("of %d images %d match without a mirror, %d by one, and so do %d by the engine; %d are sent", cases, plain, mirrored, evaluated, sent)
	if !testing.Short() && min(plain, mirrored, evaluated, cases-sent) < cases/20 {
		t.Error("less than a twentieth is of a kind: widen the generators")
	}
}

func selecting(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func matchImages(globs ...string) v1alpha1.Match { return v1alpha1.Match{Images: globs} }

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
		"the image of an init container":            {of(matchImages("nginx")), withInit(podWith(nil, "busybox"), "nginx", ""), false},
		"the image of a sidecar":                    {of(matchImages("nginx")), withInit(podWith(nil, "busybox"), "nginx", corev1.ContainerRestartPolicyAlways), true},
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
		"a path in a command":                       {of(matchPaths), withCommand(podWith(nil, "nginx"), "ls", "/dev/shm"), true},
		"the label of one of two entries with paths": {
			of(v1alpha1.Match{PodSelector: selecting("a"), TmpfsPaths: v1alpha1.TmpfsPathsDetect}, v1alpha1.Match{Images: []string{"busybox"}, TmpfsPaths: v1alpha1.TmpfsPathsDetect}),
			podWith(app("a"), "nginx"), false,
		},
		"an entry with mounts that asks for nothing else": {
			of(v1alpha1.Match{PodSelector: selecting("a"), Mounted: &yes}, matchMounted), podMounting("/dev/shm"), true,
		},
		"a letter outside ASCII whose lower case is within": {of(matchImages("ghcr.io/goauthentik/proxy")), podWith(nil, "GHCR.\u0130O/goauthentik/proxy"), true},
		"such a letter in the policy":                       {of(matchImages("ghcr.\u0130o/goauthentik/proxy")), podWith(nil, "ghcr.io/goauthentik/proxy"), true},
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

// sent reports whether a Pod is sent under one policy.
func sent(t *testing.T, pod *corev1.Pod, mirrors []Mirror, match ...v1alpha1.Match) bool {
	t.Helper()
	expression, ok := Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", match...)}, mirrors)
	if !ok {
		t.Fatal("there is no expression")
	}
	is, err := mustCompile(t, expression, "oldest").sends(pod)
	if err != nil {
		t.Fatalf("%v\n%s", err, expression)
	}
	return is
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
	for i := range 480 {
		labels = append(labels, newPolicy("p", v1alpha1.Match{PodSelector: selecting(fmt.Sprintf("value-%012d", i))}))
		image := fmt.Sprintf("ghcr.io/org/image-%03d", i)
		patterns = append(patterns, newPolicy("p", matchImages(image)))
		both = append(both, newPolicy("p", v1alpha1.Match{Images: []string{image}, Mounted: &yes}))
	}
	var many, mounts []*v1alpha1.SharedMemoryPolicy
	for i := range 1000 {
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

// What a reader of the webhook configuration finds.
func TestExpression_Text(t *testing.T) {
	got, ok := Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", matchApp, matchImages("nginx", "ghcr.io/goauthentik/*"))}, nil)
	const want = `request.kind.kind != 'Pod' || object == null || ` +
		`[has(object.metadata.labels) ? object.metadata.labels : {}].exists(l, ` +
		`[has(object.spec.initContainers) ? object.spec.initContainers : []].exists(n, ` +
		`[object.spec.containers != null ? object.spec.containers : []].exists(r, n.size() + r.size() > 32 || ` +
		`[(n.filter(x, has(x.restartPolicy) && x.restartPolicy == 'Always') + r).map(x, has(x.image) ? x.image : '').join('\n')].exists(i, ` +
		`i.size() > 2048 || 'app' in l && l['app'] == 'a' || i.matches('(?im)^(?:` +
		`(?:(?:index[.]|registry-1[.])?docker[.]io(?::443)?/)?(?:library/nginx|nginx)|ghcr[.]io(?::443)?/goauthentik/[^/]*` +
		`)(?:[:@]|$)|[^ -~\U0000005cn]')))))`
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

// The costliest Pods that are searched in full, with the costliest expression.
func TestExpression_Cost(t *testing.T) {
	app := func(i int) v1alpha1.Match {
		return v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x", "tier": fmt.Sprint(i)}}}
	}
	// Entries that need the label as well show whether a search is made once or many times.
	var policies []*v1alpha1.SharedMemoryPolicy
	for i := range maxMountFragments {
		paths, mounted, both := app(i), app(i), app(i)
		paths.TmpfsPaths, both.TmpfsPaths = v1alpha1.TmpfsPathsDetect, v1alpha1.TmpfsPathsDetect
		mounted.Mounted, both.Mounted = &yes, &yes
		p := newPolicy("p", paths, mounted, both)
		policies = append(policies, p)
		q := newPolicy("q", mounted)
		q.Spec.MountPath = fmt.Sprint("/", strings.Repeat("q", maxFragment-1), i)
		if i > 0 {
			policies = append(policies, q)
		}
	}
	for i := 0; ; i++ {
		more := append(slices.Clone(policies), newPolicy("p", matchImages(fmt.Sprintf("*/org-%d/*", i))))
		if _, ok := Expression(more, nil); !ok {
			break
		}
		policies = more
	}
	expression, _ := Expression(policies, nil)
	c := mustCompile(t, expression, "newest")
	costly := func(mounts, settings int) *corev1.Pod {
		pod := podWith(map[string]string{"app": "x", "tier": "1"})
		for range maxContainers {
			c := corev1.Container{Image: strings.Repeat("i", maxImageBytes/maxContainers-1)}
			for range mounts {
				c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{MountPath: strings.Repeat("a", maxMountPathBytes)})
			}
			if len(pod.Spec.Containers) == 0 {
				c.Image += "i" // the names are as long together as is searched
			}
			for range settings {
				c.Args, c.Command = append(c.Args, ""), append(c.Command, "")
				c.Env = append(c.Env, corev1.EnvVar{Name: "A", Value: "-"})
			}
			pod.Spec.Containers = append(pod.Spec.Containers, c)
		}
		content, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		for i := range pod.Spec.Containers {
			c := &pod.Spec.Containers[i]
			// An API server takes 3 MiB.
			text := strings.Repeat("a", (3<<20-len(content))/maxContainers/max(settings, 1)/3)
			for j := range settings {
				c.Args[j], c.Command[j], c.Env[j].Value = text, text, text
			}
		}
		return pod
	}
	for name, pod := range map[string]*corev1.Pod{
		"settings and mounts": costly(maxMounts, maxSettings), "mounts": costly(maxMounts, 0), "settings": costly(0, maxSettings), "images": costly(0, 0),
	} {
		cost, err := c.cost(pod)
		t.Logf("%s: %d bytes cost %d", name, len(expression), cost)
		if err != nil || cost > 800_000 {
			t.Errorf("%s: the evaluation costs %d, %v: lower the bounds on an expression", name, cost, err)
		}
		if is, err := c.sends(pod); is || err != nil {
			t.Errorf("%s: sent: %v, %v", name, is, err)
		}
	}
}

// Why a namespace selector widens: the API server has the variable, and gives no namespace
// in it.
func TestMatchConditionsDoNotSeeTheNamespace(t *testing.T) {
	c := mustCompile(t, "namespaceObject != null", "newest")
	if is, err := c.sends(podWith(nil, "nginx")); is || err != nil {
		t.Errorf("a namespace is seen: %v, %v; then an expression can use it", is, err)
	}
}

func podWith(labels map[string]string, images ...string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod", Labels: labels}}
	for _, image := range images {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Image: image})
	}
	return pod
}

func withInit(pod *corev1.Pod, image string, restart corev1.ContainerRestartPolicy) *corev1.Pod {
	c := corev1.Container{Image: image}
	if restart != "" {
		c.RestartPolicy = &restart
	}
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	return pod
}

func podNaming(path string) *corev1.Pod {
	pod := podWith(nil, "nginx")
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "DIR", Value: path}}
	return pod
}

func withCommand(pod *corev1.Pod, command ...string) *corev1.Pod {
	pod.Spec.Containers[0].Command = command
	return pod
}

// podSetting returns a Pod with so many parts of a command, arguments and variables.
func podSetting(command, args, env int) *corev1.Pod {
	pod := podWith(nil, "nginx")
	c := &pod.Spec.Containers[0]
	c.Command, c.Args, c.Env = make([]string, command), make([]string, args), make([]corev1.EnvVar, env)
	return pod
}

func podMounting(paths ...string) *corev1.Pod {
	pod := podWith(nil, "nginx")
	for _, path := range paths {
		pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{MountPath: path})
	}
	return pod
}
