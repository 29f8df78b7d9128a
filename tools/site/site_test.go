package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// The documentation of this repository: every page is there, and every link, anchor and picture.
func TestRun_ThisRepository(t *testing.T) {
	out := filepath.Join(t.TempDir(), "site")
	var progress bytes.Buffer
	if err := run([]string{"-root", "../..", "-out", out}, &progress); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(progress.String(), "pages are in "+out) {
		t.Errorf("it says %q", progress.String())
	}
	n := 0
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		source, isPage := strings.CutPrefix(filepath.ToSlash(path), "../../")
		if isPage = isPage && strings.HasSuffix(source, ".md"); isPage {
			n++
			if _, err := os.Stat(filepath.Join(out, outOf(source))); err != nil {
				t.Errorf("there is no page of %s: %v", source, err)
			}
		}
		return err
	})
	if err != nil || n < 40 {
		t.Errorf("docs has only %d pages, %v", n, err)
	}
	site, err := read(os.DirFS("../.."), "https://example.org")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, g := range site.navigation() {
		kinds = append(kinds, g.Title)
		if len(g.Links) < 2 {
			t.Errorf("the navigation has only %d pages in %q", len(g.Links), g.Title)
		}
	}
	if diff := cmp.Diff([]string{"Tutorials", "How-to guides", "Reference", "Explanation", "Project"}, kinds); diff != "" {
		t.Errorf("the navigation (-want +got):\n%s", diff)
	}
}

// repository returns a small one, with more files or other ones.
func repository(more map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range map[string]string{
		"README.md": "# Us\n\n[All](docs/README.md)\n", "CHANGELOG.md": "# C", "ROADMAP.md": "# R", "SUPPORT.md": "# S", "SECURITY.md": "# V",
		"docs/README.md": "# All\n\n## Reference\n\n- [A page](reference/page.md#part-two)\n", "docs/reference/page.md": "# Page\n\n## Part two\n",
		"docs/reference/picture.png": "png", "manifests/base/x.yaml": "a: 1",
	} {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for name, text := range more {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func TestRender(t *testing.T) {
	const text = "# Page\n\n<!-- for us -->\n[file](../../manifests/base/x.yaml) [folder](../../manifests) [docs/README.md](../README.md) [home](../../README.md) " +
		"[else](https://example.com/a.md) [here](#page)\n\n![What is seen](picture.png)\n\n<picture><source srcset=\"picture.png\"></picture>\n\n" +
		"| a |\n|---|\n| b |\n"
	site, err := read(repository(map[string]string{"docs/reference/page.md": text + "\n## Part two\n"}), "https://example.org/us/")
	if err != nil {
		t.Fatal(err)
	}
	files, err := site.render()
	if err != nil {
		t.Fatal(err)
	}
	if err := check(files); err != nil {
		t.Error(err)
	}
	want := []string{
		"changelog.html", "contents.html", "index.html", "reference/page.html", "reference/picture.png", "roadmap.html", "security.html", "style.css", "support.html",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	page := string(files["reference/page.html"])
	for _, want := range []string{
		`<title>Page · shmkeeper</title>`, `href="../style.css"`, `<a href="../reference/page.html" aria-current="page">A page</a>`,
		`<a href="https://example.org/us/blob/main/manifests/base/x.yaml">file</a>`, `<a href="https://example.org/us/tree/main/manifests">folder</a>`,
		`<a href="../contents.html">All</a>`, `<a href="../index.html">home</a>`, `<a href="https://example.com/a.md">else</a>`, `<a href="#page">here</a>`,
		`<img src="picture.png" alt="What is seen"/>`, `<source srcset="picture.png"/>`, `<div class="table" tabindex="0"><table>`, `<h2 id="part-two">Part two</h2>`,
		`<a href="https://example.org/us/blob/main/docs/reference/page.md">The source of this page</a>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	if strings.Contains(page, "for us") {
		t.Error("the page has a comment that is for us")
	}
}

func TestReadAndRender_Faults(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"a page without a title": {"docs/reference/page.md", "Text.", `docs/reference/page.md: it has no title: begin it with a line such as "# What it is about"`},
		"a file that is not there": {
			"docs/reference/page.md", "# P\n\n[x](../y.md)\n\n## Part two\n", `docs/reference/page.md: it links to "../y.md", which is not there: correct the link`,
		},
		"a picture that is not there": {
			"docs/reference/page.md", "# P\n\n![x](y.png)\n\n## Part two\n", `docs/reference/page.md: it links to "y.png", which is not there: correct the link`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			site, err := read(repository(map[string]string{c.file: c.text}), "https://example.org")
			if err == nil {
				_, err = site.render()
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestCheck_Faults(t *testing.T) {
	const first = `<h1 id="a">A</h1><a href="b/c.html#d">c</a>`
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"all is well":         {map[string]string{"index.html": first, "b/c.html": `<h2 id="d">D</h2><a href="../index.html#a">a</a><a href="https://example.org/x#y">e</a>`}, ""},
		"a page is missing":   {map[string]string{"index.html": first}, `index.html: it links to "b/c.html#d", which is not there: correct the link`},
		"an anchor":           {map[string]string{"index.html": first, "b/c.html": ""}, `index.html: it links to "b/c.html#d", and that page has no heading of this name: correct the link`},
		"a picture":           {map[string]string{"index.html": `<img src="a.png" alt="a">`}, `index.html: it links to "a.png", which is not there: correct the link`},
		"a text of a picture": {map[string]string{"index.html": `<img src="a.png">`, "a.png": ""}, `index.html: picture "a.png" has no text for those who do not see it: write one between the brackets`},
		"two of one id":       {map[string]string{"index.html": `<p id="a"></p><p id="a"></p>`}, `index.html: there are two elements with the id "a": rename a heading`},
		"a page alone": {
			map[string]string{"index.html": `<a href="a.html">a</a>`, "a.html": "", "b.html": `<a href="c.html">c</a>`, "c.html": ""},
			"b.html: no link leads to it: add one to docs/README.md\nc.html: no link leads to it: add one to docs/README.md",
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for file, text := range c.files {
				files[file] = []byte(text)
			}
			got := ""
			if err := check(files); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// GitHub's rules: lower case, hyphens for spaces, no punctuation, and a number if the anchor is taken
// (https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links).
func TestAnchors(t *testing.T) {
	a := anchors{}
	for _, c := range [][2]string{
		{"How to repeat it", "how-to-repeat-it"},
		{"SHM001: NoMount", "shm001-nomount"},
		{"What is `spec.sizing`?", "what-is-specsizing"},
		{"Flags & defaults", "flags--defaults"},
		{"a_b - c", "a_b---c"},
		{"Größe", "größe"},
		{"How to repeat it", "how-to-repeat-it-1"},
	} {
		text := strings.ReplaceAll(c[0], "`", "")
		if got := string(a.Generate([]byte(text), 0)); got != c[1] {
			t.Errorf("%s: got %q, want %q", c[0], got, c[1])
		}
	}
}

func TestRun_Faults(t *testing.T) {
	for want, args := range map[string][]string{
		`unexpected argument "x": write the folder as -out x`: {"x"},
		"-root: stat docs: no such file or directory":         {"-root", t.TempDir()},
	} {
		if err := run(args, &bytes.Buffer{}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", args, err, want)
		}
	}
}
