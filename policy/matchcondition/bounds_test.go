package matchcondition

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// A match by labels alone binds nothing but them.
func TestExpression_TextOfLabels(t *testing.T) {
	got, ok := Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", matchApp)}, nil)
	const want = `request.kind.kind != 'Pod' || object == null || ` +
		`[has(object.metadata.labels) ? object.metadata.labels : {}].exists(l, 'app' in l && l['app'] == 'a')`
	if got != want || !ok {
		t.Errorf("the expression is\n%s\nwant\n%s", got, want)
	}
}

// A match by mounts and labels binds no images.
func TestExpression_MountsWithoutImages(t *testing.T) {
	m := matchMounted
	m.PodSelector = selecting("a")
	if got, ok := Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", m)}, nil); !ok || strings.Contains(got, "restartPolicy") {
		t.Errorf("the expression looks at images: %s", got)
	}
}

// An expression has up to 80 KiB.
func TestExpression_LongestText(t *testing.T) {
	// The last of 1,219 values has the given length.
	of := func(length int) (string, bool) {
		var values []string
		for i := range 1218 {
			values = append(values, fmt.Sprintf("%063d", i))
		}
		m := v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: append(values, strings.Repeat("a", length))},
		}}}
		m.PodSelector.MatchExpressions[0].Key = strings.Repeat("k", 63)
		return Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", m)}, nil)
	}
	short, ok := of(1)
	length := 81920 - (len(short) - 1)
	if !ok || length < 1 || length > 62 {
		t.Fatalf("an expression of %d bytes, %t, is not close to 80 KiB", len(short), ok)
	}
	if text, ok := of(length); !ok || len(text) != 81920 {
		t.Errorf("80 KiB: %d bytes, %t", len(text), ok)
	}
	if text, ok := of(length + 1); ok {
		t.Errorf("there is an expression of %d bytes", len(text))
	}
}

// The longer the patterns are together, the shorter are the images that are searched: with up to
// 6 KiB 2 KiB of them, with 48 KiB 256 bytes. With more, images beside labels are left out.
func TestExpression_LongestPatterns(t *testing.T) {
	image := func(length int) string {
		return "ghcr.io/" + strings.Repeat("a/", length/2) + strings.Repeat("a", length%2) + "*"
	}
	of := func(matches ...v1alpha1.Match) (string, bool) {
		return Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", matches...)}, nil)
	}
	// What stands between matches(' and '), where a backslash is written as ten characters.
	short, _ := of(matchImages(image(1)))
	_, rest, _ := strings.Cut(short, ".matches('(?im)")
	pattern, _, _ := strings.Cut(rest, "')")
	around := len("(?im)") + len(strings.ReplaceAll(pattern, `\U0000005c`, `\`)) - 1

	for length, searched := range map[int]string{6144: "2048", 6145: "2047", 12288: "1024", 49152: "256"} {
		if text, ok := of(matchImages(image(length - around))); !ok || !strings.Contains(text, "i.size() > "+searched+" ||") {
			t.Errorf("patterns of %d bytes: %d bytes, %t, and not %s bytes of images", length, len(text), ok, searched)
		}
	}
	if text, ok := of(matchImages(image(49153 - around))); ok {
		t.Errorf("there is an expression with a pattern of 48 KiB and a byte: %d bytes", len(text))
	}
	beside := func(app string, length int) v1alpha1.Match {
		return v1alpha1.Match{PodSelector: selecting(app), Images: []string{image(length)}}
	}
	if text, ok := of(beside("a", 24576-around), beside("b", 24576-around)); !ok || !strings.Contains(text, "i.size() > 256 ||") {
		t.Errorf("48 KiB beside labels: %d bytes, %t", len(text), ok)
	}
	text, ok := of(beside("a", 24577-around), beside("b", 24576-around), matchImages("nginx*"))
	if !ok || !strings.Contains(text, "'app' in l && l['app'] == 'a' || 'app' in l && l['app'] == 'b' || i.matches(") {
		t.Errorf("48 KiB and a byte beside labels: %t, %s", ok, text)
	}
	if text, ok := of(beside("a", 1), matchImages(image(49152-around))); !ok || !strings.Contains(text, "i.size() > 256 ||") {
		t.Errorf("48 KiB once those beside labels are left out: %d bytes, %t", len(text), ok)
	}
	// Beside an entry that asks for a setting alone, others that ask for one have no patterns.
	mounted, redundant := matchImages(image(12288-around)), matchImages(image(49153-around))
	mounted.Mounted, redundant.TmpfsPaths = &yes, v1alpha1.TmpfsPathsDetect
	if text, ok := of(matchPaths, redundant, mounted); !ok || !strings.Contains(text, "i.size() > 1024 ||") {
		t.Errorf("12 KiB beside mounts, and a setting alone: %d bytes, %t", len(text), ok)
	}
}

// Entries that ask for values of the same labels are one list in which the Pod's values are looked
// up, if they ask for one label or for up to 16 combinations.
func TestExpression_LabelsLookedUp(t *testing.T) {
	in := func(counts ...int) v1alpha1.Match {
		s := &metav1.LabelSelector{}
		for key, count := range counts {
			r := metav1.LabelSelectorRequirement{Key: string("abc"[key]), Operator: metav1.LabelSelectorOpIn}
			for i := range count {
				r.Values = append(r.Values, fmt.Sprint("v", i))
			}
			s.MatchExpressions = append(s.MatchExpressions, r)
		}
		return v1alpha1.Match{PodSelector: s}
	}
	labels := func(labels map[string]string) v1alpha1.Match {
		return v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchLabels: labels}}
	}
	present := in(1)
	present.PodSelector.MatchExpressions = append(present.PodSelector.MatchExpressions,
		metav1.LabelSelectorRequirement{Key: "b", Operator: metav1.LabelSelectorOpExists})
	const one, two, three = "l['a'] in [", "l['a'] + ',' + l['b'] in [", "l['a'] + ',' + l['b'] + ',' + l['c'] in ["
	for name, tc := range map[string]struct {
		match []v1alpha1.Match
		list  string // the beginning of the list, or the whole
		is    bool
	}{
		"values of one label":      {of(in(1), labels(map[string]string{"a": "u"})), one + "'u', 'v0']", true},
		"many values of one label": {of(in(17), labels(map[string]string{"a": "u"})), one + "'u', 'v0', 'v1', 'v10'", true},
		"pairs of values":          {of(in(1, 2), labels(map[string]string{"b": "y", "a": "x"})), two + "'v0,v0', 'v0,v1', 'x,y']", true},
		"a value and a mere label": {of(present), " in [", false},
		"16 pairs of values":       {of(in(4, 4)), two, true},
		"16 values beside another": {of(in(1, 16)), two, true},
		"17 values beside another": {of(in(1, 17)), two, false},
		"another beside 17 values": {of(in(17, 1)), two, false},
		"16 combinations of three": {of(in(2, 4, 2)), three, true},
		"18 combinations of three": {of(in(3, 3, 2)), three, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", tc.match...)}, nil)
			if !ok || strings.Contains(got, tc.list) != tc.is {
				t.Errorf("%t, contains %q: %t, want %t, in\n%s", ok, tc.list, !tc.is, tc.is, got)
			}
		})
	}
}

// A label that an entry asks for twice must have a value that is asked for both times.
func TestExpression_LabelTwice(t *testing.T) {
	m := matchOperator(metav1.LabelSelectorOpIn, "a", "b")
	m.PodSelector.MatchExpressions = append(m.PodSelector.MatchExpressions,
		metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{"b", "c"}})
	for app, want := range map[string]bool{"a": false, "b": true, "c": false, "": false} {
		if got := sent(t, podWith(map[string]string{"app": app}, "nginx"), nil, m); got != want {
			t.Errorf("a Pod of %q is sent: %t, want %t", app, got, want)
		}
	}
	if sent(t, podWith(nil, "nginx"), nil, m) {
		t.Error("a Pod without the label is sent")
	}
}

// Letters, digits, _ and - stand for themselves, and every other ASCII character for its number.
func TestQuoteRune(t *testing.T) {
	for r, want := range map[rune]string{
		'a': "a", 'z': "z", '`': `\x{60}`, '{': `\x{7b}`, 'A': "A", 'Z': "Z", '@': `\x{40}`, '[': `\x{5b}`,
		'0': "0", '9': "9", '/': `\x{2f}`, ':': "[:]", '.': "[.]", '_': "_", '-': "-", '+': `\x{2b}`, 0x7f: `\x{7f}`, 0x80: "[^/]",
	} {
		if got := quoteRune(r); got != want {
			t.Errorf("%q is %s, want %s", r, got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{
		"": "''", "a ~": "'a ~'", "\x1f": `'\U0000001f'`, "'": `'\U00000027'`, `\`: `'\U0000005c'`, "\u0080": `'\U00000080'`, "é": `'\U000000e9'`,
	} {
		if got := Literal(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// 500 policies as teams write them: by one label, by several, by image, by a glob, by labels and an
// image, by a mount and by a setting.
func TestExpression_FiveHundredOrdinaryPolicies(t *testing.T) {
	var policies []*v1alpha1.SharedMemoryPolicy
	labels := func(i int) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{
			"app.kubernetes.io/name": fmt.Sprintf("application-%d", i), "app.kubernetes.io/component": fmt.Sprintf("component-%d", i%7),
		}}
	}
	for i := range 500 {
		image := fmt.Sprintf("registry.example.com/team-%d/application-%d", i%20, i)
		policies = append(policies, newPolicy(fmt.Sprint("p", i), []v1alpha1.Match{
			{PodSelector: selecting(fmt.Sprintf("application-%d", i))},
			{PodSelector: labels(i)},
			{Images: []string{image}},
			{Images: []string{image + "-*"}},
			{PodSelector: labels(i), Images: []string{image}},
			{PodSelector: selecting(fmt.Sprintf("application-%d", i)), Mounted: &yes},
			{PodSelector: selecting(fmt.Sprintf("application-%d", i)), TmpfsPaths: v1alpha1.TmpfsPathsDetect},
		}[i%7]))
	}
	policies = append(policies, library(t)...)
	expression, ok := Expression(policies, nil)
	if !ok {
		t.Fatal("there is no expression")
	}
	for _, age := range []string{"oldest", "newest"} {
		c := mustCompile(t, expression, age)
		ordinary := podWith(map[string]string{"app": "shop", "app.kubernetes.io/name": "shop"}, "registry.example.com/team-1/shop:1", "envoyproxy/envoy:v1")
		cost, err := c.cost(ordinary)
		t.Logf("%s: %d bytes cost %d for an ordinary Pod", age, len(expression), cost)
		if is, sendErr := c.sends(ordinary); is || err != nil || sendErr != nil || cost > 50_000 {
			t.Errorf("%s: an ordinary Pod is sent: %v, %v, %v", age, is, err, sendErr)
		}
		for i, pod := range []*corev1.Pod{
			podWith(map[string]string{"app": "application-7"}, "a"),
			podWith(labels(8).MatchLabels, "a"),
			podWith(nil, "registry.example.com/team-9/application-9:1"),
			podWith(nil, "registry.example.com/team-10/application-10-x@sha256:1"),
			podWith(labels(11).MatchLabels, "registry.example.com:443/team-11/application-11"),
		} {
			if is, err := c.sends(pod); !is || err != nil {
				t.Errorf("%s: a Pod of policy %d is not sent: %v", age, i+7, err)
			}
		}
	}
}
