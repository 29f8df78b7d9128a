package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/packages"
)

// The mutators, by the names that gremlins gave them: lists of justified survivors use these.
const (
	arithmetic   = "ARITHMETIC_BASE"
	boundary     = "CONDITIONALS_BOUNDARY"
	negation     = "CONDITIONALS_NEGATION"
	increment    = "INCREMENT_DECREMENT"
	assignment   = "INVERT_ASSIGNMENTS"
	bitwise      = "INVERT_BITWISE"
	bitwiseSet   = "INVERT_BWASSIGN"
	logical      = "INVERT_LOGICAL"
	loopControl  = "INVERT_LOOPCTRL"
	selfAssigned = "REMOVE_SELF_ASSIGNMENTS"
)

// replacements are the tokens that stand in for others, by mutator.
var replacements = map[string]map[token.Token]token.Token{
	arithmetic:  {token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL},
	boundary:    {token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR},
	negation:    {token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.GEQ, token.GEQ: token.LSS, token.GTR: token.LEQ, token.LEQ: token.GTR},
	increment:   {token.INC: token.DEC, token.DEC: token.INC},
	assignment:  {token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN, token.MUL_ASSIGN: token.QUO_ASSIGN, token.QUO_ASSIGN: token.MUL_ASSIGN, token.REM_ASSIGN: token.MUL_ASSIGN},
	bitwise:     {token.AND: token.OR, token.OR: token.AND, token.XOR: token.AND, token.AND_NOT: token.AND, token.SHL: token.SHR, token.SHR: token.SHL},
	bitwiseSet:  {token.AND_ASSIGN: token.OR_ASSIGN, token.OR_ASSIGN: token.AND_ASSIGN, token.XOR_ASSIGN: token.AND_ASSIGN, token.AND_NOT_ASSIGN: token.AND_ASSIGN, token.SHL_ASSIGN: token.SHR_ASSIGN, token.SHR_ASSIGN: token.SHL_ASSIGN},
	logical:     {token.LAND: token.LOR, token.LOR: token.LAND},
	loopControl: {token.BREAK: token.CONTINUE, token.CONTINUE: token.BREAK},
	selfAssigned: {
		token.ADD_ASSIGN: token.ASSIGN, token.SUB_ASSIGN: token.ASSIGN, token.MUL_ASSIGN: token.ASSIGN, token.QUO_ASSIGN: token.ASSIGN,
		token.REM_ASSIGN: token.ASSIGN, token.AND_ASSIGN: token.ASSIGN, token.OR_ASSIGN: token.ASSIGN, token.XOR_ASSIGN: token.ASSIGN,
		token.AND_NOT_ASSIGN: token.ASSIGN, token.SHL_ASSIGN: token.ASSIGN, token.SHR_ASSIGN: token.ASSIGN,
	},
}

// mutant is one operator replaced by another.
type mutant struct {
	// As in a report of gremlins.
	Type   string `json:"type"`
	Status string `json:"status"`
	Line   int    `json:"line"`
	Column int    `json:"column"`

	id             int // from 1 on
	node           ast.Node
	offset, length int // of the operator in the file
	by             token.Token
	woven          bool // see weave
}

// find returns the mutants of a file in the order of its operators, with numbers from first on. Only operators of which
// the mutant can compile count.
func find(pkg *packages.Package, file *ast.File, first int) []*mutant {
	var out []*mutant
	loops := loopsOf(file)
	// add adds the mutants of an operator. left is its first operand: texts can be added and not subtracted.
	add := func(node ast.Node, at token.Pos, op token.Token, left ast.Expr) {
		position := pkg.Fset.Position(at)
		for _, mutator := range mutators {
			if (mutator == arithmetic || mutator == assignment) && isString(pkg.TypesInfo.TypeOf(left)) {
				continue
			}
			if by, found := replacements[mutator][op]; found {
				out = append(out, &mutant{
					Type: mutator, Line: position.Line, Column: position.Column,
					id: first + len(out), node: node, offset: position.Offset, length: len(op.String()), by: by,
				})
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			add(n, n.OpPos, n.Op, n.X)
		case *ast.UnaryExpr:
			if n.Op == token.SUB {
				add(n, n.OpPos, n.Op, n.X)
			}
		case *ast.IncDecStmt:
			add(n, n.TokPos, n.Tok, n.X)
		case *ast.AssignStmt:
			add(n, n.TokPos, n.Tok, n.Lhs[0])
		case *ast.BranchStmt:
			if loops[n] {
				add(n, n.TokPos, n.Tok, nil)
			}
		}
		return true
	})
	return out
}

// mutators is the order in which mutants of one operator are numbered.
var mutators = []string{
	arithmetic, boundary, negation, increment, assignment, bitwise, bitwiseSet, logical, loopControl, selfAssigned,
}

func isString(t types.Type) bool {
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsString != 0
}

// isConstant reports whether the compiler knows the value of an expression: no function can stand in for it.
func isConstant(pkg *packages.Package, e ast.Expr) bool {
	value := pkg.TypesInfo.Types[e].Value
	return value != nil && value.Kind() != constant.Unknown
}

// loopsOf returns the branch statements inside of a loop of their function: outside of one, continue does not compile.
func loopsOf(file *ast.File) map[*ast.BranchStmt]bool {
	out := map[*ast.BranchStmt]bool{}
	var visit func(n ast.Node, inLoop bool)
	visit = func(n ast.Node, inLoop bool) {
		ast.Inspect(n, func(child ast.Node) bool {
			switch child := child.(type) {
			case *ast.ForStmt:
				if child != n {
					visit(child, true)
					return false
				}
			case *ast.RangeStmt:
				if child != n {
					visit(child, true)
					return false
				}
			case *ast.FuncLit:
				if child != n {
					visit(child, false)
					return false
				}
			case *ast.BranchStmt:
				out[child] = inLoop
			}
			return true
		})
	}
	visit(file, false)
	return out
}
