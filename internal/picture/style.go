package picture

import (
	"fmt"
	"image/color"
	"strings"
)

// Role says what something in a picture means, and so which color it has.
type Role uint8

// The roles. Fills, Holds and Computed differ for readers of any color vision, and have a contrast of more
// than 4.5:1 with the paper in light and in dark mode.
const (
	Ink      Role = iota // what is read first
	Neutral              // what is neither good nor bad: axes, details, the process itself
	Guide                // lines that guide the eye
	Paper                // the background
	Fills                // a volume that fills, so that writes fail
	Holds                // a volume that does not fill
	Computed             // the computed size
)

// inks are the colors of a role in light and in dark mode.
type inks struct{ light, dark color.RGBA }

func rgb(hex uint32) color.RGBA {
	return color.RGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xff}
}

// palette is ordered by role. Black, white and the greys are those of GitHub's pages, on which most readers see the pictures.
var palette = [...]inks{
	Ink:      {rgb(0x1f2328), rgb(0xe6edf3)},
	Neutral:  {rgb(0x59636e), rgb(0x9198a1)},
	Guide:    {rgb(0xd1d9e0), rgb(0x30363d)},
	Paper:    {rgb(0xffffff), rgb(0x0d1117)},
	Fills:    {rgb(0xc24e00), rgb(0xff8a3d)},
	Holds:    {rgb(0x6f42c1), rgb(0xb79cff)},
	Computed: {rgb(0x007f5c), rgb(0x2dd4a3)},
}

// classes are the names of the roles in the style sheet of an SVG.
var classes = [...]string{Ink: "ink", Neutral: "neutral", Guide: "guide", Paper: "paper", Fills: "fills", Holds: "holds", Computed: "computed"}

// styleSheet returns the colors of all roles as CSS: those of the light mode, and those of the dark one for readers who prefer it.
func styleSheet() string {
	var light, dark strings.Builder
	for role, name := range classes {
		fmt.Fprintf(&light, ".%s{color:%s}", name, hex(palette[role].light))
		fmt.Fprintf(&dark, ".%s{color:%s}", name, hex(palette[role].dark))
	}
	return light.String() + "@media (prefers-color-scheme:dark){" + dark.String() + "}"
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// Sizes in pixels. A picture is as wide as GitHub shows one in a README.
const (
	pageWidth = 800
	padding   = 24

	lineWidth = 3
	hairline  = 1
	dotRadius = 6

	titleSize  = 27
	textSize   = 18
	detailSize = 16

	lineHeight = 1.28 // of a text, relative to its size
)
