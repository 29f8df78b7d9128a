package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// helpers is what a package with mutants in it is given: the variable MUTANT of the environment says which of them is active.
const helpers = `
import (
	mutantCmp "cmp"
	mutantOS "os"
	mutantStrconv "strconv"
)

var mutantActive = func() int { id, _ := mutantStrconv.Atoi(mutantOS.Getenv("MUTANT")); return id }()

type mutantInteger interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

type mutantNumber interface{ mutantInteger | ~float32 | ~float64 }

func mutantIs(id int) bool           { return mutantActive == id }
func mutantNot(id int, is bool) bool { return is != (mutantActive == id) }

func mutantAnd(id int, x bool, y func() bool) bool {
	if mutantActive == id {
		return x || y()
	}
	return x && y()
}

func mutantOr(id int, x bool, y func() bool) bool {
	if mutantActive == id {
		return x && y()
	}
	return x || y()
}

func mutantLess[T mutantCmp.Ordered](boundary, negation int, x, y T) bool {
	if mutantActive == boundary {
		return x <= y
	}
	return mutantNot(negation, x < y)
}

func mutantLessOrEqual[T mutantCmp.Ordered](boundary, negation int, x, y T) bool {
	if mutantActive == boundary {
		return x < y
	}
	return mutantNot(negation, x <= y)
}

func mutantMore[T mutantCmp.Ordered](boundary, negation int, x, y T) bool {
	if mutantActive == boundary {
		return x >= y
	}
	return mutantNot(negation, x > y)
}

func mutantMoreOrEqual[T mutantCmp.Ordered](boundary, negation int, x, y T) bool {
	if mutantActive == boundary {
		return x > y
	}
	return mutantNot(negation, x >= y)
}

func mutantAdd[T mutantNumber](id int, x, y T) T {
	if mutantActive == id {
		return x - y
	}
	return x + y
}

func mutantSubtract[T mutantNumber](id int, x, y T) T {
	if mutantActive == id {
		return x + y
	}
	return x - y
}

func mutantMultiply[T mutantNumber](id int, x, y T) T {
	if mutantActive == id {
		return x / y
	}
	return x * y
}

func mutantDivide[T mutantNumber](id int, x, y T) T {
	if mutantActive == id {
		return x * y
	}
	return x / y
}

func mutantRest[T mutantInteger](id int, x, y T) T {
	if mutantActive == id {
		return x * y
	}
	return x % y
}

func mutantMinus[T mutantNumber](id int, x T) T {
	if mutantActive == id {
		return x
	}
	return -x
}
`

var calls = map[token.Token]string{
	token.LAND: "mutantAnd", token.LOR: "mutantOr",
	token.LSS: "mutantLess", token.LEQ: "mutantLessOrEqual", token.GTR: "mutantMore", token.GEQ: "mutantMoreOrEqual",
	token.ADD: "mutantAdd", token.SUB: "mutantSubtract", token.MUL: "mutantMultiply", token.QUO: "mutantDivide", token.REM: "mutantRest",
}

// edit replaces a part of a file's text.
type edit struct {
	from, to int
	text     string
}

// weaver rewrites one file so that it has many mutants in it.
type weaver struct {
	pkg    *packages.Package
	source []byte
	byNode map[ast.Node][]*mutant
	edits  []edit
}

// weave returns the text of a file with its mutants in it, and says of each mutant whether it is. Those that are not
// have to be compiled one by one: mutants of constants, of bits, and of statements that are not in a block.
func weave(pkg *packages.Package, file *ast.File, source []byte, mutants []*mutant) []byte {
	w := &weaver{pkg: pkg, source: source, byNode: map[ast.Node][]*mutant{}}
	for _, m := range mutants {
		w.byNode[m.node] = append(w.byNode[m.node], m)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			w.statements(n.List)
		case *ast.CaseClause:
			w.statements(n.Body)
		case *ast.CommClause:
			w.statements(n.Body)
		case *ast.BinaryExpr:
			w.binary(n)
		case *ast.UnaryExpr:
			if ms := w.byNode[n]; len(ms) == 1 && !isConstant(pkg, n) {
				w.replace(n.Pos(), n.X.Pos(), fmt.Sprintf("mutantMinus(%d, ", w.woven(ms[0])))
				w.insert(n.End(), ")")
			}
		}
		return true
	})
	return w.text()
}

func (w *weaver) woven(m *mutant) int {
	m.woven = true
	return m.id
}

func (w *weaver) offset(p token.Pos) int { return w.pkg.Fset.Position(p).Offset }

func (w *weaver) insert(at token.Pos, text string) { w.replace(at, at, text) }

func (w *weaver) replace(from, to token.Pos, text string) {
	w.edits = append(w.edits, edit{w.offset(from), w.offset(to), text})
}

// binary turns x op y into a call that knows the mutants' numbers. The two ends of the call are edits of their own, so that
// what is in x and y can be edited too.
func (w *weaver) binary(n *ast.BinaryExpr) {
	ms := w.byNode[n]
	if len(ms) == 0 || isConstant(w.pkg, n) {
		return
	}
	operator := func(text string) { w.replace(n.X.End(), n.Y.Pos(), text) }
	switch {
	case n.Op == token.EQL || n.Op == token.NEQ:
		w.insert(n.Pos(), fmt.Sprintf("mutantNot(%d, ", w.woven(ms[0])))
		w.insert(n.End(), ")")
	case n.Op == token.LAND || n.Op == token.LOR:
		w.insert(n.Pos(), fmt.Sprintf("%s(%d, ", calls[n.Op], w.woven(ms[0])))
		operator(", func() bool { return ")
		w.insert(n.End(), "})")
	case len(ms) == 2: // <, <=, >, >=
		w.insert(n.Pos(), fmt.Sprintf("%s(%d, %d, ", calls[n.Op], w.woven(ms[0]), w.woven(ms[1])))
		operator(", ")
		w.insert(n.End(), ")")
	case calls[n.Op] != "":
		w.insert(n.Pos(), fmt.Sprintf("%s(%d, ", calls[n.Op], w.woven(ms[0])))
		operator(", ")
		w.insert(n.End(), ")")
	}
}

// statements turns statements with mutants into branches.
func (w *weaver) statements(list []ast.Stmt) {
	for _, s := range list {
		ms := w.byNode[s]
		if len(ms) == 0 {
			continue
		}
		if branch, ok := s.(*ast.BranchStmt); ok && branch.Label != nil {
			continue
		}
		var text strings.Builder
		for _, m := range ms {
			fmt.Fprintf(&text, "if mutantIs(%d) { %s } else ", w.woven(m), w.mutated(s, m))
		}
		w.insert(s.Pos(), text.String()+"{ ")
		w.insert(s.End(), " }")
	}
}

// mutated is the text of a statement with one mutant in it.
func (w *weaver) mutated(s ast.Stmt, m *mutant) string {
	from, to := w.offset(s.Pos()), w.offset(s.End())
	return string(w.source[from:m.offset]) + m.by.String() + string(w.source[m.offset+m.length:to])
}

// text applies the edits. Where two begin at the same place, the outer one comes first at a beginning and last at an end:
// nodes are visited from the outside to the inside.
func (w *weaver) text() []byte {
	type piece struct {
		edit
		order int
	}
	pieces := make([]piece, len(w.edits))
	for i, e := range w.edits {
		order := i
		if strings.HasPrefix(e.text, ")") || strings.HasPrefix(e.text, "}") || strings.HasPrefix(e.text, " }") {
			order = -i - 1
		}
		pieces[i] = piece{e, order}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return a.order - b.order
	})
	var out []byte
	at := 0
	for _, p := range pieces {
		out = append(append(out, w.source[at:p.from]...), p.text...)
		at = p.to
	}
	return append(out, w.source[at:]...)
}

// alone returns the text of a file with one mutant instead of the original.
func alone(source []byte, m *mutant) []byte {
	return slices.Concat(source[:m.offset], []byte(m.by.String()), source[m.offset+m.length:])
}
