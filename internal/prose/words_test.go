package prose

import (
	"fmt"
	"regexp"
)

// rule represents a turn of phrase to avoid, and what to write instead.
type rule struct {
	pattern *regexp.Regexp
	instead string
	// planted is a sentence that the rule must find, and fine one that it must leave alone.
	planted, fine string
}

func avoid(pattern, instead, planted, fine string) rule {
	return rule{regexp.MustCompile(`(?i)` + pattern + `\b`), instead, planted, fine}
}

// rules are about words that no engineer would look for, and about constructions that are not
// English.
var rules = []rule{
	avoid(`\bmend(?:s|ed|ing)?`, "fix",
		"The plan mends the Pod.", "We recommend a size."),
	avoid(`\banew`, "again",
		"The file is written anew.", "It is a new file."),
	avoid(`\bwho(?:m)?ever`, "anyone who, or name the reader: the user, the administrator",
		"Ask whoever owns the policy.", "Ask the owner of the policy."),
	avoid(`\btells whether`, "reports whether",
		"ok tells whether it is there.", "ok reports whether it is there."),
	avoid(`\bstop(?:s|ped)? to (?:write|read|answer|serve|run)`, "stop writing",
		"The leader stops to write.", "The leader stops writing."),
	avoid(`\bas it stands`, "current",
		"The Pod as it stands is valid.", "The current Pod is valid."),
	avoid(`(?:\b(?:it|this|that|which)|["'%)]) (?:is|are) no (?:mode|number|quantity|duration|policy|size|object|kind|path|name|label|key|volume|image|pod|flag|selector|list|map|string|one)`,
		"is not a",
		`field: "x" is no number`, "There is no number in the field."),
	avoid(`\bfor want of`, "because there is no, without",
		"It is skipped for want of a size.", "It is skipped without a size."),
}

// faults returns what the rules find in a text, one line for each.
func faults(text string) (out []string) {
	for _, r := range rules {
		for _, found := range r.pattern.FindAllString(text, -1) {
			out = append(out, fmt.Sprintf("%q: write %s", found, r.instead))
		}
	}
	return out
}
