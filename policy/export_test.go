package policy

// Governing is the name of the policy that governs a subject.
func (s Set) Governing(subject Subject) string {
	if p, _ := s.governing(&subject); p != nil {
		return p.name
	}
	return ""
}

// Repository is repository, for its test.
var Repository = repository

// Mentions is mentions, for its test.
var Mentions = mentions

// GlobMatches says whether a glob matches a name, and whether it is a glob.
func GlobMatches(pattern, name string) (matches, ok bool) {
	g, err := newGlob(pattern)
	return err == nil && g.matches(name), err == nil
}
