package manifest

import (
	"bytes"
	"encoding/json"
	"errors"

	"go.yaml.in/yaml/v3"
)

// render gives the content with its patches.
//
// An encoder keeps comments and order, but not blank lines, alignment or spacing. So the content is encoded twice, as it was and
// as it is, and what differs between the two is carried over to the lines as they were read. Where that is impossible the
// encoding itself is taken. Whichever it is, it is read back, and it must mean what the tree means: the encoder gets some
// block scalars wrong and some comments, and then the tree is simplified and encoded anew.
func (d *Document) render() ([]byte, error) {
	text := d.raw[d.from:d.to]
	windows := bytes.Contains(text, []byte("\r\n"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	tree, err := d.parse(text)
	if err != nil {
		return nil, err
	}
	look := lookOf(tree, text)
	for _, simplify := range []func(*yaml.Node) *yaml.Node{unchanged, withoutBlockScalars, withoutComments} {
		out, ok := d.carryOver(simplify(tree), simplify(d.tree), look, text)
		if !ok {
			continue
		}
		if windows {
			out = bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n"))
		}
		return out, nil
	}
	return nil, d.errorAt(nil, "", "cannot be written with its changes", "write the document more simply: without tags and unusual quoting")
}

func (d *Document) carryOver(before, after *yaml.Node, look look, text []byte) ([]byte, bool) {
	old, err := d.encode(before, look)
	if err != nil {
		return nil, false
	}
	encoded, err := d.encode(after, look)
	if err != nil {
		return nil, false
	}
	if out, ok := carry(old, encoded, text); ok && d.means(out) {
		return out, true
	}
	return encoded, d.means(encoded)
}

func unchanged(n *yaml.Node) *yaml.Node { return n }

func withoutBlockScalars(n *yaml.Node) *yaml.Node {
	n = clone(n)
	eachNode(n, func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			n.Style = n.Style&yaml.TaggedStyle | yaml.DoubleQuotedStyle
		}
	})
	return n
}

func withoutComments(n *yaml.Node) *yaml.Node {
	n = withoutBlockScalars(n)
	eachNode(n, func(n *yaml.Node) { n.HeadComment, n.LineComment, n.FootComment = "", "", "" })
	return n
}

func eachNode(n *yaml.Node, visit func(*yaml.Node)) {
	visit(n)
	for _, child := range n.Content {
		eachNode(child, visit)
	}
}

// means tells whether text reads back as the tree.
func (d *Document) means(text []byte) bool {
	tree, err := d.parse(text)
	if err != nil || len(tree.Content) != 1 {
		return false
	}
	got, err := treeJSON(tree.Content[0], d.json)
	if err != nil {
		return false
	}
	want, err := treeJSON(d.tree.Content[0], d.json)
	return err == nil && bytes.Equal(got, want)
}

func (d *Document) encode(tree *yaml.Node, look look) ([]byte, error) {
	if d.json {
		return encodeJSON(tree, look)
	}
	return encodeYAML(tree, look)
}

func encodeYAML(tree *yaml.Node, look look) (text []byte, err error) {
	// As in parseYAML: a fault of the encoder must not end the program.
	defer func() {
		if r := recover(); r != nil {
			text, err = nil, errors.New("the encoder failed")
		}
	}()
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(len(look.indent))
	if look.compact {
		enc.CompactSeqIndent()
	}
	if err := enc.Encode(tree); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func encodeJSON(tree *yaml.Node, look look) ([]byte, error) {
	text, err := treeJSON(tree.Content[0], true)
	if err != nil || look.oneLine {
		return append(text, look.tail...), err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", look.indent); err != nil {
		return nil, err
	}
	b.WriteString(look.tail)
	return b.Bytes(), nil
}

// look is how a document is laid out.
type look struct {
	indent  string // of one level
	compact bool   // the dashes of a list stand right below the key that it belongs to
	oneLine bool   // JSON only: there is no line break in it
	tail    string // JSON only: the white space behind the value
}

// lookOf finds the layout by the first place that shows it.
func lookOf(tree *yaml.Node, text []byte) look {
	trimmed := bytes.TrimRight(text, " \t\r\n")
	l := look{indent: "  ", tail: string(text[len(trimmed):]), oneLine: !bytes.Contains(bytes.TrimLeft(trimmed, " \t\r\n"), []byte("\n"))}
	if bytes.HasPrefix(trimmed, []byte("{")) {
		if i := bytes.IndexByte(trimmed, '\n'); i >= 0 {
			line := trimmed[i+1:]
			if indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]; 0 < len(indent) && len(indent) <= 8 {
				l.indent = string(indent)
			}
		}
		if len(tree.Content) == 0 || tree.Content[0].Column == 0 {
			return l
		}
		l.indent = "  "
	}
	foundIndent, foundList := false, false
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, child := range n.Content {
			if foundIndent && foundList {
				return
			}
			if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 && i%2 == 1 && child.Style&yaml.FlowStyle == 0 {
				step := child.Column - n.Content[i-1].Column
				switch {
				case child.Kind == yaml.MappingNode && len(child.Content) > 0 && !foundIndent && 2 <= step && step <= 8:
					l.indent, foundIndent = "        "[:step], true
				case child.Kind == yaml.SequenceNode && len(child.Content) > 0 && !foundList:
					l.compact, foundList = step == 0, true
				}
			}
			walk(child)
		}
	}
	walk(tree)
	return l
}
