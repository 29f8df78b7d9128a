package clitest

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Hostile is a text of a tenant's that no page may take for anything but text.
const Hostile = `"><script src=//evil.example/x.js></script><img src=x onerror=alert(1)>` + "'`${7*7}</title></script></style>{{.}}"

// Page represents a page of HTML.
type Page struct{ root *html.Node }

// ParsePage parses a page. It fails unless the page loads nothing and has as many scripts as are expected, so that no text of a
// tenant's became markup.
func ParsePage(t *testing.T, text string, scripts int) Page {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "img", "link", "iframe", "object", "base":
			t.Errorf("there is an element <%s>: %v", n.Data, n.Attr)
		case "script":
			found++
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" {
				t.Errorf("<%s> has the attribute %s=%q", n.Data, a.Key, a.Val)
			}
			if a.Key == "style" && (strings.Contains(a.Val, "url(") || strings.Contains(a.Val, "ZgotmplZ")) {
				t.Errorf("<%s> has the style %q", n.Data, a.Val)
			}
		}
	}
	if found != scripts {
		t.Errorf("there are %d scripts, want %d", found, scripts)
	}
	return Page{root}
}

// Count returns how often a text is in the page's texts.
func (p Page) Count(text string) int {
	n := 0
	for node := range p.root.Descendants() {
		if node.Type == html.TextNode {
			n += strings.Count(node.Data, text)
		}
	}
	return n
}

// Texts returns the texts of the elements of a name, without markup, in order.
func (p Page) Texts(element string) []string {
	var out []string
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && n.Data == element {
			out = append(out, textOf(n))
		}
	}
	return out
}

// Rows returns the texts of the cells of all tables, by row.
func (p Page) Rows() [][]string {
	var out [][]string
	for n := range p.root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "tr" {
			continue
		}
		var row []string
		for cell := range n.ChildNodes() {
			row = append(row, textOf(cell))
		}
		out = append(out, row)
	}
	return out
}

// textOf returns the text of an element, with one space between its parts.
func textOf(n *html.Node) string {
	var parts []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			parts = append(parts, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(parts, " ")
}
