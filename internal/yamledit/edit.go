package yamledit

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Edit returns the text changed so that it means another value; nil if it cannot be written so.
//
// It writes new text where the value differs and nowhere else. The result is read back, and it must
// mean the value: YAML is too rich for an editor to foresee all of it. If it does not, larger edits
// are tried: with all that aliases stand for written out, then with whole values instead of their
// parts, up to the whole document.
func (t *Text) Edit(value any) []byte {
	for _, depth := range []int{maxDepth + 1, maxDepth, 6, 5, 4, 3, 2, 1, 0} {
		e := &editor{layout: t.layout(), cursor: newCursor(t.text, t.isJSON), expand: depth <= maxDepth, depth: depth}
		e.oneLine = e.expand
		if out, ok := e.write(t, value); ok {
			if got, _, err := parse(out, t.isJSON); err == nil && bytes.Equal(Encode(got), Encode(value)) {
				return out
			}
		}
	}
	return nil
}

// editor collects the edits that make a text mean a changed value.
type editor struct {
	layout
	*cursor
	expand  bool // write out what aliases and merge keys stand for
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

// slot is the place of a value: an entry of a mapping or a list, or the document.
type slot struct {
	key      string
	node     *yaml.Node
	start    int // of the entry: of its key or dash, or of its value
	mark     int // behind the colon or dash
	from, to int // of the value
	inList   bool
	inFlow   bool
	column   int // of the collection that the entry belongs to
}

// write returns the text with the edits; ok is false if they overlap.
func (e *editor) write(t *Text, value any) (out []byte, ok bool) {
	// As in parse: a fault of the encoder must not end the program.
	defer func() {
		if recover() != nil {
			out, ok = nil, false
		}
	}()
	text := t.text
	if !e.isJSON && !bytes.HasSuffix(text, []byte("\n")) {
		e.text = append(slices.Clip(e.text), '\n')
	}
	if t.nodes == nil { // JSON, of which nothing is known but that it is JSON
		trimmed := bytes.TrimSpace(text)
		from := bytes.Index(text, trimmed)
		e.splice(from, from+len(trimmed), e.encode(value, yaml.FlowStyle, "\n"))
	} else {
		from := e.offset(t.nodes)
		e.edit(slot{node: t.nodes, start: from, mark: from, from: from, to: e.end(t.nodes), inFlow: e.isJSON}, t.Value, value, 0)
	}
	slices.SortStableFunc(e.splices, func(a, b splice) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	source, done := text, 0
	if !e.isJSON {
		source = e.text
	}
	for _, s := range e.splices {
		if s.from < done || s.to < s.from || s.to > len(source) {
			return nil, false
		}
		out = append(out, source[done:s.from]...)
		out = append(out, strings.ReplaceAll(s.text, "\n", e.lineBreak)...)
		done = s.to
	}
	return append(out, source[done:max(done, len(text))]...), true
}

// edit makes the value in a slot mean another one.
func (e *editor) edit(s slot, was, is any, depth int) {
	same := reflect.DeepEqual(was, is)
	derived := s.node.Kind == yaml.AliasNode || hasMerge(s.node)
	switch {
	case same && !(e.expand && derived) && (!e.expand || len(s.node.Content) == 0):
	case derived || depth >= e.depth && !same || !e.editEntries(s.node, was, is, depth):
		e.replace(s, is)
	}
}

func hasMerge(n *yaml.Node) bool {
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			return true
		}
	}
	return false
}

// slots returns the entries of a collection.
func (e *editor) slots(n *yaml.Node) []slot {
	var all []slot
	at := e.start(n)
	column := at - e.lineStart(at)
	for i := 0; i < len(n.Content); i++ {
		s := slot{inList: n.Kind == yaml.SequenceNode, inFlow: n.Style&yaml.FlowStyle != 0, column: column, start: at}
		switch {
		case !s.inList:
			s.key, _ = keyOf(n.Content[i]) // that it has one was checked before
			s.start = e.offset(n.Content[i])
			s.mark = e.behindKey(n.Content[i])
			i++
		case !s.inFlow:
			s.start = e.skipSpace(at)
			s.mark = s.start + 1
		}
		s.node = n.Content[i]
		if s.from, s.to = e.offset(s.node), e.end(s.node); isEmpty(s.node) && !s.inList {
			s.from, s.to = s.mark, s.mark
		}
		if s.inList && s.inFlow {
			s.start, s.mark = s.from, s.from
		}
		all = append(all, s)
		at = s.to
	}
	return all
}

// editEntries reports whether it edited the entries of a collection. It does nothing if the values
// are not collections of one kind, no entry stays, or the entries are not on lines of their own.
func (e *editor) editEntries(n *yaml.Node, was, is any, depth int) bool {
	before, ok := len(e.splices), false
	switch is := is.(type) {
	case *Object:
		if was, isMap := was.(*Object); isMap {
			ok = e.editMapping(e.slots(n), was, is, depth)
		}
	case []any:
		if was, isList := was.([]any); isList {
			ok = e.editList(e.slots(n), was, is, depth)
		}
	}
	if !ok {
		e.splices = e.splices[:before]
	}
	return ok
}

func (e *editor) editMapping(slots []slot, was, is *Object, depth int) bool {
	kept := 0
	for i, s := range slots {
		value, stays := is.Fields[s.key]
		if !stays {
			if !e.remove(slots, i) {
				return false
			}
			continue
		}
		kept++
		e.edit(s, was.Fields[s.key], value, depth+1)
	}
	for _, key := range is.Keys {
		if _, old := was.Fields[key]; !old && (kept == 0 || !e.insert(slots, len(slots), key, is.Fields[key])) {
			return false
		}
	}
	return kept > 0
}

func (e *editor) editList(slots []slot, was, is []any, depth int) bool {
	head, tail := 0, 0
	for head < min(len(was), len(is)) && reflect.DeepEqual(was[head], is[head]) {
		head++
	}
	for tail < min(len(was), len(is))-head && reflect.DeepEqual(was[len(was)-1-tail], is[len(is)-1-tail]) {
		tail++
	}
	if len(was) == 0 || len(is) == 0 {
		return false
	}
	for i := range was {
		switch j := i + len(is) - len(was); {
		case i >= len(was)-tail:
			e.edit(slots[i], was[i], is[j], depth+1)
		case i < len(is)-tail:
			e.edit(slots[i], was[i], is[i], depth+1)
		case !e.remove(slots, i):
			return false
		}
	}
	for j := len(was) - tail; j < len(is)-tail; j++ {
		if !e.insert(slots, len(was)-tail, "", is[j]) {
			return false
		}
	}
	return true
}

// insert reports whether it could add an entry before the one at index i.
func (e *editor) insert(slots []slot, i int, key string, value any) bool {
	like := slots[max(i-1, 0)]
	if like.inFlow {
		e.insertFlow(slots, i, key, value)
		return true
	}
	text := e.marker(like, key) + e.behind(like, value)
	if i == 0 {
		e.splice(like.start, like.start, text+"\n"+spaces(like.column))
		return true
	}
	next, ok := e.nextLine(like.to)
	e.splice(next, next, spaces(like.column)+text+"\n")
	return ok
}

func (e *editor) insertFlow(slots []slot, i int, key string, value any) {
	// What stands before the last entry shows what to put between two.
	space, last := e.space, slots[len(slots)-1]
	line := e.text[:last.start]
	if lead := line[len(bytes.TrimRight(line, " \t\r\n")):]; len(slots) > 1 || bytes.IndexByte(lead, '\n') >= 0 {
		space = strings.ReplaceAll(string(lead), "\r", "")
	}
	lead := ""
	if line := strings.LastIndexByte(space, '\n'); line >= 0 {
		lead = space[line:]
	}
	text := e.encode(value, yaml.FlowStyle, lead)
	if !last.inList {
		text = e.marker(last, key) + e.space + text
	}
	if i == 0 {
		e.splice(slots[0].start, slots[0].start, text+","+space)
	} else {
		e.splice(slots[i-1].to, slots[i-1].to, ","+space+text)
	}
}

// remove reports whether it could remove the entry at index i.
func (e *editor) remove(slots []slot, i int) bool {
	s := slots[i]
	start := e.lineStart(s.start)
	next, ok := e.nextLine(s.to)
	switch {
	case !s.inFlow && ok && len(bytes.TrimSpace(e.text[start:s.start])) == 0:
		e.splice(start, next, "")
	case i < len(slots)-1:
		e.splice(s.start, slots[i+1].start, "")
	case s.inFlow && i > 0:
		e.splice(slots[i-1].to, s.to, "")
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
func (e *editor) replace(s slot, value any) {
	old := target(s.node)
	wasFlow := s.inFlow || old.Style&yaml.FlowStyle != 0 || old.Kind != yaml.ScalarNode && len(old.Content) == 0
	wasBlock := !wasFlow && s.node.Kind != yaml.ScalarNode && s.node.Kind != yaml.AliasNode
	isBlock := isFilled(value) && !wasFlow
	switch {
	case isBlock && wasBlock && isList(value) == (old.Kind == yaml.SequenceNode) && e.start(s.node) == s.from:
		e.splice(s.from, s.to, e.encode(value, 0, "\n"+spaces(s.from-e.lineStart(s.from))))
	case isBlock:
		e.splice(s.mark, s.to, e.behind(s, value))
	case wasBlock && s.mark < s.from:
		e.splice(s.mark, s.to, " "+e.encode(value, yaml.FlowStyle, ""))
	default:
		line := string(e.text[e.lineStart(s.from):s.from])
		lead := "\n" + line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		style := yaml.FlowStyle
		quotes := old.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle)
		text, isString := value.(string)
		switch {
		case isString && quotes != 0 && !strings.Contains(text, "\n"):
			style = quotes
		case isString && !s.inFlow:
			style = 0
		}
		if text = e.encode(value, style, lead); s.from > 0 && !e.isJSON && strings.IndexByte(":-?", e.text[s.from-1]) >= 0 {
			text = " " + text
		}
		e.splice(s.from, s.to, text)
	}
}

// isFilled reports whether a value is a collection with entries.
func isFilled(value any) bool {
	switch v := value.(type) {
	case *Object:
		return len(v.Keys) > 0
	case []any:
		return len(v) > 0
	}
	return false
}

func isList(value any) bool {
	_, ok := value.([]any)
	return ok
}
