package policy_test

import (
	"math"
	"math/big"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
)

// checkBytes holds the arithmetic against integers without an end.
func checkBytes(t interface{ Fatalf(string, ...any) }, a, b int64, percent int64) {
	x, y := policy.Bytes(a), policy.Bytes(b)
	is := func(what string, got policy.Bytes, want *big.Int) {
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
	if x != policy.MaxBytes {
		p := new(big.Int).Mul(big.NewInt(a), big.NewInt(percent))
		is("percent", x.Percent(percent), p.Add(p, big.NewInt(99)).Quo(p, big.NewInt(100)))
	}
	if b > 0 {
		up := new(big.Int).Add(big.NewInt(a), big.NewInt(b-1))
		is("rounded up to", x.RoundUp(y), up.Quo(up, big.NewInt(b)).Mul(up, big.NewInt(b)))
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

func TestBytesSaturateAndNeverWrap(t *testing.T) {
	amounts := rapid.OneOf(rapid.Int64Range(0, 1<<20), rapid.Int64Range(0, math.MaxInt64), rapid.Int64Range(math.MaxInt64-9, math.MaxInt64))
	rapid.Check(t, func(t *rapid.T) {
		checkBytes(t, amounts.Draw(t, "a"), amounts.Draw(t, "b"), rapid.Int64Range(0, 1100).Draw(t, "percent"))
	})
}

func TestBytesInMessages(t *testing.T) {
	for want, b := range map[string]policy.Bytes{
		"0 B": 0, "1500 B": 1500, "1Mi": policy.MiB, "897Mi": 897 * policy.MiB, "4Gi": 4 * policy.GiB,
		"1130.0Mi": 1184901120, "more than 8191Pi": policy.MaxBytes,
	} {
		if got := b.String(); got != want {
			t.Errorf("%d is %q, want %q", int64(b), got, want)
		}
	}
}

func TestBytesOfQuantities(t *testing.T) {
	for text, want := range map[string]policy.Bytes{
		"0": 0, "-1": 0, "-1e400": 0, "1500m": 2, "1n": 1, "1e-300": 1, "1.5Gi": 1610612736, "300M": 300000000, "1Pi": 1 << 50,
		"7E": 7e18, "8Ei": policy.MaxBytes, "1e19": policy.MaxBytes, "1e400": policy.MaxBytes, "1e999999": policy.MaxBytes,
		"9223372036854775807": policy.MaxBytes, "9223372036854775806": policy.MaxBytes - 1,
	} {
		if got := policy.BytesOf(resource.MustParse(text)); got != want {
			t.Errorf("%s is %d bytes, want %d", text, int64(got), int64(want))
		}
	}
}
