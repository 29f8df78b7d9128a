package yamledit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

const (
	// maxDepth bounds how deep values nest. No API type comes near it, and what walks a value here recurses.
	maxDepth = 1000
	// maxCopied bounds what aliases may add to a document: 16 for each node and one for each byte of its
	// value. It is far above any honest use, and keeps a few lines of aliases of aliases from filling the memory.
	maxCopied = 16 << 20
)

func errUnreadable() error {
	return &Error{Problem: "cannot be parsed as YAML", Remedy: "write it more simply"}
}

// Parse parses one YAML document, or one JSON value; a document without content is nil. It fails with
// an *Error on bad syntax, duplicate keys and what JSON cannot hold.
//
// The meaning is that of sigs.k8s.io/yaml, by which kubectl reads: its YAML 1.1 takes yes, on and
// 0777 for something other than strings. yaml.v3 says where everything stands.
func Parse(text []byte, isJSON bool) (n *Node, err error) {
	// The parsers are other projects' and meet arbitrary input; a fault in one must not end the program.
	defer func() {
		if recover() != nil {
			n, err = nil, errUnreadable()
		}
	}()
	if !utf8.Valid(text) {
		return nil, &Error{Problem: "is not UTF-8", Remedy: "convert the file to UTF-8"}
	}
	if isJSON {
		p := &jsonParser{Decoder: json.NewDecoder(bytes.NewReader(text)), text: text, line: 1}
		p.UseNumber()
		return p.value(0)
	}
	tree, err := parseNodes(text)
	if tree == nil {
		return nil, err
	}
	b := &builder{cursor: cursor{text: text, line: 1, column: 1}, anchors: map[*yaml.Node]*Node{}}
	if n, err = b.build(tree, 0); err != nil {
		return nil, err
	}
	meaning, err := sigsyaml.YAMLToJSON(text)
	if err != nil {
		if e := explain(tree); e != nil {
			return nil, e
		}
		return nil, syntaxError(nil, err)
	}
	var value any
	dec := json.NewDecoder(bytes.NewReader(meaning))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if err := n.give(value); err != nil {
		return nil, err
	}
	return n, nil
}

func parseNodes(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var tree, rest yaml.Node
	if err := dec.Decode(&tree); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxError(text, err)
	}
	switch err := dec.Decode(&rest); {
	case err == nil:
		return nil, &Error{Line: rest.Content[0].Line, Problem: "content follows the end of the document", Remedy: `put "---" on a line of its own between two documents`}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(text, err)
	}
	return tree.Content[0], nil
}

var (
	yamlMessage = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)
	tabIndent   = regexp.MustCompile(`(?m)^ *\t+ *[^\s#]`)
)

func syntaxError(text []byte, err error) *Error {
	line, message, remedy := 1, err.Error(), "correct the syntax there"
	if m := yamlMessage.FindStringSubmatch(message); m != nil {
		message = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
			// The parser's own errors count lines from 0, its scanner's from 1.
			if strings.HasPrefix(message, "did not find expected") {
				line++
			}
		}
	}
	if at := tabIndent.FindIndex(text); at != nil {
		line, remedy = 1+bytes.Count(text[:at[0]], []byte("\n")), "indent with spaces instead of tabs"
	}
	return &Error{Line: line, Problem: "is not YAML: " + message, Remedy: remedy}
}

var decimalInteger = regexp.MustCompile(`^[-+]?[1-9][0-9]*$`)

// give gives the scalars below a node their values. A long integer keeps the digits that
// sigs.k8s.io/yaml rounds to a float: one that matters is better rejected by its field.
func (n *Node) give(value any) error {
	kind, size := Scalar, 0
	fields, _ := value.(map[string]any)
	items, _ := value.([]any)
	switch {
	case fields != nil:
		kind, size = Object, len(fields)
	case items != nil:
		kind, size = List, len(items)
	}
	if n.Kind != kind || size != len(n.Fields)+len(n.Items) {
		return errUnreadable()
	}
	for i, item := range items {
		if err := n.Items[i].give(item); err != nil {
			return err
		}
	}
	for key, field := range n.Fields {
		child, found := fields[key]
		// The tag "!", which makes a string of a key, does not reach the nodes. No manifest has it.
		if !found {
			return errUnreadable()
		}
		if err := field.give(child); err != nil {
			return err
		}
	}
	if kind == Scalar {
		n.Value = value
	}
	if _, ok := value.(json.Number); ok && n.Plain && decimalInteger.MatchString(n.Source) {
		n.Value = json.Number(strings.TrimPrefix(n.Source, "+"))
	}
	return nil
}

// explain returns an error at the scalar that made sigs.k8s.io/yaml fail, or nil if it is none.
func explain(n *yaml.Node) *Error {
	for _, child := range n.Content {
		if e := explain(child); e != nil {
			return e
		}
	}
	tagged := n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0
	if !tagged && !isPlain(n) {
		return nil
	}
	_, err := sigsyaml.YAMLToJSON([]byte("- " + scalarSource(n) + "\n"))
	var notFinite *json.UnsupportedValueError
	switch {
	case errors.As(err, &notFinite):
		return &Error{Line: n.Line, Problem: Quote(n.Value) + " is not a number that JSON can hold", Remedy: "put a string in quotes there"}
	case err != nil && tagged:
		return &Error{Line: n.Line, Problem: Quote(n.Value) + " does not fit its tag " + Quote(n.ShortTag()), Remedy: "remove the tag or correct the value"}
	}
	return nil
}

func isPlain(n *yaml.Node) bool {
	const marked = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle
	return n.Kind == yaml.ScalarNode && n.Style&marked == 0
}

// doubtful finds the words that some YAML takes for something other than a string. What begins with a
// letter and is none of them is a string in any YAML.
var doubtful = regexp.MustCompile(`(?i)^([^a-z/].*|y|yes|n|no|true|false|on|off|null|)$`)

// keyOf returns the JSON key for a mapping's key: numbers and booleans become strings.
func keyOf(n *yaml.Node) (key string, ok bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	if n.Style&yaml.TaggedStyle == 0 && (!isPlain(n) || !doubtful.MatchString(n.Value)) {
		return n.Value, true
	}
	var keys map[string]any
	if err := sigsyaml.Unmarshal([]byte("? "+scalarSource(n)+"\n: 0\n"), &keys); err != nil {
		return "", false
	}
	for key = range keys {
	}
	return key, len(keys) == 1
}

// scalarSource spells a plain or tagged scalar on one line.
func scalarSource(n *yaml.Node) string {
	if n.Style&yaml.TaggedStyle == 0 {
		return n.Value
	}
	return "!<" + n.LongTag() + "> " + strconv.Quote(n.Value)
}

// jsonParser makes nodes of JSON.
type jsonParser struct {
	*json.Decoder
	text []byte
	at   int // before what has not been counted in line
	line int
}

func (p *jsonParser) value(depth int) (*Node, error) {
	from := int(p.InputOffset())
	token, err := p.next()
	if err != nil {
		return nil, err
	}
	n := &Node{Value: token}
	n.to = int(p.InputOffset())
	n.from = n.to - len(bytes.TrimLeft(p.text[from:n.to], " \t\r\n,:"))
	n.start, n.entry = n.from, n.from
	p.line += bytes.Count(p.text[p.at:n.from], []byte("\n"))
	n.Line, p.at = p.line, n.from
	if depth > maxDepth {
		return nil, errTooDeep(n.Line)
	}
	delim, isCollection := token.(json.Delim)
	if !isCollection {
		n.Source = fmt.Sprint(token)
		if token == nil {
			n.Source = "null"
		}
		return n, nil
	}
	n.Kind, n.Value, n.style = List, nil, yaml.FlowStyle
	if delim == '{' {
		n.Kind, n.Fields = Object, map[string]*Node{}
	}
	for p.More() {
		if err := p.child(n, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = p.next()
	n.to = int(p.InputOffset())
	return n, err
}

func (p *jsonParser) next() (json.Token, error) {
	token, err := p.Token()
	if err != nil {
		return nil, &Error{Line: p.line, Problem: "is not JSON: " + err.Error(), Remedy: "correct the syntax there"}
	}
	return token, nil
}

// child adds the next item or field to a list or object.
func (p *jsonParser) child(n *Node, depth int) error {
	child, err := p.value(depth)
	if err != nil || n.Kind == List {
		n.Items = append(n.Items, child)
		return err
	}
	key := child
	if child, err = p.value(depth); err != nil {
		return err
	}
	name, _ := key.Value.(string)
	if n.Fields[name] != nil {
		return errTwice(name, key.Line)
	}
	n.set(name, child.under(key))
	return nil
}

// under returns a node as the value of a key.
func (n *Node) under(key *Node) *Node {
	n.entry = key.from
	if n.Kind != Scalar || n.alias {
		n.Line = key.Line
	}
	return n
}

func errTooDeep(line int) *Error {
	return &Error{Line: line, Problem: fmt.Sprintf("values nest deeper than %d levels", maxDepth), Remedy: "flatten them"}
}

func errTwice(key string, line int) *Error {
	return &Error{Line: line, Problem: "key " + Quote(key) + " is given twice in one mapping", Remedy: "remove one of them"}
}
