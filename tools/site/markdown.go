package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	nethtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// parse returns a page of Markdown as HTML. Headings have the anchors that GitHub gives them, so that a link leads to
// the same place here and there.
func parse(text []byte) (*nethtml.Node, error) {
	markdown := goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(html.WithUnsafe()), // the pages are ours, and some have HTML
	)
	var out bytes.Buffer
	if err := markdown.Convert(text, &out, parser.WithContext(parser.NewContext(parser.WithIDs(anchors{})))); err != nil {
		return nil, err
	}
	body := &nethtml.Node{Type: nethtml.ElementNode, Data: "main", DataAtom: atom.Main}
	nodes, err := nethtml.ParseFragment(&out, body)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		body.AppendChild(n)
	}
	return body, nil
}

// anchors are the anchors of a page's headings: GitHub's rules.
type anchors map[string]bool

// Generate returns the anchor of a heading with this text.
func (a anchors) Generate(value []byte, _ ast.NodeKind) []byte {
	var out strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(string(value))) {
		switch {
		case r == ' ':
			out.WriteByte('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			out.WriteRune(r)
		}
	}
	id := out.String()
	for i := 1; a[id]; i++ {
		id = fmt.Sprintf("%s-%d", out.String(), i)
	}
	a[id] = true
	return []byte(id)
}

// Put takes an anchor that is written out.
func (a anchors) Put(value []byte) { a[string(value)] = true }
