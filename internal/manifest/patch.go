package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"gomodules.xyz/jsonpatch/v2"
)

// Patch applies JSON patch operations (RFC 6902) to the object at pointer. It knows add, replace and remove. Either all of them are
// applied, or none and the document is as it was. It fails with an *Error on an operation that the RFC would refuse.
//
// Comments and the order of keys survive. A new key goes to the end of its mapping; a new value is written in block style, or
// in flow style where its parent is or what it replaces was.
func (d *Document) Patch(pointer string, ops []jsonpatch.Operation) error {
	root, err := d.root()
	if err != nil {
		return err
	}
	if len(ops) == 0 {
		return nil
	}
	tokens, ok := parsePointer(pointer)
	if !ok {
		return d.errorAt(nil, "", "cannot patch at "+quote(pointer)+`: it is no JSON pointer`, `begin it with "/"`)
	}
	at, err := d.find(root, tokens, "patch", pointer)
	if err != nil {
		return err
	}
	// The operations are applied to a copy, so that one that fails leaves nothing of those before it.
	holder := &yaml.Node{Kind: yaml.SequenceNode, Style: at.Style & yaml.FlowStyle, Content: []*yaml.Node{clone(at)}}
	for _, op := range ops {
		if err := d.apply(holder, op); err != nil {
			return err
		}
	}
	*at = *holder.Content[0]
	d.changed = true
	return nil
}

// find walks from a node along the tokens of a pointer.
func (d *Document) find(n *yaml.Node, tokens []string, verb, pointer string) (*yaml.Node, error) {
	if n == nil {
		return nil, d.errorAt(nil, "", "cannot "+verb+" "+quote(pointer)+": the document is empty", "")
	}
	for i, token := range tokens {
		child := step(n, token)
		if child == nil {
			return nil, d.missing(n, verb, pointer, tokens[:i+1])
		}
		n = child
	}
	return n, nil
}

// step returns a member of a mapping or of a list, or nil.
func step(n *yaml.Node, token string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		return field(n, token)
	}
	if n.Kind != yaml.SequenceNode {
		return nil
	}
	if i, ok := listIndex(token); ok && i < len(n.Content) {
		return n.Content[i]
	}
	return nil
}

func (d *Document) missing(n *yaml.Node, verb, pointer string, tokens []string) *Error {
	return d.errorAt(n, "", "cannot "+verb+" "+quote(pointer)+": there is no "+quote(joinPointer(tokens)), "")
}

func joinPointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(t, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// apply applies one operation to the object, which is the only element of holder.
func (d *Document) apply(holder *yaml.Node, op jsonpatch.Operation) error {
	verb := op.Operation
	if verb != "add" && verb != "replace" && verb != "remove" {
		return d.errorAt(nil, "", "cannot patch with the operation "+quote(verb), "use add, replace or remove")
	}
	tokens, ok := parsePointer(op.Path)
	if !ok {
		return d.errorAt(nil, "", "cannot "+verb+" "+quote(op.Path)+": it is no JSON pointer", `begin it with "/"`)
	}
	var value *yaml.Node
	if verb != "remove" {
		var err error
		if value, err = newValue(op.Value); err != nil {
			return d.errorAt(nil, "", "cannot "+verb+" "+quote(op.Path)+": "+err.Error(), "")
		}
	}
	if len(tokens) == 0 {
		if verb == "remove" {
			return d.errorAt(nil, "", `cannot remove "": it is the whole object`, "")
		}
		d.put(holder, 0, value)
		return nil
	}
	last := tokens[len(tokens)-1]
	parent, err := d.find(holder.Content[0], tokens[:len(tokens)-1], verb, op.Path)
	if err != nil {
		return err
	}
	switch parent.Kind {
	case yaml.MappingNode:
		return d.applyToMapping(parent, verb, op.Path, tokens, last, value)
	case yaml.SequenceNode:
		return d.applyToList(parent, verb, op.Path, tokens, last, value)
	}
	return d.missing(parent, verb, op.Path, tokens)
}

func (d *Document) applyToMapping(parent *yaml.Node, verb, path string, tokens []string, key string, value *yaml.Node) error {
	i := fieldIndex(parent, key)
	switch {
	case i < 0 && verb != "add":
		return d.missing(parent, verb, path, tokens)
	case i < 0:
		keep := len(parent.Content)
		k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Style: yaml.DoubleQuotedStyle}
		d.dress(k, yaml.FlowStyle)
		d.dress(value, parent.Style&yaml.FlowStyle)
		parent.Content = append(parent.Content, k, value)
		// What was a comment at the mapping's end stays there.
		if keep >= 2 {
			before, added := parent.Content[keep-2], parent.Content[keep]
			added.FootComment, before.FootComment = before.FootComment, ""
		}
	case verb == "remove":
		parent.Content = slices.Delete(parent.Content, i, i+2)
	default:
		d.put(parent, i+1, value)
	}
	return nil
}

func (d *Document) applyToList(parent *yaml.Node, verb, path string, tokens []string, token string, value *yaml.Node) error {
	i, ok := listIndex(token)
	if verb == "add" && token == "-" {
		i, ok = len(parent.Content), true
	}
	switch {
	case !ok, i > len(parent.Content), i == len(parent.Content) && verb != "add":
		return d.missing(parent, verb, path, tokens)
	case verb == "add":
		d.dress(value, parent.Style&yaml.FlowStyle)
		parent.Content = slices.Insert(parent.Content, i, value)
	case verb == "remove":
		parent.Content = slices.Delete(parent.Content, i, i+1)
	default:
		d.put(parent, i, value)
	}
	return nil
}

// put replaces a value, keeping its comments, its flow style, and its quotes where both are strings of one line.
func (d *Document) put(parent *yaml.Node, i int, value *yaml.Node) {
	old := parent.Content[i]
	d.dress(value, (parent.Style|old.Style)&yaml.FlowStyle)
	value.HeadComment, value.LineComment, value.FootComment = old.HeadComment, old.LineComment, old.FootComment
	quotes := old.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle)
	if value.Tag == "!!str" && old.Kind == yaml.ScalarNode && quotes != 0 && !strings.Contains(value.Value, "\n") {
		value.Style = quotes
	}
	parent.Content[i] = value
}

// dress gives the nodes of a new value the look of their surroundings. In a JSON document they have it already.
func (d *Document) dress(n *yaml.Node, flow yaml.Style) {
	if d.json {
		return
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		n.Style = flow
	case n.Tag == "!!str":
		n.Style = stringStyle(n.Value, flow != 0)
	}
	for _, child := range n.Content {
		d.dress(child, flow)
	}
}

// unquoted are the strings that mean the same with and without quotes in every YAML, unless they are numbers or words like yes.
var unquoted = regexp.MustCompile(`^[A-Za-z0-9/_.][A-Za-z0-9/_.@+=-]*(( |:)[A-Za-z0-9/_.@+=-]+)*$`)

func stringStyle(s string, flow bool) yaml.Style {
	kind, _ := plainScalar(s)
	sexagesimal := strings.Contains(s, ":") && s[0] <= '9'
	switch {
	case kind == stringScalar && unquoted.MatchString(s) && !sexagesimal:
		return 0
	case strings.Contains(s, "\n") && !flow:
		return yaml.LiteralStyle
	case strings.Contains(s, `"`) && strconv.CanBackquote(s):
		return yaml.SingleQuotedStyle
	}
	return yaml.DoubleQuotedStyle
}

// newValue makes the nodes of a value that JSON can hold.
func newValue(v any) (*yaml.Node, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("its value is no JSON")
	}
	p := &jsonParser{text: text, dec: json.NewDecoder(bytes.NewReader(text)), line: 1}
	p.dec.UseNumber()
	n, err := p.value(0)
	if err != nil {
		return nil, errors.New("its value is no JSON: " + strconv.Quote(err.Error()))
	}
	forgetLines(n)
	return n, nil
}

func forgetLines(n *yaml.Node) {
	n.Line = 0
	for _, child := range n.Content {
		forgetLines(child)
	}
}
