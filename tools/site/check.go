package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// check reads the pages of a site as a browser would, and returns an error for each link that leads to no page or
// anchor, each picture that is not there or has no text instead, and each page to which no link leads from the first.
func check(files map[string][]byte) error {
	found := map[string]*checked{}
	for name, content := range files {
		if path.Ext(name) == ".html" {
			c, err := readChecked(content)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			found[name] = c
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(found)) {
		for _, target := range found[name].targets {
			errs = append(errs, checkTarget(name, target, files, found))
		}
		for _, picture := range found[name].silent {
			errs = append(errs, fmt.Errorf("%s: picture %q has no text for those who do not see it: write one between the brackets", name, picture))
		}
	}
	for _, name := range unreachable(found) {
		errs = append(errs, fmt.Errorf("%s: no link leads to it: add one to docs/README.md", name))
	}
	return errors.Join(errs...)
}

// checked is what is checked of a page.
type checked struct {
	ids     map[string]bool
	targets []string // of links, pictures and style sheets
	silent  []string // pictures without a text
}

func readChecked(content []byte) (*checked, error) {
	root, err := html.Parse(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	out := &checked{ids: map[string]bool{}}
	for n := range root.Descendants() {
		if id := attribute(n, "id"); id != "" {
			if out.ids[id] {
				return nil, fmt.Errorf("there are two elements with the id %q: rename a heading", id)
			}
			out.ids[id] = true
		}
		for _, name := range []string{"href", "src", "srcset"} {
			if target := attribute(n, name); target != "" {
				out.targets = append(out.targets, target)
			}
		}
		if n.DataAtom == atom.Img && attribute(n, "alt") == "" {
			out.silent = append(out.silent, attribute(n, "src"))
		}
	}
	return out, nil
}

// within returns the file of the site that a link of a page leads to; ok is false for links to elsewhere.
func within(name, target string) (file, fragment string, ok bool) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return "", "", false
	}
	if u.Path == "" {
		return name, u.Fragment, true
	}
	return path.Join(path.Dir(name), u.Path), u.Fragment, true
}

func checkTarget(name, target string, files map[string][]byte, found map[string]*checked) error {
	file, fragment, ok := within(name, target)
	if !ok {
		return nil
	}
	if _, there := files[file]; !there {
		return fmt.Errorf("%s: it links to %q, which is not there: correct the link", name, target)
	}
	if c := found[file]; fragment != "" && (c == nil || !c.ids[fragment]) {
		return fmt.Errorf("%s: it links to %q, and that page has no heading of this name: correct the link", name, target)
	}
	return nil
}

// unreachable returns the pages to which no chain of links leads from index.html.
func unreachable(found map[string]*checked) []string {
	seen := map[string]bool{"index.html": true}
	for next := []string{"index.html"}; len(next) > 0; {
		name := next[0]
		next = next[1:]
		if found[name] == nil {
			continue
		}
		for _, target := range found[name].targets {
			if file, _, ok := within(name, target); ok && !seen[file] {
				seen[file] = true
				next = append(next, file)
			}
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(found)), func(name string) bool { return seen[name] })
}
