package policytest

import (
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/testcase"
)

// Evaluator evaluates the object of a case.
type Evaluator interface {
	Evaluate(t *testing.T, c Case) Result
}

// Run runs all cases with an Evaluator.
func Run(t *testing.T, e Evaluator) {
	cases := Cases(t)
	if len(cases) == 0 {
		t.Fatal("there are no cases")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if diff := c.Diff(t, e.Evaluate(t, c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Diff returns how a Result differs from what the case wants; "" if it does not.
func (c Case) Diff(tb testing.TB, got Result) string {
	tb.Helper()
	problems := testcase.Compare(c.Want, got, c.MountPath(tb, got.Policy))
	if len(problems) > 0 {
		for _, text := range got.Warnings {
			problems = append(problems, "warning: "+text)
		}
		for _, text := range got.Messages {
			problems = append(problems, "message: "+text)
		}
	}
	return strings.Join(problems, "\n")
}
