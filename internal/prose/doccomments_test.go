package prose

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// startsWithBe matches a doc comment that defines a function as a thing.
var startsWithBe = regexp.MustCompile(`^\S+(?: and \S+)? (?:is|are)\b`)

// A function's comment begins with what the function does, as in the standard library: at most one
// in ten may begin with "X is". That of a function whose result is a bool, or a bool and an error,
// begins "X reports whether".
func TestDocComments(t *testing.T) {
	documented, defined := 0, 0
	eachFile(t, func(path string, content []byte) {
		if filepath.Ext(path) != ".go" {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, content, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Doc == nil || strings.HasPrefix(f.Doc.Text(), "Deprecated") {
				continue
			}
			documented++
			doc := f.Doc.Text()
			if startsWithBe.MatchString(doc) {
				defined++
				t.Logf("%s: %s", path, firstLine(doc))
			}
			if returnsBool(f) && !strings.HasPrefix(doc, f.Name.Name+" reports whether") {
				t.Errorf("%s: %q: write %q", path, firstLine(doc), f.Name.Name+" reports whether ...")
			}
		}
	})
	if 10*defined > documented {
		t.Errorf("%d of %d doc comments of functions begin \"X is\" or \"X are\", more than a tenth", defined, documented)
	}
	t.Logf("%d of %d doc comments of functions begin \"X is\" or \"X are\"", defined, documented)
}

// A package does one thing: what its comment says first, up to a colon or a full stop, has no "and".
func TestPackageDocs(t *testing.T) {
	eachFile(t, func(path string, content []byte) {
		if filepath.Ext(path) != ".go" {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, content, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(strings.Join(strings.Fields(file.Doc.Text()), " "), ". ")
		first, _, _ = strings.Cut(first, ": ")
		if strings.Contains(first, " and ") {
			t.Errorf("%s: %q: say what the package is without \"and\"; a list of its parts goes after a colon", path, first)
		}
	})
}

// returnsBool reports whether the results of a function are one bool, or a bool and an error.
func returnsBool(f *ast.FuncDecl) bool {
	if f.Type.Results == nil {
		return false
	}
	var results []string
	for _, field := range f.Type.Results.List {
		name, _ := field.Type.(*ast.Ident)
		if name == nil {
			return false
		}
		for range max(1, len(field.Names)) {
			results = append(results, name.Name)
		}
	}
	kinds := strings.Join(results, " ")
	return kinds == "bool" || kinds == "bool error"
}

func firstLine(doc string) string {
	line, _, _ := strings.Cut(doc, "\n")
	return line
}
