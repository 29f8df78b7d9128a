package figures

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func byScenario(x, y Comparison) int {
	return cmp.Or(cmp.Compare(x.Scenario, y.Scenario), cmp.Compare(x.What, y.What))
}

// tables returns the comparisons and the kernel memory, in Markdown. What a run has not measured is a dash.
func tables(v1, v2 Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Linux %s with cgroup v1, Linux %s with cgroup v2; the ratio is predicted / measured.\n\n", known(v1.Kernel), known(v2.Kernel))
	b.WriteString("| scenario | | v1: predicted | measured | ratio | v2: predicted | measured | ratio |\n|---|---|---|---|---|---|---|---|\n")
	rows := union(v1.Comparisons, v2.Comparisons, sameComparison)
	slices.SortFunc(rows, byScenario)
	for _, row := range rows {
		fmt.Fprintf(&b, "| %d | %s |%s |%s |\n", row.Scenario, row.What, cells(v1, row), cells(v2, row))
	}
	b.WriteString("\n| bytes of a file | name | kernel memory of a file, measured with v1 | with v2 | in the model |\n|---|---|---|---|---|\n")
	for _, row := range union(v1.KernelCosts, v2.KernelCosts, sameFile) {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %d B |\n", row.Size, row.Name, kernelCell(v1, row), kernelCell(v2, row), row.Model)
	}
	return b.String()
}

func known(kernel string) string {
	if kernel == "" {
		return "(not measured)"
	}
	return kernel
}

func sameComparison(x, y Comparison) bool { return x.Scenario == y.Scenario && x.What == y.What }

func sameFile(x, y KernelCost) bool { return x.Size == y.Size && x.Name == y.Name }

// union returns all of the first, and then what only the second has.
func union[T any](first, second []T, same func(x, y T) bool) []T {
	all := slices.Clone(first)
	for _, row := range second {
		if !slices.ContainsFunc(first, func(x T) bool { return same(x, row) }) {
			all = append(all, row)
		}
	}
	return all
}

func cells(r Run, row Comparison) string {
	i := slices.IndexFunc(r.Comparisons, func(c Comparison) bool { return sameComparison(c, row) })
	if i < 0 {
		return " – | – | –"
	}
	c := r.Comparisons[i]
	return fmt.Sprintf(" %s | %s | %.3f", c.Predicted, c.Measured, c.Ratio)
}

func kernelCell(r Run, row KernelCost) string {
	i := slices.IndexFunc(r.KernelCosts, func(c KernelCost) bool { return sameFile(c, row) })
	if i < 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f ± %.1f B", r.KernelCosts[i].Measured, r.KernelCosts[i].Error)
}
