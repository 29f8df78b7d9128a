package prose

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/sources"
)

// Each rule finds the sentence that was planted for it, in every kind of file, and no other.
func TestRules(t *testing.T) {
	for _, r := range rules {
		for name, text := range map[string]string{
			"a.go":   "package a\n\n// " + r.planted + "\nvar a = 1\n",
			"b.go":   "package a\n\nvar a = `" + r.planted + "`\n",
			"c.go":   "package a\n\nvar a = " + strconv.Quote("\n"+r.planted) + "\n",
			"a.md":   "# Title\n\n" + r.planted + "\n",
			"a.yaml": "# " + r.planted + "\na: 1\n",
		} {
			if got := faultsIn(t, name, []byte(text)); len(got) != 1 {
				t.Errorf("%s: %q: got %q, want one fault", name, r.planted, got)
			}
		}
		if got := faults(r.fine); len(got) > 0 {
			t.Errorf("%q: got %q, want none", r.fine, got)
		}
	}
	for name, text := range map[string]string{
		"a.go": "package a\n\n// It is absent where it is\n// not known.\nvar a = 1\n", "a.md": "It is absent where\nit is not known.\n",
	} {
		if got := faultsIn(t, name, []byte(text)); len(got) != 1 {
			t.Errorf("%s: a phrase on two lines: got %q, want one fault", name, got)
		}
	}
	if got := faultsIn(t, "a.md", []byte("Text.\n\n    mend this command's output\n\n```\nanew\n```\n")); len(got) > 0 {
		t.Errorf("a document's code: got %q, want none", got)
	}
}

// Comments, string literals, documents and manifests keep the rules.
func TestProse(t *testing.T) {
	eachFile(t, func(path string, content []byte) {
		for _, fault := range faultsIn(t, path, content) {
			t.Errorf("%s: %s", path, fault)
		}
	})
}

// eachFile calls f for the project's sources and documents, except for what the rules themselves say.
func eachFile(t *testing.T, f func(path string, content []byte)) {
	t.Helper()
	sources.Each(t, func(path string, content []byte) {
		if !strings.HasPrefix(path, "internal/prose/") {
			f(path, content)
		}
	}, ".go", ".md", ".yaml")
}

// faultsIn returns the faults in what a file says: in Go the comments and string literals, in
// Markdown all but code, else everything.
func faultsIn(t *testing.T, path string, content []byte) (out []string) {
	t.Helper()
	switch filepath.Ext(path) {
	case ".go":
		file, err := parser.ParseFile(token.NewFileSet(), path, content, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range file.Comments {
			out = append(out, faults(group.Text())...)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, err := strconv.Unquote(literal.Value) // "\nThis" has no word nThis
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, faults(text)...)
			}
			return true
		})
	case ".md":
		fenced := false
		var text strings.Builder
		for line := range strings.Lines(string(content)) {
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
			}
			if !fenced && !strings.HasPrefix(line, "    ") {
				text.WriteString(line)
			} else {
				text.WriteString(" ``` ") // no phrase goes across code
			}
		}
		out = faults(text.String())
	default:
		out = faults(string(content))
	}
	return out
}
