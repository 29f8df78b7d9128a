package matchcondition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// requirementsOf returns what a selector asks for, in a fixed order. ok is false for one
// that is not valid.
func requirementsOf(s *metav1.LabelSelector) (out []metav1.LabelSelectorRequirement, ok bool) {
	if _, err := metav1.LabelSelectorAsSelector(s); err != nil {
		return nil, false
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		out = append(out, metav1.LabelSelectorRequirement{
			Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{s.MatchLabels[key]},
		})
	}
	return append(out, s.MatchExpressions...), true
}

// conjunctionOf returns a term that holds if all requirements do; empty for none.
func conjunctionOf(requirements []metav1.LabelSelectorRequirement) string {
	terms := make([]string, len(requirements))
	for i, r := range requirements {
		terms[i] = labelTerm(r)
	}
	return strings.Join(terms, " && ")
}

// SelectorTerm returns a term that holds if the labels that are bound to l are what a selector asks
// for, exactly as the selector takes it; empty if it asks for nothing. ok is false for a selector
// that is not valid.
func SelectorTerm(s *metav1.LabelSelector) (term string, ok bool) {
	requirements, ok := requirementsOf(s)
	return conjunctionOf(requirements), ok
}

// tupleSeparator stands between keys, and between values. Neither may have it.
const tupleSeparator = ","

// tuplesOf returns the keys, and all combinations of values, of one or more requirements. ok is
// false if one asks for anything but a value, and for too many combinations.
func tuplesOf(requirements []metav1.LabelSelectorRequirement) (keys string, values []string, ok bool) {
	requirements = slices.SortedFunc(slices.Values(requirements), func(a, b metav1.LabelSelectorRequirement) int {
		return strings.Compare(a.Key, b.Key)
	})
	values = []string{""}
	var of []string
	for i, r := range requirements {
		if r.Operator != metav1.LabelSelectorOpIn || len(requirements) > 1 && len(values)*len(r.Values) > maxTuples {
			return "", nil, false
		}
		of = append(of, r.Key)
		var longer []string
		for _, begun := range values {
			for _, value := range r.Values {
				if i > 0 {
					value = begun + tupleSeparator + value
				}
				longer = append(longer, value)
			}
		}
		values = longer
	}
	return strings.Join(of, tupleSeparator), values, true
}

// tuplesTerm returns a term that holds if the labels have one of some combinations of values.
func tuplesTerm(keys string, values []string) string {
	all := strings.Split(keys, tupleSeparator)
	if len(all) == 1 {
		return labelTerm(metav1.LabelSelectorRequirement{Key: keys, Operator: metav1.LabelSelectorOpIn, Values: values})
	}
	present, together := make([]string, len(all)), make([]string, len(all))
	for i, key := range all {
		present[i] = Literal(key) + " in " + labelsVar
		together[i] = labelsVar + "[" + Literal(key) + "]"
	}
	return strings.Join(present, " && ") + " && " + strings.Join(together, " + '"+tupleSeparator+"' + ") + " in " + list(values)
}

// list returns texts as a CEL list.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = Literal(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// labelTerm returns one requirement, exactly as a selector takes it: NotIn also holds if the
// label is absent.
func labelTerm(r metav1.LabelSelectorRequirement) string {
	present := Literal(r.Key) + " in " + labelsVar
	among := func() string {
		value := labelsVar + "[" + Literal(r.Key) + "]"
		if len(r.Values) == 1 {
			return present + " && " + value + " == " + Literal(r.Values[0])
		}
		return present + " && " + value + " in " + list(slices.Sorted(slices.Values(r.Values)))
	}
	switch r.Operator {
	case metav1.LabelSelectorOpIn:
		return among()
	case metav1.LabelSelectorOpNotIn:
		return "!(" + among() + ")"
	case metav1.LabelSelectorOpDoesNotExist:
		return "!(" + present + ")"
	default:
		return present
	}
}

// Literal returns a text as a CEL string. Quotes, backslashes and all that is not printable
// ASCII are written as code points, so that no text ends the string early.
func Literal(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range text {
		switch {
		case r < 0x80 && r >= ' ' && r != '\'' && r != '\\':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
