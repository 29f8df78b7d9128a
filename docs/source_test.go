package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// source parses the Go files of a folder, without its tests.
func source(t *testing.T, folder string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, file)
	}
	if len(out) == 0 {
		t.Fatalf("%s has no Go files", folder)
	}
	return out
}

// inspect calls do for each node of a type.
func inspect[N ast.Node](files []*ast.File, do func(N)) {
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if of, ok := n.(N); ok {
				do(of)
			}
			return true
		})
	}
}

// unquoted returns the value of a string literal; ok is false for all else.
func unquoted(e ast.Expr) (value string, ok bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

// function returns the name of the function that is called, without the package or the receiver.
func function(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	default:
		return ""
	}
}
