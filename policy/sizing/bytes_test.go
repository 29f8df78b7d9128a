package sizing_test

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// checkBytes compares the arithmetic with integers of any length.
func checkBytes(t interface{ Fatalf(string, ...any) }, a, b, percent int64) {
	x, y := sizing.Bytes(a), sizing.Bytes(b)
	is := func(what string, got sizing.Bytes, want *big.Int) {
		if want.Sign() < 0 {
			want.SetInt64(0)
		}
		if !want.IsInt64() {
			want.SetInt64(math.MaxInt64)
		}
		if int64(got) != want.Int64() {
			t.Fatalf("%d %s %d = %d, want %d", a, what, b, got, want)
		}
	}
	is("plus", x.Plus(y), new(big.Int).Add(big.NewInt(a), big.NewInt(b)))
	is("minus", x.Minus(y), new(big.Int).Sub(big.NewInt(a), big.NewInt(b)))
	is("times", x.Times(b), new(big.Int).Mul(big.NewInt(a), big.NewInt(b)))
	if x != sizing.MaxBytes {
		p := new(big.Int).Mul(big.NewInt(a), big.NewInt(percent))
		is("percent", x.Percent(percent), p.Add(p, big.NewInt(99)).Quo(p, big.NewInt(100)))
	}
	if b > 0 {
		up := new(big.Int).Add(big.NewInt(a), big.NewInt(b-1))
		quotient := up.Quo(up, big.NewInt(b))
		if got := x.DivUp(y); got != quotient.Int64() {
			t.Fatalf("%d / %d rounded up = %d, want %d", a, b, got, quotient)
		}
		is("rounded up to", x.RoundUp(y), quotient.Mul(quotient, big.NewInt(b)))
		down := new(big.Int).Sub(big.NewInt(a), new(big.Int).Rem(big.NewInt(a), big.NewInt(b)))
		if x == sizing.MaxBytes {
			down = big.NewInt(a)
		}
		is("rounded down to", x.RoundDown(y), down)
	}
}

func FuzzBytes(f *testing.F) {
	f.Add(int64(1500), int64(4096), int64(25))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(1000))
	f.Add(int64(math.MaxInt64-1), int64(2), int64(101))
	f.Fuzz(func(t *testing.T, a, b, percent int64) {
		if a < 0 || b < 0 || percent < 0 {
			t.Skip("amounts are not negative")
		}
		checkBytes(t, a, b, percent)
	})
}

func TestBytes_SaturateAndNeverWrap(t *testing.T) {
	amounts := rapid.OneOf(
		rapid.Int64Range(0, 1<<20),
		rapid.Int64Range(0, math.MaxInt64),
		rapid.Int64Range(math.MaxInt64-9, math.MaxInt64),
	)
	rapid.Check(t, func(t *rapid.T) {
		percent := rapid.Int64Range(0, 1100).Draw(t, "percent")
		checkBytes(t, amounts.Draw(t, "a"), amounts.Draw(t, "b"), percent)
	})
}

func TestBytes_Edges(t *testing.T) {
	const most, mi = sizing.MaxBytes, sizing.MiB
	for name, c := range map[string]struct{ got, want sizing.Bytes }{
		"a sum that just fits":                     {(most - 1).Plus(1), most},
		"a sum one below the most":                 {(most - 2).Plus(1), most - 1},
		"a difference of equals":                   {mi.Minus(mi), 0},
		"a difference below zero":                  {sizing.Bytes(1).Minus(2), 0},
		"times a negative number":                  {mi.Times(-1), 0},
		"a product that is 2^63":                   {sizing.Bytes(1 << 62).Times(2), most},
		"a product beyond 64 bits":                 {sizing.Bytes(1 << 62).Times(4), most},
		"one per cent of one byte":                 {sizing.Bytes(1).Percent(1), 1},
		"one per cent of 100 bytes":                {sizing.Bytes(100).Percent(1), 1},
		"one per cent of 101 bytes":                {sizing.Bytes(101).Percent(1), 2},
		"a negative percentage":                    {mi.Percent(-1), 0},
		"zero per cent of the most":                {most.Percent(0), 0},
		"one per cent of the most":                 {most.Percent(1), most},
		"100 per cent of one below the most":       {(most - 1).Percent(100), most - 1},
		"101 per cent of one below the most":       {(most - 1).Percent(101), most},
		"a percentage whose product has 71 bits":   {(most - 1).Percent(200), most},
		"a percentage whose product is 2^64 x 100": {(most - 1).Percent(201), most},
		"a percentage beyond 128 bits' hundredth":  {(most - 1).Percent(math.MaxInt64), most},
		"a multiple rounded up":                    {(2 * mi).RoundUp(mi), 2 * mi},
		"one byte more than a multiple rounded up": {(mi + 1).RoundUp(mi), 2 * mi},
		"zero rounded up":                          {sizing.Bytes(0).RoundUp(mi), 0},
		"the most rounded up":                      {most.RoundUp(mi), most},
		"a multiple rounded down":                  {(2 * mi).RoundDown(mi), 2 * mi},
		"one byte below a multiple rounded down":   {(2*mi - 1).RoundDown(mi), mi},
		"the most rounded down":                    {most.RoundDown(mi), most},
		"one below the most rounded down":          {(most - 1).RoundDown(mi), 1<<63 - 1<<20},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %d, want %d", name, int64(c.got), int64(c.want))
		}
	}
}

func TestBytes_String(t *testing.T) {
	for want, b := range map[string]sizing.Bytes{
		"0 B":              0,
		"1500 B":           1500,
		"1048575 B":        sizing.MiB - 1,
		"1Mi":              sizing.MiB,
		"1.5Mi":            sizing.MiB + sizing.MiB/2,
		"897Mi":            897 * sizing.MiB,
		"1130.0Mi":         1184901120,
		"4Gi":              4 * sizing.GiB,
		"10241Mi":          10*sizing.GiB + sizing.MiB,
		"10240.0Mi":        10*sizing.GiB - 1,
		"10.0Gi":           10*sizing.GiB + 1,
		"1024Gi":           1 << 40,
		"1024.0Gi":         1<<40 + sizing.MiB,
		"1.0Pi":            1 << 50,
		"8192.0Pi":         sizing.MaxBytes - 1,
		"more than 8191Pi": sizing.MaxBytes,
		"1048575Gi":        1<<50 - sizing.GiB,
		"1048575Mi":        1<<40 - sizing.MiB,
		"1048576.0Gi":      1<<50 - 1,
	} {
		if got := b.String(); got != want {
			t.Errorf("%d is %q, want %q", int64(b), got, want)
		}
	}
}

func TestBytes_Quantity(t *testing.T) {
	for want, b := range map[string]sizing.Bytes{
		"0": 0, "1500": 1500, "897Mi": 897 * sizing.MiB, "9223372036854775807": sizing.MaxBytes,
	} {
		if got := b.Quantity().String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(b), got, want)
		}
	}
}

func TestBytesOf(t *testing.T) {
	for text, want := range map[string]sizing.Bytes{
		"0":                   0,
		"-1":                  0,
		"0e400":               0,
		"-1e400":              0,
		"1500m":               2,
		"999m":                1,
		"1n":                  1,
		"1e-300":              1,
		"1.5Gi":               1610612736,
		"300M":                300000000,
		"1Pi":                 1 << 50,
		"7E":                  7e18,
		"8Ei":                 sizing.MaxBytes,
		"1e19":                sizing.MaxBytes,
		"19e18":               sizing.MaxBytes, // and above 0 in 64 bits
		"1e400":               sizing.MaxBytes,
		"1e999999":            sizing.MaxBytes,
		"9223372036854775807": sizing.MaxBytes,
		"9223372036854775806": sizing.MaxBytes - 1,
	} {
		if got := sizing.BytesOf(resource.MustParse(text)); got != want {
			t.Errorf("%s is %d bytes, want %d", text, int64(got), int64(want))
		}
	}
	// A quantity that was read as a decimal keeps that form, even if it is zero.
	for text, want := range map[string]sizing.Bytes{"0": 0, "0e400": 0, "-1": 0, "1": 1, "1500m": 2} {
		q := resource.MustParse(text)
		q.AsDec()
		if got := sizing.BytesOf(q); got != want {
			t.Errorf("%s as a decimal is %d bytes, want %d", text, int64(got), int64(want))
		}
	}
}

func TestIsExcessive(t *testing.T) {
	for text, want := range map[string]bool{
		"":                       false,
		"512Mi":                  false,
		"12Ei":                   false, // no exponent
		"1e99":                   false,
		"1E-99":                  false,
		"1e0000000000000000001":  false,
		"1e100":                  true,
		"1e+100":                 true,
		"1e-1000000000":          true,
		"0E2147483647":           true,
		strings.Repeat("9", 128): false,
		strings.Repeat("9", 129): true,
	} {
		if got := sizing.IsExcessive(text); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
