package model

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// MemoryLimitFlag returns the value of --memory-limit; 0 if none is given.
func MemoryLimitFlag(text string, given bool) (sizing.Bytes, error) {
	if !given {
		return 0, nil
	}
	q, err := QuantityFlag("memory-limit", text)
	if err != nil {
		return 0, err
	}
	if q.Sign() == 0 {
		return 0, fmt.Errorf("--memory-limit: %s is not a limit: write one such as 512Mi, or leave the flag out", cli.Quote(text))
	}
	return sizing.BytesOf(q), nil
}

// SizeFor computes the size for a Pod of one container with the given memory limit, 0 for none. It
// fails, in words that name the flag, if the model needs to know more.
func (m Model) SizeFor(memoryLimit sizing.Bytes) (sizing.Size, error) {
	size, ok := m.Compiled.Size()
	switch units := m.Spec.Sizing.Units; {
	case ok:
		return size, nil
	case units != nil:
		return sizing.Size{}, fmt.Errorf("--count: is missing, and policy %s counts %s of a Pod: give it, such as --count 4, or give the Pod to kubectl shm review",
			cli.Quote(m.Name), counted(&units.Count))
	case memoryLimit == 0:
		return sizing.Size{}, fmt.Errorf("--memory-limit: is missing, and policy %s takes %d%% of it: give it, such as --memory-limit 2Gi", cli.Quote(m.Name), m.Spec.Sizing.MemoryPercent.Percent)
	}
	return policy.NewSet(m.Compiled).Evaluate(m.Subject(0, memoryLimit)).Size, nil
}

// counted says what a count is taken from.
func counted(c *v1alpha1.Count) string {
	if c.Annotation != nil {
		return "the annotation " + cli.Quote(*c.Annotation)
	}
	if more := len(c.Resources) - 1; more > 0 {
		return fmt.Sprintf("the resource %s and %d others", cli.Quote(c.Resources[0]), more)
	}
	return "the resource " + cli.Quote(c.Resources[0])
}

// Summary returns the workload in a line.
func (m Model) Summary() string {
	switch s := m.Spec.Sizing; {
	case m.Workload != "":
		return m.Workload
	case s.Files != nil:
		return m.Describe()
	case s.Fixed != nil:
		return fmt.Sprintf("a fixed size of %s", s.Fixed.Size.String())
	case s.MemoryPercent != nil:
		return fmt.Sprintf("%d%% of the container's memory limit", s.MemoryPercent.Percent)
	case s.Units.Count.Literal != nil:
		return fmt.Sprintf("so much for each of %d units", *s.Units.Count.Literal)
	}
	return "so much for each unit"
}
