package prose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// rule represents a turn of phrase to avoid, and what to write instead.
type rule struct {
	pattern *regexp.Regexp
	instead string
	// planted is a sentence that the rule must find, and fine one that it must leave alone.
	planted, fine string
	// allowed are the last words with which it is English.
	allowed []string
}

func avoid(pattern, instead, planted, fine string, allowed ...string) rule {
	return rule{regexp.MustCompile(`(?i)` + pattern + `\b`), instead, planted, fine, allowed}
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
	avoid(`(?:\b(?:it|this|that|which|alone)|["'%)]) (?:is|are) no \w+`, "is not a",
		`field: "x" is no number`, "There is no number in the field.",
		"longer", "more", "less", "different", "use", "matter", "surprise"),
	avoid(`, also (?:if|when|where)`, "even if",
		"It is written, also if nothing changed.", "It also says where it is."),
	avoid(`\bfor want of`, "because there is no, without",
		"It is skipped for want of a size.", "It is skipped without a size."),
	avoid(`\bwhere (?:it|that|this|there|they|nothing|nobody|none) (?:(?:is|are|was|were|does|do|did|has|can|could) (?:not|none|no|neither|several|room|one|two|some)|cannot)`,
		"if, when",
		"It is absent where it is not known.", "It says where it is mounted."),
	avoid(`\b(?:that|which) (?:is|are) none`, "an invalid ..., that is not one of ...",
		"An image that is none is rejected.", "There is none."),
	avoid(`\b(?:leads|exists|runs|serves|works) no more`, "no longer",
		"The replica leads no more.", "The replica no longer leads."),
	avoid(`\bby itself`, "on its own",
		"The program ends by itself.", "The program ends on its own."),
	avoid(`\bat the most`, "at most",
		"It has two at the most.", "It has at most two."),
	avoid(`\bwhat (?:(?:be)?comes|(?:be)?came|(?:would|has to|will|may) (?:be)?come) of`, "the outcome, what happens to",
		"It says what becomes of the Pod.", "It says what happens to the Pod."),
	avoid(`\b(?:for|from|by|of|warns|with) who (?:sets|makes|answers|may|has|is|builds|prefers|publishes|calls|creates|reads|runs|asks)`, "the user who, or name the object",
		"It warns who sets the label.", "The user who sets the label is warned."),
	avoid(`: see that`, "make sure that",
		"It is not read: see that it is there.", "It shows that it is there."),
	avoid(`\bwhat there (?:is|was) to say`, "the findings, the warnings",
		"It returns what there is to say about a Pod.", "There is nothing to say."),
}

// faults returns what the rules find in a text, one line for each.
func faults(text string) (out []string) {
	text = strings.Join(strings.Fields(text), " ") // a line may end within a phrase
	for _, r := range rules {
		for _, found := range r.pattern.FindAllString(text, -1) {
			if slices.Contains(r.allowed, found[strings.LastIndexByte(found, ' ')+1:]) {
				continue
			}
			out = append(out, fmt.Sprintf("%q: write %s", found, r.instead))
		}
	}
	return out
}
