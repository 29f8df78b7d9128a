package manifest

import (
	"bytes"
	"slices"
)

// carry makes to text what turns before into after, line by line. It gives up where a changed line of before, or the
// neighbour of an added one, is not to be found in text, and where the texts differ too much to be worth comparing.
func carry(before, after, text []byte) ([]byte, bool) {
	a, b, t := lines(before), lines(after), lines(text)
	changes, ok := differences(a, b)
	if !ok {
		return nil, false
	}
	// Spacing within a line is what an encoder changes first, and does not make it another line.
	noise, ok := differences(squeeze(a), squeeze(t))
	if !ok {
		return nil, false
	}
	// where[i] is the line of t that is line i of a, or -1.
	where := make([]int, len(a))
	shift, next := 0, 0
	for _, n := range append(noise, hunk{len(a), len(a), len(t), len(t)}) {
		for ; next < n.a0; next++ {
			where[next] = next + shift
		}
		for ; next < n.a1; next++ {
			where[next] = -1
		}
		shift = n.b1 - n.a1
	}
	var out []byte
	done := 0
	for _, c := range changes {
		from, to, ok := place(where, c, len(t))
		if !ok || from < done {
			return nil, false
		}
		for _, line := range t[done:from] {
			out = append(out, line...)
		}
		if len(out) > 0 && out[len(out)-1] != '\n' && c.b1 > c.b0 {
			out = append(out, '\n')
		}
		for _, line := range b[c.b0:c.b1] {
			out = append(out, line...)
		}
		done = to
	}
	for _, line := range t[done:] {
		out = append(out, line...)
	}
	return out, true
}

func squeeze(in [][]byte) [][]byte {
	out := make([][]byte, len(in))
	for i, line := range in {
		out[i] = bytes.Map(func(r rune) rune {
			if r == ' ' || r == '\t' {
				return -1
			}
			return r
		}, line)
	}
	return out
}

// place finds the lines of the text that a hunk replaces.
func place(where []int, c hunk, length int) (from, to int, ok bool) {
	if c.a0 == c.a1 {
		switch {
		case c.a0 > 0 && where[c.a0-1] >= 0:
			return where[c.a0-1] + 1, where[c.a0-1] + 1, true
		case c.a0 < len(where) && where[c.a0] >= 0:
			return where[c.a0], where[c.a0], true
		}
		return 0, 0, false
	}
	for i := c.a0; i < c.a1; i++ {
		if where[i] < 0 || i > c.a0 && where[i] != where[i-1]+1 {
			return 0, 0, false
		}
	}
	return where[c.a0], where[c.a1-1] + 1, where[c.a1-1] < length
}

func lines(text []byte) [][]byte {
	if len(text) == 0 {
		return nil
	}
	all := bytes.SplitAfter(text, []byte("\n"))
	if len(all[len(all)-1]) == 0 {
		all = all[:len(all)-1]
	}
	return all
}

// hunk says that lines a0 to a1 of one text are lines b0 to b1 of the other.
type hunk struct{ a0, a1, b0, b1 int }

// maxEdits bounds the work of differences, which grows with its square.
const maxEdits = 1500

// differences finds a shortest list of changes from a to b (E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986),
// or nothing where it is longer than maxEdits.
func differences(a, b [][]byte) ([]hunk, bool) {
	same := func(x, y []byte) bool { return bytes.Equal(bytes.TrimRight(x, "\n"), bytes.TrimRight(y, "\n")) }
	// furthest[d][k+d] is how far into a one gets with d edits on the diagonal k = position in a - position in b.
	var furthest [][]int
	x, y := 0, 0
	for d := 0; ; d++ {
		if d > maxEdits {
			return nil, false
		}
		row := make([]int, 2*d+1)
		for k := -d; k <= d; k += 2 {
			switch {
			case d == 0:
				x = 0
			case k == -d || k != d && at(furthest[d-1], d-1, k-1) < at(furthest[d-1], d-1, k+1):
				x = at(furthest[d-1], d-1, k+1)
			default:
				x = at(furthest[d-1], d-1, k-1) + 1
			}
			y = x - k
			for x < len(a) && y >= 0 && y < len(b) && same(a[x], b[y]) {
				x, y = x+1, y+1
			}
			row[k+d] = x
			if x >= len(a) && y >= len(b) {
				return trace(furthest, x, y), true
			}
		}
		furthest = append(furthest, row)
	}
}

func at(row []int, d, k int) int {
	if k < -d || k > d {
		return -1
	}
	return row[k+d]
}

// trace walks back from the end, joining edits that touch.
func trace(furthest [][]int, x, y int) []hunk {
	var hunks []hunk
	for d := len(furthest); d > 0; d-- {
		k := x - y
		down := k == -d || k != d && at(furthest[d-1], d-1, k-1) < at(furthest[d-1], d-1, k+1)
		h := hunk{}
		if down {
			px := at(furthest[d-1], d-1, k+1)
			py := px - (k + 1)
			h = hunk{px, px, py, py + 1}
			x, y = px, py
		} else {
			px := at(furthest[d-1], d-1, k-1)
			py := px - (k - 1)
			h = hunk{px, px + 1, py, py}
			x, y = px, py
		}
		if n := len(hunks); n > 0 && hunks[n-1].a0 == h.a1 && hunks[n-1].b0 == h.b1 {
			hunks[n-1].a0, hunks[n-1].b0 = h.a0, h.b0
			continue
		}
		hunks = append(hunks, h)
	}
	slices.Reverse(hunks)
	return hunks
}
