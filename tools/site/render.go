package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

//go:embed layout.html
var layoutText string

//go:embed parts.html
var partsText string

//go:embed style.css
var style []byte

var (
	layout    = template.Must(template.New("layout").Parse(layoutText))
	partsList = template.Must(template.New("parts").Parse(partsText))
)

// A view is what the layout shows.
type view struct {
	Title, Description string
	Base               string // from the page to the root of the site, "" or "../"
	Page               string
	Source             string // the URL of the page's file
	Groups             []group
	Body               template.HTML
}

// A part is a heading of the page.
type part struct{ Title, Anchor string }

// render returns the files of the site, by their path.
func (s *site) render() (map[string][]byte, error) {
	files := map[string][]byte{"style.css": style}
	groups := s.navigation()
	var errs []error
	for _, p := range s.pages {
		errs = append(errs, s.rewrite(p, files))
		v := view{
			Title: p.title, Description: textOf(orEmpty(find(p.body, atom.P))), Base: strings.Repeat("../", strings.Count(p.out, "/")),
			Page: p.out, Source: s.url + "/blob/main/" + p.source, Groups: groups,
		}
		if err := listParts(p.body); err != nil {
			return nil, fmt.Errorf("%s: %w", p.source, err)
		}
		var body, out bytes.Buffer
		for n := range p.body.ChildNodes() {
			if err := html.Render(&body, n); err != nil {
				return nil, err
			}
		}
		v.Body = template.HTML(body.String()) //nolint:gosec // it is rendered from a tree
		if err := layout.Execute(&out, v); err != nil {
			return nil, fmt.Errorf("%s: %w", p.source, err)
		}
		files[p.out] = out.Bytes()
	}
	return files, errors.Join(errs...)
}

func orEmpty(n *html.Node) *html.Node {
	if n == nil {
		return &html.Node{Type: html.ElementNode}
	}
	return n
}

// listParts lists the headings of a page below its title, if they are so many that a reader wants a list.
func listParts(body *html.Node) error {
	var parts []part
	for n := range body.ChildNodes() {
		if n.DataAtom == atom.H2 {
			parts = append(parts, part{textOf(n), attribute(n, "id")})
		}
	}
	if len(parts) < 5 {
		return nil
	}
	var list bytes.Buffer
	if err := partsList.Execute(&list, parts); err != nil {
		return err
	}
	title := find(body, atom.H1)
	title.Parent.InsertBefore(&html.Node{Type: html.RawNode, Data: list.String()}, title.NextSibling)
	return nil
}

// rewrite turns links to files into links within the site, or to the repository, adds the pictures that a page shows to
// the files, and lets wide tables scroll.
func (s *site) rewrite(p *page, files map[string][]byte) error {
	var errs []error
	var tables, comments []*html.Node
	for n := range p.body.Descendants() {
		var err error
		switch {
		case n.Type == html.CommentNode:
			comments = append(comments, n)
		case n.DataAtom == atom.A && attribute(n, "href") != "":
			err = s.rewriteLink(p, n)
		case n.DataAtom == atom.Img:
			err = s.rewritePicture(p, n, "src", files)
		case n.DataAtom == atom.Source:
			err = s.rewritePicture(p, n, "srcset", files)
		case n.DataAtom == atom.Table:
			tables = append(tables, n)
		case n.DataAtom == atom.Pre:
			set(n, "tabindex", "0") // so that the keyboard can scroll it
		}
		errs = append(errs, err)
	}
	for _, n := range comments {
		n.Parent.RemoveChild(n)
	}
	for _, n := range tables {
		frame := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
		set(frame, "class", "table")
		set(frame, "tabindex", "0")
		n.Parent.InsertBefore(frame, n)
		n.Parent.RemoveChild(n)
		frame.AppendChild(n)
	}
	return errors.Join(errs...)
}

// local returns the file in the repository that a page's link leads to; ok is false for links to elsewhere and within the page.
func (s *site) local(p *page, target string) (file, fragment string, ok bool, err error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", "", false, fmt.Errorf("%s: %w: correct the link", p.source, err)
	}
	if u.Scheme != "" || u.Host != "" || u.Path == "" {
		return "", "", false, nil
	}
	file = path.Join(path.Dir(p.source), u.Path)
	if _, err := fs.Stat(s.repository, file); err != nil {
		return "", "", false, fmt.Errorf("%s: it links to %q, which is not there: correct the link", p.source, target)
	}
	if u.Fragment != "" {
		fragment = "#" + u.Fragment
	}
	return file, fragment, true, nil
}

func (s *site) rewriteLink(p *page, n *html.Node) error {
	file, fragment, ok, err := s.local(p, attribute(n, "href"))
	if err != nil || !ok {
		return err
	}
	target := s.pages[file]
	if target == nil {
		kind := "/blob/main/"
		if info, err := fs.Stat(s.repository, file); err == nil && info.IsDir() {
			kind = "/tree/main/"
		}
		set(n, "href", s.url+kind+file+fragment)
		return nil
	}
	// In the repository a file's name says most; here its title does.
	if strings.HasSuffix(textOf(n), path.Base(file)) {
		for n.FirstChild != nil {
			n.RemoveChild(n.FirstChild)
		}
		n.AppendChild(&html.Node{Type: html.TextNode, Data: target.title})
	}
	to, err := filepath.Rel(path.Dir(p.out), target.out)
	set(n, "href", filepath.ToSlash(to)+fragment)
	return err
}

func (s *site) rewritePicture(p *page, n *html.Node, name string, files map[string][]byte) error {
	file, _, ok, err := s.local(p, attribute(n, name))
	if err != nil || !ok {
		return err
	}
	out := strings.TrimPrefix(file, "docs/")
	if files[out], err = fs.ReadFile(s.repository, file); err != nil {
		return err
	}
	to, err := filepath.Rel(path.Dir(p.out), out)
	set(n, name, filepath.ToSlash(to))
	return err
}
