package human

import (
	"strings"
	"testing"
)

func TestClosest(t *testing.T) {
	words := []string{"review", "simulate", "size", "policies", "lint", "memory", "minPods"}
	for word, want := range map[string]string{
		"revview": "review", "lnit": "lint", "Review": "review", "sise": "size", "simlate": "simulate", "polices": "policies",
		"memmory": "memory", "MINPODS": "minPods", "x": "", "": "", "li": "", "deploy": "", "sizes": "size",
		strings.Repeat("review", 1000): "",
	} {
		if got := Closest(word, words); got != want {
			t.Errorf("%.20q: got %q, want %q", word, got, want)
		}
	}
	if got := Closest("a", nil); got != "" {
		t.Errorf("of no words: got %q", got)
	}
}
