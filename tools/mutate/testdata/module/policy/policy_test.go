package policy

import "testing"

func TestSum(t *testing.T) {
	for _, c := range []struct {
		values []int
		want   int
	}{{[]int{1, 2}, 3}, {[]int{-1, 2}, 2}, {[]int{17, 2}, 2}, {[]int{16}, 16}} {
		if got := sum(c.values); got != c.want {
			t.Errorf("got %d, want %d", got, c.want)
		}
	}
}

func TestLargest(t *testing.T) {
	if largest(1, 2) != 2 || largest(2, 1) != 2 {
		t.Error("not the largest")
	}
}

func TestBits(t *testing.T) {
	if bits(6, 3) != 2 {
		t.Error("not the common bits")
	}
}

func TestHalf(t *testing.T) {
	if half(4) != -2 {
		t.Error("not half")
	}
}
