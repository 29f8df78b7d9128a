package yamledit

import (
	"bytes"
	"regexp"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// place says where a node stands: offsets in its text.
type place struct {
	entry    int // of its key or dash, or of itself
	mark     int // behind the colon or dash
	from, to int
	start    int // behind its tag and anchor
	style    yaml.Style
	alias    bool // the rest is that of the anchor
	derived  bool // it is an alias or has a merge key

	size  int // with what aliases stand for, in the measure of maxCopied
	depth int // of what is below it
}

func (p *place) isFlow() bool { return p.style&yaml.FlowStyle != 0 }

// builder makes nodes of those of yaml.v3, in the order of the text. It rejects what the parsers let
// pass: duplicate keys, keys that JSON cannot have, aliases within what they stand for, too much
// depth, and too many copies by aliases.
type builder struct {
	cursor
	copied  int
	anchors map[*yaml.Node]*Node
}

func (b *builder) build(y *yaml.Node, depth int) (*Node, error) {
	n := &Node{Line: y.Line, Source: y.Value, Plain: isPlain(y), place: place{style: y.Style, from: b.offset(y), size: 16 + len(y.Value)}}
	n.start = b.behindProperties(n.from)
	if y.Kind == yaml.AliasNode {
		anchor := b.anchors[y.Alias]
		if anchor == nil {
			return nil, &Error{Line: y.Line, Problem: "alias " + Quote("*"+y.Value) + " stands for a value that holds the alias", Remedy: "write the value out"}
		}
		if b.copied += anchor.size; b.copied > maxCopied {
			return nil, &Error{Line: y.Line, Problem: "aliases repeat too much", Remedy: "write the values out"}
		}
		from, line := n.from, n.Line
		n = &Node{}
		*n = *anchor
		n.Line, n.from, n.start, n.to = line, from, from, min(from+1+len(y.Value), len(b.text))
		n.alias, n.derived = true, true
	}
	if depth+n.depth > maxDepth {
		return nil, errTooDeep(n.Line)
	}
	var err error
	switch y.Kind {
	case yaml.ScalarNode:
		n.to = b.scalarEnd(n)
	case yaml.SequenceNode:
		err = b.items(n, y, depth+1)
	case yaml.MappingNode:
		err = b.fields(n, y, depth+1)
	}
	if y.Anchor != "" {
		b.anchors[y] = n
	}
	return n, err
}

func (b *builder) items(n *Node, y *yaml.Node, depth int) error {
	n.Kind = List
	at := n.start
	for _, item := range y.Content {
		child, err := b.build(item, depth)
		if err != nil {
			return err
		}
		if child.entry, child.mark = child.from, child.from; !n.isFlow() {
			child.entry = b.skipSpace(at)
			child.mark = child.entry + 1
		}
		n.grow(child)
		n.Items = append(n.Items, child)
		at = child.to
	}
	n.to = b.collectionEnd(n.start, at)
	return nil
}

// fields adds the fields of a mapping in the order in which their keys are met, those of merge keys
// among them. As in kubectl, the later of an own and a merged key wins, and the earlier of two sources.
func (b *builder) fields(n *Node, y *yaml.Node, depth int) error {
	n.Kind, n.Fields = Object, map[string]*Node{}
	merged := map[string]bool{}
	at := n.start
	for i := 0; i < len(y.Content); i += 2 {
		key, err := b.build(y.Content[i], depth)
		if err != nil {
			return err
		}
		value, err := b.build(y.Content[i+1], depth)
		if err != nil {
			return err
		}
		n.grow(key)
		n.grow(value.under(key))
		value.mark = key.to
		if colon := b.skipSpace(key.to); b.has(colon, ':') {
			value.mark = colon + 1
		}
		// The parser may say that a value without text stands anywhere before the next one.
		if value.Plain && value.Source == "" && !value.alias {
			end := b.behindPropertiesInLine(value.mark)
			value.from, value.start, value.to = value.mark, end, end
		}
		at = value.to
		if y.Content[i].Tag == "!!merge" && key.Source == "<<" {
			if err := n.merge(value, merged); err != nil {
				return err
			}
			continue
		}
		name, ok := keyOf(y.Content[i])
		switch {
		case !ok:
			return &Error{Line: key.Line, Problem: key.Display() + " cannot be a key", Remedy: "put a string in quotes there"}
		case n.Fields[name] != nil && !merged[name]:
			return errTwice(name, key.Line)
		}
		delete(merged, name)
		n.set(name, value)
	}
	n.to = b.collectionEnd(n.start, at)
	return nil
}

// merge adds the fields of the value of a merge key, and the names that only it has to merged.
func (n *Node) merge(value *Node, merged map[string]bool) error {
	n.derived = true
	sources := []*Node{value}
	if value.Kind == List {
		sources = value.Items
	}
	for _, from := range slices.Backward(sources) {
		if from.Kind != Object {
			return &Error{Line: from.Line, Problem: "the merge key << is given " + from.Display(), Remedy: "give it a mapping"}
		}
		for _, key := range from.Keys {
			merged[key] = merged[key] || n.Fields[key] == nil
			n.set(key, from.Fields[key])
		}
	}
	return nil
}

func (n *Node) set(key string, value *Node) {
	if n.Fields[key] == nil {
		n.Keys = append(n.Keys, key)
	}
	n.Fields[key] = value
}

func (n *Node) grow(child *Node) {
	n.size, n.depth = n.size+child.size, max(n.depth, 1+child.depth)
}

// cursor finds where the nodes of a YAML text begin and end.
type cursor struct {
	text         []byte
	at           int
	line, column int // of at, 1-based; columns are characters
}

// offset returns where a node begins that does not stand before those of earlier calls.
func (c *cursor) offset(y *yaml.Node) int {
	for c.at < len(c.text) && (c.line < y.Line || c.line == y.Line && c.column < y.Column) {
		char, size := utf8.DecodeRune(c.text[c.at:])
		c.at += size
		c.column++
		switch char {
		case '\r':
			if c.has(c.at, '\n') {
				continue
			}
			fallthrough
		case '\n', '\u0085', '\u2028', '\u2029':
			c.line++
			c.column = 1
		}
	}
	return c.at
}

func (c *cursor) has(at int, char byte) bool { return at < len(c.text) && c.text[at] == char }

// skipSpace returns the offset of the first byte from at on that is neither white space nor comment.
func (c *cursor) skipSpace(at int) int {
	for ; at < len(c.text); at++ {
		switch c.text[at] {
		case ' ', '\t', '\r', '\n':
		case '#':
			at = c.lineEnd(at)
		default:
			return at
		}
	}
	return len(c.text)
}

// lineStart returns the offset of the beginning of the line that has at.
func (c *cursor) lineStart(at int) int { return 1 + bytes.LastIndexAny(c.text[:at], "\r\n") }

// lineEnd returns the offset of the line break at or behind at, or the end of the text.
func (c *cursor) lineEnd(at int) int {
	if i := bytes.IndexByte(c.text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(c.text)
}

const property = `[!&][^\s,\[\]{}]*`

var (
	properties       = regexp.MustCompile(`^` + property)
	propertiesInLine = regexp.MustCompile(`^(?:[ \t]+` + property + `)+`)
)

// behindPropertiesInLine returns the offset behind the tag and anchor that follow a colon in its line.
func (c *cursor) behindPropertiesInLine(at int) int {
	return at + len(propertiesInLine.Find(c.text[at:]))
}

func (c *cursor) behindProperties(at int) int {
	for {
		found := properties.FindIndex(c.text[at:])
		if found == nil {
			return at
		}
		at = c.skipSpace(at + found[1])
	}
}

// collectionEnd returns the offset behind a collection whose last entry ends at an offset. One pair in
// a flow list needs no brackets.
func (c *cursor) collectionEnd(start, at int) int {
	if !c.has(start, '{') && !c.has(start, '[') {
		return min(at, len(c.text))
	}
	for at = max(at, start+1); at < len(c.text) && c.text[at] != ']' && c.text[at] != '}'; {
		at = max(c.skipSpace(at), at+1)
	}
	return min(at+1, len(c.text))
}

var quoted = regexp.MustCompile(`^(?s:"(\\.|[^"\\])*"|'(''|[^'])*')`)

// scalarEnd returns the offset behind a scalar: for a block scalar behind the last line with text, or
// that is kept, without its line break.
func (c *cursor) scalarEnd(n *Node) int {
	at, last := n.start, len(c.text)
	if n.style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return at + len(quoted.Find(c.text[at:]))
	}
	header := at
	block := n.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if block {
		at = c.lineEnd(at)
	}
	// Nothing but its white space can be spelled in another way.
	for _, char := range bytes.Join(bytes.Fields([]byte(n.Source)), nil) {
		for at < last && c.text[at] != char {
			at++
		}
		at = min(at+1, last)
	}
	if !block {
		return at
	}
	at = c.lineEnd(at)
	if bytes.IndexByte(c.text[header:c.lineEnd(header)], '+') >= 0 {
		for i := len(n.Source) - 1; i > 0 && n.Source[i] == '\n' && n.Source[i-1] == '\n'; i-- {
			at = c.lineEnd(min(at+1, last))
		}
	}
	return at
}
