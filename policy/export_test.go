package policy

// Repository is repository, for its test.
var Repository = repository

// Mentions is mentions, for its test.
var Mentions = mentions

// GlobMatches reports whether a glob matches a name, and whether it is a glob.
func GlobMatches(pattern, name string) (matches, ok bool) {
	g, err := newGlob(pattern)
	return err == nil && g.matches(name), err == nil
}

// Steps returns how many elements of a Pod an evaluation looks at after matching.
func Steps(s Set, subject Subject) int {
	p, _, why := s.find(&subject)
	if p == nil || tooComplex(&subject) != nil {
		return 0
	}
	before := observe(&subject, p, &why, s.mirrors)
	before.size = before.sizeFor()
	before.violations()
	_, after, _ := before.plan(why.guess)
	after.violations()
	if after == before {
		return before.steps
	}
	return before.steps + after.steps
}
