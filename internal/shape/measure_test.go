package shape

import (
	"go/ast"
	"go/parser"
	"go/token"
)

// The longest function and the longest file, in lines without tables.
const (
	maxFunction = 65
	maxFile     = 400
)

// long is a function or a file that is longer than allowed.
type long struct {
	name         string // of the file, and of the function if it is one
	lines, limit int
}

// measure returns what is too long in a Go file: its functions and then the file itself.
func measure(name string, source []byte) ([]long, error) {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	var out []long
	tables := 0
	for _, d := range file.Decls {
		inTables := tableLines(positions, d)
		tables += inTables
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := linesBetween(positions, f.Pos(), f.End()) + 1 - inTables
		if lines > maxFunction {
			out = append(out, long{name + ": " + f.Name.Name, lines, maxFunction})
		}
	}
	if lines := positions.File(file.FileStart).LineCount() - tables; lines > maxFile {
		out = append(out, long{name, lines, maxFile})
	}
	return out, nil
}

// tableLines returns how many lines of the tables in a node hold no code: those after the line of
// the opening brace, without the bodies of function literals.
func tableLines(positions *token.FileSet, n ast.Node) int {
	total := 0
	ast.Inspect(n, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		total += linesBetween(positions, table.Lbrace, table.Rbrace) - codeLines(positions, table)
		return false
	})
	return total
}

// codeLines returns how many lines the bodies of the function literals in a table have, without the
// tables in these.
func codeLines(positions *token.FileSet, table *ast.CompositeLit) int {
	total := 0
	for _, element := range table.Elts {
		ast.Inspect(element, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncLit)
			if !ok {
				return true
			}
			total += linesBetween(positions, f.Body.Lbrace, f.Body.Rbrace) - tableLines(positions, f.Body)
			return false
		})
	}
	return total
}

// linesBetween returns how many lines begin between two positions: 0 on the same line.
func linesBetween(positions *token.FileSet, from, to token.Pos) int {
	return positions.Position(to).Line - positions.Position(from).Line
}
