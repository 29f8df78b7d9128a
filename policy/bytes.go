package policy

import (
	"math"
	"math/bits"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Bytes is an amount of memory, in bytes. It is never negative when made by this
// package, and its arithmetic saturates: a result that does not fit is MaxBytes,
// a difference below zero is zero.
type Bytes int64

// MaxBytes stands for every amount that does not fit.
const MaxBytes Bytes = math.MaxInt64

// Units of Bytes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// BytesOf is the value of a quantity in bytes, rounded up: 0 for a negative one,
// and MaxBytes for one that does not fit. (Quantity.Value says 0 of 1e400, and
// takes long to say it of 1e999999.)
func BytesOf(q resource.Quantity) Bytes {
	if n, ok := q.AsInt64(); ok {
		return max(0, Bytes(n))
	}
	d := q.AsDec()
	if d.Sign() <= 0 {
		return 0
	}
	switch digits := float64(d.UnscaledBig().BitLen())*math.Log10(2) - float64(d.Scale()); {
	case digits > 20:
		return MaxBytes
	case digits < 0:
		return 1
	default:
		n := q.Value()
		if n <= 0 || q.CmpInt64(math.MaxInt64) > 0 {
			return MaxBytes
		}
		return Bytes(n)
	}
}

// Plus is b + c.
func (b Bytes) Plus(c Bytes) Bytes {
	if c > MaxBytes-b {
		return MaxBytes
	}
	return b + c
}

// Minus is b - c, and 0 where c is the larger.
func (b Bytes) Minus(c Bytes) Bytes { return max(0, b-c) }

// Times is b x n; a negative n counts as 0.
func (b Bytes) Times(n int64) Bytes {
	if n <= 0 || b <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(b), uint64(n))
	if hi != 0 || lo > math.MaxInt64 {
		return MaxBytes
	}
	return Bytes(lo)
}

// Percent is p per cent of b, rounded up. MaxBytes stays MaxBytes.
func (b Bytes) Percent(p int64) Bytes {
	if b == MaxBytes && p > 0 {
		return MaxBytes
	}
	if p <= 0 || b <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(b), uint64(p))
	if hi >= 100 {
		return MaxBytes
	}
	quotient, rest := bits.Div64(hi, lo, 100)
	if rest > 0 {
		quotient++
	}
	if quotient > math.MaxInt64 {
		return MaxBytes
	}
	return Bytes(quotient)
}

// RoundUp is the smallest multiple of unit that is not less than b; MaxBytes
// where there is none.
func (b Bytes) RoundUp(unit Bytes) Bytes { return unit.Times(b.DivUp(unit)) }

// DivUp is b / unit, rounded up.
func (b Bytes) DivUp(unit Bytes) int64 {
	n := int64(b / unit)
	if b%unit != 0 {
		n++
	}
	return n
}

// Quantity is b as it is written in a manifest.
func (b Bytes) Quantity() *resource.Quantity {
	return resource.NewQuantity(int64(b), resource.BinarySI)
}

// String is b in a unit that suits it, for messages: exact where it is whole,
// otherwise to a tenth. Amounts below 1 MiB are in bytes.
func (b Bytes) String() string {
	switch {
	case b == MaxBytes:
		return "more than 8191Pi"
	case b < MiB:
		return strconv.FormatInt(int64(b), 10) + " B"
	case b%GiB == 0 && b < 1<<50:
		return strconv.FormatInt(int64(b/GiB), 10) + "Gi"
	case b%MiB == 0 && b < 1<<40:
		return strconv.FormatInt(int64(b/MiB), 10) + "Mi"
	case b < 10*GiB:
		return tenths(b, MiB) + "Mi"
	case b < 1<<50:
		return tenths(b, GiB) + "Gi"
	default:
		return tenths(b, 1<<50) + "Pi"
	}
}

func tenths(b, unit Bytes) string {
	return strconv.FormatFloat(float64(b)/float64(unit), 'f', 1, 64)
}
