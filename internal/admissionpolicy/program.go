package admissionpolicy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// program collects the variables of a policy, in an order in which each uses only earlier ones.
type program struct {
	variables []admissionregistrationv1.Variable
}

// set adds a variable. "$name" in the format and the arguments stands for another variable.
func (p *program) set(name, format string, args ...any) {
	p.variables = append(p.variables, admissionregistrationv1.Variable{Name: name, Expression: expr(format, args...)})
}

// expr returns an expression: "$name" in the format and the arguments stands for a variable.
func expr(format string, args ...any) string {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	return strings.ReplaceAll(format, "$", "variables.")
}

var usesVariable = regexp.MustCompile(`\bvariables\.([a-zA-Z]+)`)

// used returns the variables that the expressions use, directly or not, in their order.
func (p *program) used(expressions ...string) []admissionregistrationv1.Variable {
	needed := map[string]bool{}
	need := func(text string) {
		for _, match := range usesVariable.FindAllStringSubmatch(text, -1) {
			needed[match[1]] = true
		}
	}
	for _, e := range expressions {
		need(e)
	}
	var out []admissionregistrationv1.Variable
	for _, v := range slices.Backward(p.variables) {
		if needed[v.Name] {
			need(v.Expression)
			out = append(out, v)
		}
	}
	slices.Reverse(out)
	return out
}

// literal returns a text as CEL writes it, without a "$".
func literal(text string) string {
	return strings.ReplaceAll(matchcondition.Literal(text), "$", `\U00000024`)
}

// list returns texts as a list of CEL.
func list(texts ...string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = literal(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// anyOf joins conditions of which one has to hold; without any none does.
func anyOf(conditions ...string) string {
	if len(conditions) == 0 {
		return "false"
	}
	return "(" + strings.Join(conditions, " || ") + ")"
}

// allOf joins conditions that all have to hold.
func allOf(conditions ...string) string {
	if len(conditions) == 0 {
		return "true"
	}
	return "(" + strings.Join(conditions, " && ") + ")"
}

// mib is a MiB in an expression.
const mib = int64(sizing.MiB)

// roundUp returns an expression for an amount that is rounded up to whole MiB.
func roundUp(amount string) string {
	return fmt.Sprintf("(%[1]s + %[2]d) / %[3]d * %[3]d", amount, mib-1, mib)
}

// percent returns an expression for a percentage of an amount, rounded up to a whole byte.
func percent(amount string, percent int64) string {
	return fmt.Sprintf("(%s * %d + 99) / 100", amount, percent)
}

// quantityText returns an expression for an amount as a manifest writes it.
func quantityText(amount string) string {
	return fmt.Sprintf("(%[1]s %% %[2]d == 0 ? string(%[1]s / %[2]d) + 'Mi' : string(%[1]s))", amount, mib)
}
