// Package htmlpage writes what a verb says as one page of HTML, all in one style. A page loads nothing, follows the reader's
// choice of light or dark, and fits a phone.
package htmlpage

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"
)

// The layout of all pages. html/template escapes values by the place where they stand: names and texts are the tenants'.
var (
	//go:embed layout.html
	layout string
	//go:embed style.css
	style string
)

// Head is what every page shows around its own part. The data of a page embed it.
type Head struct {
	Title string
	// About is what a reader has to know of the figures, such as when they are from.
	About string
	// Notes say what could not be seen.
	Notes []string
	// Made says which command wrote the page, and what it did to the cluster.
	Made string
}

// Write writes a page. own is the page's own template: it defines "body", and may define "style", "policy" (what it adds to the
// Content-Security-Policy) and "script". The data embed a Head.
func Write(w io.Writer, own string, data any) error {
	t := template.New("page")
	for _, text := range []string{layout, `{{define "common"}}` + style + `{{end}}`, own} {
		if _, err := t.Parse(text); err != nil {
			return fmt.Errorf("parse the page: %w", err)
		}
	}
	if err := t.ExecuteTemplate(w, "layout", data); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// About joins sentences in one line, and adds the time.
func About(now time.Time, parts ...string) string {
	var out []string
	for _, part := range append(parts, now.UTC().Format("2 January 2006 15:04 UTC")) {
		if part != "" {
			out = append(out, part)
		}
	}
	return strings.Join(out, " · ")
}

// Width returns how wide a part of a whole is drawn, in per cent with one decimal: from 0 to 100, and 0 of nothing.
func Width(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return math.Round(1000*min(max(part/whole, 0), 1)) / 10
}

// Tile is a number that matters, in the colour of a class, over what it counts.
type Tile struct{ Class, Number, Text string }
