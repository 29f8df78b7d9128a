package picture

import (
	"fmt"
	"image/color"
	"math"
	"testing"
)

// linear returns the linear light of a color's channels (IEC 61966-2-1).
func linear(c color.RGBA) [3]float64 {
	var out [3]float64
	for i, v := range [3]uint8{c.R, c.G, c.B} {
		s := float64(v) / 255
		if s <= 0.04045 {
			out[i] = s / 12.92
		} else {
			out[i] = math.Pow((s+0.055)/1.055, 2.4)
		}
	}
	return out
}

// contrast returns the contrast ratio of two colors, by WCAG 2.2.
func contrast(a, b color.RGBA) float64 {
	luminance := func(c color.RGBA) float64 {
		l := linear(c)
		return 0.2126*l[0] + 0.7152*l[1] + 0.0722*l[2]
	}
	x, y := luminance(a)+0.05, luminance(b)+0.05
	return max(x, y) / min(x, y)
}

// modes are the two colors of each role.
var modes = map[string]func(Role) color.RGBA{
	"light": func(r Role) color.RGBA { return palette[r].light },
	"dark":  func(r Role) color.RGBA { return palette[r].dark },
}

// WCAG asks for 4.5:1 for text, which names have the colors of, and 3:1 for graphics.
func TestPalette_Contrast(t *testing.T) {
	for mode, of := range modes {
		for _, role := range []Role{Ink, Neutral, Fills, Holds, Computed} {
			if got := contrast(of(role), of(Paper)); got < 4.5 {
				t.Errorf("%s in %s mode has a contrast of %.2f:1; want 4.5:1", classes[role], mode, got)
			}
		}
	}
}

// Colors of different meaning differ for readers who lack a kind of cones, by the matrices of Machado, Oliveira and Fernandes ("A
// Physiologically-based Model for Simulation of Color Vision Deficiency", 2009). A distance of 10 in CIELAB is seen at a glance.
func TestPalette_ColorVision(t *testing.T) {
	matrices := map[string][3][3]float64{
		"all cones":    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
		"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
		"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
	}
	lab := func(l [3]float64) [3]float64 {
		f := func(v float64) float64 {
			if v > 216.0/24389 {
				return math.Cbrt(v)
			}
			return (24389.0/27*v + 16) / 116
		}
		x := f((0.4124*l[0] + 0.3576*l[1] + 0.1805*l[2]) / 0.9505)
		y := f(0.2126*l[0] + 0.7152*l[1] + 0.0722*l[2])
		z := f((0.0193*l[0] + 0.1192*l[1] + 0.9505*l[2]) / 1.089)
		return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
	}
	for name, m := range matrices {
		seen := func(c color.RGBA) [3]float64 {
			l := linear(c)
			var out [3]float64
			for i, row := range m {
				out[i] = min(1, max(0, row[0]*l[0]+row[1]*l[1]+row[2]*l[2]))
			}
			return lab(out)
		}
		for mode, of := range modes {
			for _, pair := range [][2]Role{{Fills, Holds}, {Fills, Computed}, {Holds, Computed}} {
				a, b := seen(of(pair[0])), seen(of(pair[1]))
				if d := math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2]); d < 30 {
					t.Errorf("%s, %s mode: %s and %s are %.0f apart; want 30", name, mode, classes[pair[0]], classes[pair[1]], d)
				}
			}
		}
	}
}

func TestPalette_EachRoleHasItsOwnColor(t *testing.T) {
	for mode, of := range modes {
		seen := map[string]string{}
		for role, name := range classes {
			c := fmt.Sprint(of(Role(role)))
			if other := seen[c]; other != "" {
				t.Errorf("%s mode: %s and %s have the same color", mode, name, other)
			}
			seen[c] = name
		}
	}
}
