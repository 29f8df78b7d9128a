// Package policy has one operator of each kind for the tests of mutate.
package policy

const limit = 2 * 8

func sum(values []int) (total int) {
	for i := 0; i < len(values); i++ {
		if values[i] < 0 || values[i] > limit {
			continue
		}
		total += values[i]
	}
	return total
}

func largest(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func bits(a, b int) int { return a & b }

func half(a int) int {
	n := 0
	n++
	n--
	return -a/2 + n
}
