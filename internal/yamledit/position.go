package yamledit

import (
	"bytes"
	"encoding/json"
	"regexp"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var jsonMask = regexp.MustCompile(`\\(u[0-9A-Fa-f]{4}|.)|[^\x20-\x7e\r\n]`)

// masked returns YAML in which every node stands where it stands in the text. That is the text
// itself, or for JSON, some of whose escapes and characters YAML does not know, the text without them.
func masked(text []byte, isJSON bool) []byte {
	if !isJSON {
		return text
	}
	return jsonMask.ReplaceAllFunc(text, func(m []byte) []byte {
		if m[0] == '\t' {
			return []byte(" ")
		}
		return bytes.Repeat([]byte("x"), len(m))
	})
}

// unmask gives the strings of JSON the values that they have without the mask.
func unmask(n *yaml.Node, c *cursor, text []byte) {
	if from := c.offset(n); n.Style&yaml.DoubleQuotedStyle != 0 {
		_ = json.Unmarshal(text[from:c.end(n)], &n.Value) // that it is JSON was checked before
	}
	for _, child := range n.Content {
		unmask(child, c, text)
	}
}

// cursor finds where the nodes of a text begin and end.
type cursor struct {
	text         []byte // masked
	lines        []int  // where each line begins, as the parser counts them
	ascii        bool
	at           int
	line, column int // of at, 1-based; columns are characters
}

func newCursor(text []byte, isJSON bool) *cursor {
	c := &cursor{text: masked(text, isJSON), lines: []int{0}, ascii: true}
	for at, size := 0, 0; at < len(c.text); at += size {
		var char rune
		char, size = utf8.DecodeRune(c.text[at:])
		c.ascii = c.ascii && size == 1
		switch char {
		case '\r':
			if c.has(at+1, '\n') {
				continue
			}
			fallthrough
		case '\n', '\u0085', '\u2028', '\u2029':
			c.lines = append(c.lines, at+size)
		}
	}
	return c
}

// offset returns where a node begins. Within a long line it is fast for nodes that are asked for in their order.
func (c *cursor) offset(n *yaml.Node) int {
	if n.Line != c.line || n.Column < c.column {
		c.at, c.line, c.column = c.lines[min(max(n.Line, 1), len(c.lines))-1], n.Line, 1
	}
	if c.ascii {
		return min(c.at+n.Column-c.column, len(c.text))
	}
	for ; c.at < len(c.text) && c.column < n.Column; c.column++ {
		_, size := utf8.DecodeRune(c.text[c.at:])
		c.at += size
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

var properties = regexp.MustCompile(`^[!&][^\s,\[\]{}]*`)

// start returns where a node begins behind its tag and anchor.
func (c *cursor) start(n *yaml.Node) int {
	at := c.offset(n)
	for {
		found := properties.FindIndex(c.text[at:])
		if found == nil {
			return at
		}
		at = c.skipSpace(at + found[1])
	}
}

// end returns the offset behind a node, without what may stand between it and the next: for a block
// scalar the line break of its last line too.
func (c *cursor) end(n *yaml.Node) int {
	at, last := c.start(n), len(c.text)
	switch {
	case n.Kind == yaml.AliasNode:
		return min(at+1+len(n.Value), last)
	case n.Kind != yaml.ScalarNode:
		flow := c.has(at, '{') || c.has(at, '[') // and not one pair in a flow list, which needs no brackets
		if flow {
			at++
		}
		if last := len(n.Content) - 1; last >= 0 {
			if at = c.end(n.Content[last]); n.Kind == yaml.MappingNode && isEmpty(n.Content[last]) {
				at = c.behindKey(n.Content[last-1])
			}
		}
		for flow && at < last && c.text[at] != ']' && c.text[at] != '}' {
			at = max(c.skipSpace(at), at+1)
		}
		if flow {
			at++
		}
		return min(at, last)
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return c.quoteEnd(at)
	}
	header := at
	block := n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if block {
		at = c.lineEnd(at)
	}
	// Nothing but its white space can be spelled in another way.
	for _, char := range bytes.Join(bytes.Fields([]byte(n.Value)), nil) {
		for at < last && c.text[at] != char {
			at++
		}
		at = min(at+1, last)
	}
	if block {
		at = c.lineEnd(at)
		if bytes.IndexByte(c.text[header:c.lineEnd(header)], '+') >= 0 {
			for i := len(n.Value) - 1; i > 0 && n.Value[i] == '\n' && n.Value[i-1] == '\n'; i-- {
				at = c.lineEnd(min(at+1, last))
			}
		}
	}
	return at
}

// behindKey returns the offset behind a key and its colon, if it has one.
func (c *cursor) behindKey(key *yaml.Node) int {
	end := c.end(key)
	if at := c.skipSpace(end); c.has(at, ':') {
		return at + 1
	}
	return end
}

// isEmpty reports whether a value has no text. The parser may say that it stands anywhere before the next one.
func isEmpty(n *yaml.Node) bool { return n.Value == "" && IsPlain(n) }

func (c *cursor) quoteEnd(at int) int {
	mark := c.text[at]
	for at++; at < len(c.text); at++ {
		switch {
		case mark == '"' && c.text[at] == '\\', mark == '\'' && c.text[at] == mark && c.has(at+1, mark):
			at++
		case c.text[at] == mark:
			return at + 1
		}
	}
	return len(c.text)
}
