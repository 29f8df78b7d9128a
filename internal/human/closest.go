package human

import (
	"slices"
	"strings"
)

// Closest returns the one of some words that another was most likely meant to be: that which differs in the case of its
// letters only, or else in at most two letters, and in no more than a third of them. It is empty if there is none.
func Closest(word string, known []string) string {
	sorted := slices.Sorted(slices.Values(known))
	if i := slices.IndexFunc(sorted, func(name string) bool { return strings.EqualFold(name, word) }); i >= 0 {
		return sorted[i]
	}
	best, nearest := "", 1+min(2, len(word)/3)
	for _, name := range sorted {
		if n := distance(word, name, nearest); n < nearest {
			best, nearest = name, n
		}
	}
	return best
}

// distance counts the bytes to add, drop or change, and the pairs to swap, to make b from a (optimal string alignment), or
// returns limit when there are as many or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			change := row[j]
			if a[i] != b[j] {
				change++
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return min(row[len(b)], limit)
}
