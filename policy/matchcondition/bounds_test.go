package matchcondition

import (
	"fmt"
	"strings"
	"testing"

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

// An expression has up to 8 KiB.
func TestExpression_LongestText(t *testing.T) {
	// The last of 119 values has the given length.
	of := func(length int) (string, bool) {
		var values []string
		for i := range 118 {
			values = append(values, fmt.Sprintf("%063d", i))
		}
		m := v1alpha1.Match{PodSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: append(values, strings.Repeat("a", length))},
		}}}
		m.PodSelector.MatchExpressions[0].Key = strings.Repeat("k", 63)
		return Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", m)}, nil)
	}
	short, ok := of(1)
	length := 8192 - (len(short) - 1)
	if !ok || length < 1 || length > 62 {
		t.Fatalf("an expression of %d bytes, %t, is not close to 8 KiB", len(short), ok)
	}
	if text, ok := of(length); !ok || len(text) != 8192 {
		t.Errorf("8 KiB: %d bytes, %t", len(text), ok)
	}
	if text, ok := of(length + 1); ok {
		t.Errorf("there is an expression of %d bytes", len(text))
	}
}

// All patterns together have up to 6 KiB: those of one requirement on labels, and of several.
func TestExpression_LongestPatterns(t *testing.T) {
	image := func(length int) string { return "ghcr.io/" + strings.Repeat("a", length) }
	of := func(matches ...v1alpha1.Match) (string, bool) {
		return Expression([]*v1alpha1.SharedMemoryPolicy{newPolicy("p", matches...)}, nil)
	}
	// What stands between matches(' and '), where a backslash is written as ten characters.
	short, _ := of(matchImages(image(1)))
	_, rest, _ := strings.Cut(short, ".matches('")
	pattern, _, _ := strings.Cut(rest, "')")
	around := len(strings.ReplaceAll(pattern, `\U0000005c`, `\`)) - 1

	if text, ok := of(matchImages(image(6144 - around))); !ok {
		t.Errorf("6 KiB: %d bytes, %t", len(text), ok)
	}
	if text, ok := of(matchImages(image(6145 - around))); ok {
		t.Errorf("there is an expression with a pattern of 6 KiB and a byte: %d bytes", len(text))
	}
	beside := func(app string, length int) v1alpha1.Match {
		return v1alpha1.Match{PodSelector: selecting(app), Images: []string{image(length)}}
	}
	if text, ok := of(beside("a", 3072-around), beside("b", 3072-around)); !ok {
		t.Errorf("6 KiB beside labels: %d bytes, %t", len(text), ok)
	}
	if _, ok := of(beside("a", 3073-around), beside("b", 3072-around)); ok {
		t.Error("there is an expression with patterns of 6 KiB and a byte beside labels")
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
		if got := literal(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}
