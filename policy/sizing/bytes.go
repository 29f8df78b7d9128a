package sizing

import (
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Bytes represents an amount of memory, in bytes. This package never makes a negative one. The
// arithmetic saturates: a result that does not fit is MaxBytes, a difference below zero is zero.
// (After kueue's resources.Amount.)
type Bytes int64

// MaxBytes stands for every amount that does not fit.
const MaxBytes Bytes = math.MaxInt64

// Units of Bytes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// longestQuantity is far above any spelling of 2^63 bytes.
const longestQuantity = 128

// longExponent has three digits: nothing that is counted needs them.
var longExponent = regexp.MustCompile(`[eE][-+]?0*[1-9][0-9]{2,}`)

// IsExcessive reports whether the text of a quantity costs resource.ParseQuantity, or what is done with its result, more than
// any amount is worth: an exponent of many digits makes it compute with numbers of as many digits as the exponent says, and
// one of more than 31 bits wraps round silently. Texts from clients are asked about here before they are parsed.
func IsExcessive(text string) bool {
	return len(text) > longestQuantity || strings.ContainsAny(text, "eE") && longExponent.MatchString(text)
}

// BytesOf returns the value of a quantity in bytes, rounded up: 0 for a negative one, and MaxBytes
// for one that does not fit. (Quantity.Value returns 0 for 1e400, and takes long to return it for
// 1e999999.)
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
		if q.CmpInt64(math.MaxInt64) > 0 {
			return MaxBytes
		}
		return Bytes(q.Value())
	}
}

// Plus returns b + c.
func (b Bytes) Plus(c Bytes) Bytes {
	if c > MaxBytes-b {
		return MaxBytes
	}
	return b + c
}

// Minus returns b - c, or 0 if c is larger.
func (b Bytes) Minus(c Bytes) Bytes { return max(0, b-c) }

// Times returns b x n; a negative n counts as 0.
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

// Percent returns p per cent of b, rounded up to a whole byte; a negative p counts as 0. MaxBytes
// stays MaxBytes for any p above 0.
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

// RoundUp returns the smallest multiple of unit that is not less than b, or MaxBytes if there is
// none. The unit must be above 0.
func (b Bytes) RoundUp(unit Bytes) Bytes { return unit.Times(b.DivUp(unit)) }

// RoundDown returns the largest multiple of unit that is not more than b. The unit must be above 0.
// MaxBytes stays MaxBytes: it stands for an amount that is not known.
func (b Bytes) RoundDown(unit Bytes) Bytes {
	if b == MaxBytes {
		return MaxBytes
	}
	return b - b%unit
}

// DivUp returns b / unit, rounded up. The unit must be above 0.
func (b Bytes) DivUp(unit Bytes) int64 {
	n := int64(b / unit)
	if b%unit != 0 {
		n++
	}
	return n
}

// Quantity returns b as a manifest writes it, such as 897Mi.
func (b Bytes) Quantity() *resource.Quantity {
	return resource.NewQuantity(int64(b), resource.BinarySI)
}

// String returns b in a unit that suits it, for messages: exact if it is a whole number of that
// unit, otherwise to a tenth. Amounts below 1 MiB are in bytes.
func (b Bytes) String() string { return string(b.Append(make([]byte, 0, 16))) }

// Append appends b, as String writes it, to a text.
func (b Bytes) Append(to []byte) []byte {
	whole := func(unit Bytes, suffix string) []byte {
		return append(strconv.AppendInt(to, int64(b/unit), 10), suffix...)
	}
	tenths := func(unit Bytes, suffix string) []byte {
		return append(strconv.AppendFloat(to, float64(b)/float64(unit), 'f', 1, 64), suffix...)
	}
	switch {
	case b == MaxBytes:
		return append(to, "more than 8191Pi"...)
	case b < MiB:
		return whole(1, " B")
	case b%GiB == 0 && b < 1<<50:
		return whole(GiB, "Gi")
	case b%MiB == 0 && b < 1<<40:
		return whole(MiB, "Mi")
	case b < 10*GiB:
		return tenths(MiB, "Mi")
	case b < 1<<50:
		return tenths(GiB, "Gi")
	default:
		return tenths(1<<50, "Pi")
	}
}
