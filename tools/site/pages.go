package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// The page that lists the others by what a reader wants, and with it the navigation.
const contents = "docs/README.md"

// project are the pages at the root of the repository that are for users, in the order of the navigation.
var project = []string{"README.md", "CHANGELOG.md", "ROADMAP.md", "SUPPORT.md", "SECURITY.md"}

// A page is one page of the documentation.
type page struct {
	source string // its file in the repository
	out    string // its file in the site
	body   *html.Node
	title  string
}

// A site is all pages, by their file in the repository.
type site struct {
	repository fs.FS
	url        string // of the repository
	pages      map[string]*page
}

// read reads the pages of a repository.
func read(repository fs.FS, url string) (*site, error) {
	s := &site{repository: repository, url: strings.TrimSuffix(url, "/"), pages: map[string]*page{}}
	sources := slices.Clone(project)
	err := fs.WalkDir(repository, "docs", func(file string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(file, ".md") {
			sources = append(sources, file)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		text, err := fs.ReadFile(repository, source)
		if err != nil {
			return nil, err
		}
		p := &page{source: source, out: outOf(source)}
		if p.body, err = parse(text); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		heading := find(p.body, atom.H1)
		if heading == nil {
			return nil, fmt.Errorf("%s: it has no title: begin it with a line such as \"# What it is about\"", source)
		}
		p.title = textOf(heading)
		s.pages[source] = p
	}
	return s, nil
}

// outOf returns the file in the site of a page.
func outOf(source string) string {
	switch source {
	case "README.md":
		return "index.html"
	case contents:
		return "contents.html"
	}
	if rest, found := strings.CutPrefix(source, "docs/"); found {
		return strings.TrimSuffix(rest, ".md") + ".html"
	}
	return strings.ToLower(strings.TrimSuffix(source, ".md")) + ".html"
}

// A group is a part of the navigation.
type group struct {
	Title string
	Links []link
}

type link struct {
	Title, Page string // Page is a file in the site
}

// navigation returns the parts of the page of contents, in its order, and the pages of the project.
func (s *site) navigation() []group {
	var out []group
	body := s.pages[contents].body
	for n := range body.Descendants() {
		switch {
		case n.DataAtom == atom.H2:
			out = append(out, group{Title: textOf(n)})
		case n.DataAtom == atom.A && len(out) > 0:
			target, _, _ := strings.Cut(attribute(n, "href"), "#")
			if p := s.pages[path.Join("docs", target)]; p != nil {
				last := &out[len(out)-1]
				last.Links = append(last.Links, link{textOf(n), p.out})
			}
		}
	}
	last := group{Title: "Project"}
	for _, source := range project[1:] { // the name at the top of each page leads to the first
		last.Links = append(last.Links, link{s.pages[source].title, s.pages[source].out})
	}
	return append(out, last)
}

// write replaces a folder by files.
func write(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // everybody may read a site
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // everybody may read a site
			return err
		}
	}
	return nil
}

// textOf returns the text in a node.
func textOf(n *html.Node) string {
	var out bytes.Buffer
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			out.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// find returns the first element of a kind in a node; nil if there is none.
func find(n *html.Node, kind atom.Atom) *html.Node {
	for d := range n.Descendants() {
		if d.DataAtom == kind {
			return d
		}
	}
	return nil
}

// attribute returns an attribute of an element, or "".
func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// set sets an attribute of an element.
func set(n *html.Node, name, value string) {
	for i := range n.Attr {
		if n.Attr[i].Key == name {
			n.Attr[i].Val = value
			return
		}
	}
	n.Attr = append(n.Attr, html.Attribute{Key: name, Val: value})
}
