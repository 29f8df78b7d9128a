package matchcondition

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// groups returns the groups of which the expression is made.
func (c *clauses) groups() []*group { return []*group{&c.anywhere, &c.settings, &c.mounts} }

// patternBytes returns the length of all patterns.
func (c *clauses) patternBytes() (n int) {
	for _, g := range c.groups() {
		if g.always {
			continue // its other entries are not written
		}
		for _, patterns := range g.images {
			n += len(oneOf(slices.Collect(maps.Keys(patterns))))
		}
	}
	return n
}

// searchedImageBytes returns how long the images of a Pod may be, together, to be searched. A Pod of
// which they are longer is sent.
func (c *clauses) searchedImageBytes() int {
	return min(maxImageBytes, maxPatternCost/max(1, c.patternBytes()))
}

// spellNames writes names as patterns if all patterns together are then no longer than most. One search
// for a pattern takes an API server less time than taking the images apart to look them up.
func (c *clauses) spellNames(most int) {
	length := 0
	for _, g := range c.groups() {
		for _, names := range g.names {
			for name := range names {
				if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
					return // a pattern has any character for it
				}
				length += len(name)
			}
		}
	}
	if length > most {
		return
	}
	written := make([]map[string]map[pattern]bool, 0, 3)
	for _, g := range c.groups() {
		written = append(written, g.images)
		g.images = union(g.images, g.spelled)
	}
	fits := c.patternBytes() <= most
	for i, g := range c.groups() {
		if fits {
			g.names = nil
		} else {
			g.images = written[i]
		}
	}
}

// union returns what is in either of two groups of patterns.
func union(a, b map[string]map[pattern]bool) (out map[string]map[pattern]bool) {
	for _, group := range []map[string]map[pattern]bool{a, b} {
		for conjunction, patterns := range group {
			for p := range patterns {
				add(&out, conjunction, p)
			}
		}
	}
	return out
}

// looksAtImages reports what the expression has to know of images.
func (c *clauses) looksAtImages() (names, patterns bool) {
	for _, g := range c.groups() {
		if !g.always {
			names, patterns = names || len(g.names) > 0, patterns || len(g.images) > 0
		}
	}
	return names, patterns
}

// leaveOutCostly reports whether the expression still tells Pods apart without what would cost too
// much, and leaves that out.
func (c *clauses) leaveOutCostly() bool {
	// Each fragment would be looked for in all mounts, or in all settings, of a Pod.
	for g, fragments := range map[*group]map[string]bool{&c.mounts: c.mountFragments, &c.settings: c.settingsFragments} {
		most := 1
		if g == &c.mounts {
			most = maxMountFragments
		}
		if fragments[""] || len(fragments) > most {
			clear(fragments)
			if g.always {
				return false
			}
		}
	}
	if c.searchedImageBytes() >= minImageBytes {
		return true
	}
	for _, g := range c.groups() {
		for conjunction := range g.images {
			if conjunction != "" {
				delete(g.images, conjunction)
				if g.labels == nil {
					g.labels = make(map[string]bool)
				}
				g.labels[conjunction] = true
			}
		}
	}
	return c.searchedImageBytes() >= minImageBytes
}
