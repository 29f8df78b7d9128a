// Package docs_test keeps the documentation complete.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/sources"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rows returns the rows of the tables of a page, by the first cell, which has to be code. Of several with the same the last counts.
func rows(page string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(page) {
		if rest, found := strings.CutPrefix(line, "| `"); found {
			if name, row, found := strings.Cut(rest, "` |"); found {
				out[name] = row
			}
		}
	}
	return out
}

// The files and folders that CONTRIBUTING.md names are there.
func TestContributing_NamesWhatIsThere(t *testing.T) {
	text := read(t, "../CONTRIBUTING.md")
	names := regexp.MustCompile("`([a-z_0-9-]+(?:/[a-z_0-9-]+)*/[a-z_0-9-]+\\.(?:go|yaml|yml|md|mod))`").FindAllStringSubmatch(text, -1)
	_, folders, _ := strings.Cut(text, "## Where things live\n\n```\n")
	folders, _, _ = strings.Cut(folders, "```")
	names = append(names, regexp.MustCompile(`(?m)^(\S+)  `).FindAllStringSubmatch(folders, -1)...)
	if len(names) < 40 {
		t.Fatalf("CONTRIBUTING.md names only %d files and folders", len(names))
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join("..", name[1])); err != nil {
			t.Errorf("CONTRIBUTING.md names %s, which is not there", name[1])
		}
	}
}

// The functions that CONTRIBUTING.md names behind a file are in that file.
func TestContributing_NamesFunctions(t *testing.T) {
	text := read(t, "../CONTRIBUTING.md")
	names := regexp.MustCompile("`([a-z_0-9/]+\\.go)`\\s\\(`(?:[A-Z]\\w*\\.)?(\\w+)`").FindAllStringSubmatch(text, -1)
	if len(names) < 9 {
		t.Fatalf("CONTRIBUTING.md names only %d functions: %q", len(names), names)
	}
	for _, name := range names {
		function := regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?` + name[2] + `[(\[]`)
		if !function.MatchString(read(t, filepath.Join("..", name[1]))) {
			t.Errorf("CONTRIBUTING.md names the function %s in %s, which is not there", name[2], name[1])
		}
	}
}

// pages returns the paths of all pages of the documentation, by their path in this folder.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{
		"../README.md", "../CONTRIBUTING.md", "../SECURITY.md", "../SUPPORT.md", "../ROADMAP.md", "../CHANGELOG.md", "../charts/shmkeeper/README.md",
	}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Links from one page to another, and to files, lead somewhere.
func TestPages_LinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	if len(all) < 40 {
		t.Errorf("there are %d pages, want 40 or more", len(all))
	}
	for _, page := range all {
		for _, rest := range strings.Split(read(t, page), "](")[1:] {
			target, _, _ := strings.Cut(rest, ")")
			target, _, _ = strings.Cut(target, "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, target)
			}
		}
	}
}

// README.md has every page but the runbooks, which reference/alerts.md lists, each in a folder that says what its reader wants.
func TestIndex_HasEveryPage(t *testing.T) {
	index := read(t, "README.md")
	kind := regexp.MustCompile(`^(tutorials|how-to|reference|explanation|runbooks)/`)
	for _, page := range pages(t) {
		if page == "README.md" || strings.HasPrefix(page, "../") {
			continue
		}
		if !kind.MatchString(page) {
			t.Errorf("%s: move it to tutorials, how-to, reference or explanation", page)
		}
		if !strings.HasPrefix(page, "runbooks/") && !strings.Contains(index, "]("+page+")") {
			t.Errorf("README.md does not list %s: add a link with a line on what it is for", page)
		}
	}
}

// testSources returns all tests of the project.
func testSources(t *testing.T) string {
	t.Helper()
	var tests strings.Builder
	sources.Each(t, func(path string, content []byte) {
		if strings.HasSuffix(path, "_test.go") {
			tests.Write(content)
		}
	}, ".go")
	return tests.String()
}

// Every test that the threat model names is there.
func TestThreatModel_TestsExist(t *testing.T) {
	tests := testSources(t)
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(read(t, "explanation/threat-model.md"), -1)
	if len(names) < 18 {
		t.Errorf("explanation/threat-model.md names %d tests, want one for each of 18 threats or so", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests, "\nfunc "+name[1]+"(") {
			t.Errorf("explanation/threat-model.md names %s, which is not a test", name[1])
		}
	}
}
