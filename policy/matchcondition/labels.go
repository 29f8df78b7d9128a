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

// singleLabelIn returns the label and the values of a selector that asks for nothing else.
func singleLabelIn(
	requirements []metav1.LabelSelectorRequirement,
) (key string, values []string, ok bool) {
	if len(requirements) != 1 || requirements[0].Operator != metav1.LabelSelectorOpIn {
		return "", nil, false
	}
	return requirements[0].Key, requirements[0].Values, true
}

// labelTerm returns one requirement, exactly as a selector takes it: NotIn also holds if the
// label is absent.
func labelTerm(r metav1.LabelSelectorRequirement) string {
	present := literal(r.Key) + " in " + labelsVar
	among := func() string {
		value := labelsVar + "[" + literal(r.Key) + "]"
		if len(r.Values) == 1 {
			return present + " && " + value + " == " + literal(r.Values[0])
		}
		quoted := make([]string, len(r.Values))
		for i, v := range slices.Sorted(slices.Values(r.Values)) {
			quoted[i] = literal(v)
		}
		return present + " && " + value + " in [" + strings.Join(quoted, ", ") + "]"
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

// literal returns a text as a CEL string. Quotes, backslashes and all that is not printable
// ASCII are written as code points, so that no text ends the string early.
func literal(text string) string {
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
