package admissionpolicy

import (
	"path"
	"regexp"
	"testing"
)

// A regular expression matches what the glob matches, whatever is in its brackets.
func TestGlobRegexp(t *testing.T) {
	texts := []string{"", "a", "b", "ab", "a/b", "a.b", "axb", "-", "]", "^", "\\", "a]", "é", "a+b", "$", "a-c", "c", "A", "/", "a\nb", "a*", "{", "a{1}"}
	for _, glob := range []string{
		"", "a", "*", "a*", "*b", "a?b", "?", "[ab]", "[^ab]", "[a-c]", "[^a-c]", "[\\]]", "[\\^]", "[\\-]", "a[.]b", "a.b", "a+b", "\\*", "a\\*",
		"[a-c]*", "é", "[é]", "$", "*/*", "a[^x]b", "a{1}", "[\\\\]", "[x-z]", "{",
	} {
		re, err := regexp.Compile(anyGlob([]string{glob}))
		if err != nil {
			t.Errorf("%q: %v", glob, err)
			continue
		}
		for _, text := range texts {
			want, err := path.Match(glob, text)
			if err != nil {
				t.Fatalf("%q: %v", glob, err)
			}
			if got := re.MatchString(text); got != want {
				t.Errorf("%q as %s matches %q: %t, want %t", glob, re, text, got, want)
			}
		}
	}
}
