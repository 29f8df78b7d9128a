package yamledit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Edit returns a text, of which Parse made the node was, changed so that it means another value; nil if
// it cannot be written so.
//
// It writes new text where the value differs and nowhere else. The result is read back, and it must
// mean the value: YAML is too rich for an editor to foresee all of it. If it does not, larger edits
// are tried: with all that aliases stand for written out, then with whole values instead of their
// parts, up to the whole document.
func Edit(text []byte, isJSON bool, was, want *Node) []byte {
	for _, depth := range []int{maxDepth + 1, maxDepth, 6, 5, 4, 3, 2, 1, 0} {
		e := &editor{cursor: cursor{text: text}, layout: layoutOf(text, isJSON, was), expand: depth <= maxDepth, depth: depth}
		if out, ok := e.write(was, want); ok {
			if got, err := Parse(out, isJSON); err == nil && equal(got, want, sameFloat) {
				return out
			}
		}
	}
	return nil
}

func sameText(a, b json.Number) bool { return a == b }

// sameFloat reports whether two numbers are the same to kubectl, which may spell what it reads in another way.
func sameFloat(a, b json.Number) bool {
	x, xErr := a.Float64()
	y, yErr := b.Float64()
	return a == b || x == y && xErr == nil && yErr == nil
}

// editor collects the edits that make a text mean a changed value.
type editor struct {
	layout
	cursor
	expand  bool // write out what aliases and merge keys stand for, and strings in one line
	depth   int  // a changed value as deep as this is written as a whole
	splices []splice
}

// splice puts text in the place of [from:to].
type splice struct {
	from, to int
	text     string
}

func (e *editor) splice(from, to int, text string) {
	if text != "" && e.has(to, '#') && !strings.HasSuffix(text, "\n") {
		text += " " // else no comment begins there any more
	}
	e.splices = append(e.splices, splice{from, to, text})
}

// write returns the text with the edits; ok is false if they overlap.
func (e *editor) write(was, want *Node) (out []byte, ok bool) {
	// As in Parse: a fault of the encoder must not end the program.
	defer func() {
		if recover() != nil {
			out, ok = nil, false
		}
	}()
	length := len(e.text)
	if !e.isJSON && !e.has(length-1, '\n') {
		e.text = append(slices.Clip(e.text), '\n')
	}
	e.edit(&Node{place: place{style: was.style & yaml.FlowStyle}}, was, want, 0)
	slices.SortStableFunc(e.splices, func(a, b splice) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	done := 0
	for _, s := range e.splices {
		if s.from < done || s.to < s.from || s.to > len(e.text) {
			return nil, false
		}
		out = append(out, e.text[done:s.from]...)
		out = append(out, strings.ReplaceAll(s.text, "\n", e.lineBreak)...)
		done = s.to
	}
	return append(out, e.text[done:max(done, length)]...), true
}

// edit makes a value in a collection mean another one.
func (e *editor) edit(in, was, want *Node, depth int) {
	same := equal(was, want, sameText)
	switch {
	case same && !(e.expand && was.derived) && (!e.expand || was.Kind == Scalar):
	case was.derived || depth >= e.depth && !same || !e.editEntries(was, want, depth):
		e.replace(in, was, want)
	}
}

// editEntries reports whether it edited the entries of a collection. It does nothing if the values
// are not collections of one kind, no entry stays, or the entries are not on lines of their own.
func (e *editor) editEntries(was, want *Node, depth int) bool {
	before, ok := len(e.splices), false
	switch {
	case was.Kind != want.Kind:
	case was.Kind == Object:
		ok = e.editFields(was, want, depth)
	case was.Kind == List:
		ok = e.editItems(was, want, depth)
	}
	if !ok {
		e.splices = e.splices[:before]
	}
	return ok
}

func (e *editor) editFields(was, want *Node, depth int) bool {
	all, kept := was.children(), 0
	for i, key := range was.Keys {
		if value := want.Fields[key]; value != nil {
			kept++
			e.edit(was, all[i], value, depth+1)
		} else if !e.remove(was, all, i) {
			return false
		}
	}
	for _, key := range want.Keys {
		if was.Fields[key] == nil && (kept == 0 || !e.insert(was, all, len(all), key, want.Fields[key])) {
			return false
		}
	}
	return kept > 0
}

func (e *editor) editItems(in, to *Node, depth int) bool {
	was, want := in.Items, to.Items
	head, tail, fewer := 0, 0, min(len(was), len(want))
	for head < fewer && equal(was[head], want[head], sameText) {
		head++
	}
	for tail < fewer-head && equal(was[len(was)-1-tail], want[len(want)-1-tail], sameText) {
		tail++
	}
	for i, item := range was {
		switch {
		case i >= len(was)-tail:
			e.edit(in, item, want[i+len(want)-len(was)], depth+1)
		case i < len(want)-tail:
			e.edit(in, item, want[i], depth+1)
		case !e.remove(in, was, i):
			return false
		}
	}
	for j := len(was) - tail; j < len(want)-tail; j++ {
		if fewer == 0 || !e.insert(in, was, len(was)-tail, "", want[j]) {
			return false
		}
	}
	return fewer > 0
}

// insert reports whether it could add an entry before the one at index i.
func (e *editor) insert(in *Node, all []*Node, i int, key string, value *Node) bool {
	like := all[max(i-1, 0)]
	if in.isFlow() {
		e.insertFlow(in, all, i, key, value)
		return true
	}
	column := e.column(in.start)
	text := e.marker(in, key) + e.behind(in, value)
	if i == 0 {
		e.splice(like.entry, like.entry, text+"\n"+spaces(column))
		return true
	}
	next, ok := e.nextLine(like.to)
	e.splice(next, next, spaces(column)+text+"\n")
	return ok
}

func (e *editor) insertFlow(in *Node, all []*Node, i int, key string, value *Node) {
	// What stands before the last entry shows what to put between two.
	space, line := e.space, e.text[:all[len(all)-1].entry]
	if lead := line[len(bytes.TrimRight(line, " \t\r\n")):]; len(all) > 1 || bytes.IndexByte(lead, '\n') >= 0 {
		space = strings.ReplaceAll(string(lead), "\r", "")
	}
	lead := ""
	if line := strings.LastIndexByte(space, '\n'); line >= 0 {
		lead = space[line:]
	}
	text := e.encode(value, yaml.FlowStyle, lead)
	if in.Kind == Object {
		text = e.marker(in, key) + e.space + text
	}
	if i == 0 {
		e.splice(all[0].entry, all[0].entry, text+","+space)
	} else {
		e.splice(all[i-1].to, all[i-1].to, ","+space+text)
	}
}

// remove reports whether it could remove the entry at index i.
func (e *editor) remove(in *Node, all []*Node, i int) bool {
	n := all[i]
	start := e.lineStart(n.entry)
	next, ok := e.nextLine(n.to)
	switch {
	case !in.isFlow() && ok && len(bytes.TrimSpace(e.text[start:n.entry])) == 0:
		e.splice(start, next, "")
	case i < len(all)-1:
		e.splice(n.entry, all[i+1].entry, "")
	case in.isFlow() && i > 0:
		e.splice(all[i-1].to, n.to, "")
	default:
		return false
	}
	return true
}

// nextLine returns the offset of the line behind at; ok is false if more than a comment stands between.
func (e *editor) nextLine(at int) (next int, ok bool) {
	end := e.lineEnd(at)
	rest := bytes.TrimSpace(e.text[at:end])
	return min(end+1, len(e.text)), len(rest) == 0 || rest[0] == '#'
}

// replace writes a value in the place of another.
func (e *editor) replace(in, was, want *Node) {
	wasFlow := in.isFlow() || was.isFlow() || was.Kind != Scalar && len(was.children()) == 0
	wasBlock := !wasFlow && was.Kind != Scalar && !was.alias
	isBlock := want.isFilled() && !wasFlow
	switch {
	case isBlock && wasBlock && want.Kind == was.Kind && was.start == was.from:
		e.splice(was.from, was.to, e.encode(want, 0, "\n"+spaces(e.column(was.from))))
	case isBlock:
		e.splice(was.mark, was.to, e.behind(in, want))
	case wasBlock && was.mark < was.from:
		e.splice(was.mark, was.to, " "+e.encode(want, yaml.FlowStyle, ""))
	default:
		line := string(e.text[e.lineStart(was.from):was.from])
		lead := "\n" + line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		style := yaml.FlowStyle
		quotes := was.style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle)
		text, isString := want.Value.(string)
		switch {
		case isString && quotes != 0 && !strings.Contains(text, "\n"):
			style = quotes
		case isString && !in.isFlow():
			style = 0
		}
		if text = e.encode(want, style, lead); was.from > 0 && !e.isJSON && strings.IndexByte(":-?", e.text[was.from-1]) >= 0 {
			text = " " + text
		}
		e.splice(was.from, was.to, text)
	}
}

func (e *editor) column(at int) int { return at - e.lineStart(at) }

// marker returns what stands before a value in a collection.
func (e *editor) marker(in *Node, key string) string {
	if in.Kind == List {
		return "-"
	}
	return e.encode(&Node{Value: key}, yaml.FlowStyle, "") + ":"
}

// behind returns a value in block style with what separates it from its marker.
func (e *editor) behind(in, value *Node) string {
	column := e.column(in.start)
	switch {
	case !value.isFilled():
		return " " + e.encode(value, 0, "\n"+spaces(column))
	case in.Kind == List:
		return " " + e.encode(value, 0, "\n"+spaces(column+2))
	case value.Kind != List || !e.compact:
		column += e.step
	}
	lead := "\n" + spaces(column)
	return lead + e.encode(value, 0, lead)
}

// isFilled reports whether a value is a collection with entries.
func (n *Node) isFilled() bool { return len(n.Keys)+len(n.Items) > 0 }
