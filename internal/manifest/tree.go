package manifest

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
)

// maxDepth bounds how deep values nest. No API type comes near it, and what walks a tree here recurses.
const maxDepth = 1000

var (
	yamlMessage = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)
	tabIndent   = regexp.MustCompile(`(?m)^ *\t+ *[^\s#]`)
)

// parseYAML parses one YAML document. Line numbers of the nodes count from the start of text.
func (d *Document) parseYAML(text []byte) (tree *yaml.Node, err error) {
	// The parser is another project's and meets arbitrary input; a fault in it must not end the program.
	defer func() {
		if r := recover(); r != nil {
			tree, err = nil, d.errorAt(nil, "", "cannot be parsed as YAML", "write it more simply")
		}
	}()
	if !utf8.Valid(text) {
		return nil, d.errorAt(nil, "", "is not UTF-8", "convert the file to UTF-8")
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	tree = &yaml.Node{}
	if err := dec.Decode(tree); errors.Is(err, io.EOF) {
		return &yaml.Node{Kind: yaml.DocumentNode}, nil
	} else if err != nil {
		return nil, d.syntaxError(text, err)
	}
	var rest yaml.Node
	if err := dec.Decode(&rest); err == nil {
		return nil, d.errorAt(rest.Content[0], "", "content follows the end of the document", `put "---" on a line of its own between two documents`)
	} else if !errors.Is(err, io.EOF) {
		return nil, d.syntaxError(text, err)
	}
	return tree, nil
}

func (d *Document) syntaxError(text []byte, err error) *Error {
	e := &Error{Source: d.Source, Line: d.Line, Remedy: "mend the syntax there"}
	message := err.Error()
	if m := yamlMessage.FindStringSubmatch(message); m != nil {
		message = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Line = d.Line + n - 1
			// The parser's own errors count lines from 0, its scanner's from 1.
			if strings.HasPrefix(message, "did not find expected") {
				e.Line++
			}
		}
	}
	e.Problem = "is not YAML: " + message
	if at := tabIndent.FindIndex(text); at != nil {
		e.Line = d.Line + bytes.Count(text[:at[0]], []byte("\n"))
		e.Remedy = "indent with spaces instead of tabs"
	}
	return e
}

// parseJSON parses one JSON value into the nodes that YAML would have: strings double-quoted, numbers as they are spelled.
func (d *Document) parseJSON(text []byte) (*yaml.Node, error) {
	if !utf8.Valid(text) {
		return nil, d.errorAt(nil, "", "is not UTF-8", "convert the file to UTF-8")
	}
	p := &jsonParser{text: text, dec: json.NewDecoder(bytes.NewReader(text)), line: 1}
	p.dec.UseNumber()
	n, err := p.value(0)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.Source, e.Line = d.Source, d.Line+e.Line-1
			return nil, e
		}
		return nil, d.errorAt(&yaml.Node{Line: p.line}, "", "is not JSON: "+err.Error(), "mend the syntax there")
	}
	return &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{n}}, nil
}

type jsonParser struct {
	text []byte
	dec  *json.Decoder
	at   int // offset up to which lines were counted
	line int // 1-based
}

func (p *jsonParser) value(depth int) (*yaml.Node, error) {
	t, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	if to := int(p.dec.InputOffset()); to > p.at {
		p.line += bytes.Count(p.text[p.at:to], []byte("\n"))
		p.at = to
	}
	n := &yaml.Node{Line: p.line}
	if depth > maxDepth {
		return nil, tooDeep(p.line)
	}
	switch t := t.(type) {
	case json.Delim:
		n.Style = yaml.FlowStyle
		if t == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
			return n, p.list(n, depth)
		}
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		return n, p.members(n, depth)
	case string:
		n.Kind, n.Tag, n.Value, n.Style = yaml.ScalarNode, "!!str", t, yaml.DoubleQuotedStyle
	case json.Number:
		// Without a tag, lest one be written where YAML would read the number as of another type.
		n.Kind, n.Value = yaml.ScalarNode, t.String()
	case bool:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!bool", strconv.FormatBool(t)
	default:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!null", "null"
	}
	return n, nil
}

func (p *jsonParser) list(n *yaml.Node, depth int) error {
	for p.dec.More() {
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, v)
	}
	_, err := p.dec.Token()
	return err
}

func (p *jsonParser) members(n *yaml.Node, depth int) error {
	seen := map[string]bool{}
	for p.dec.More() {
		k, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if seen[k.Value] {
			return duplicateKey(k.Line, k.Value)
		}
		seen[k.Value] = true
		n.Content = append(n.Content, k, v)
	}
	_, err := p.dec.Token()
	return err
}

func tooDeep(line int) *Error {
	return &Error{Line: line, Problem: fmt.Sprintf("values nest deeper than %d levels", maxDepth), Remedy: "flatten them"}
}

func duplicateKey(line int, key string) *Error {
	return &Error{Line: line, Problem: "key " + quote(key) + " is given twice in one mapping", Remedy: "remove one of them"}
}

// field returns the value of a key of a mapping, or nil.
func field(n *yaml.Node, key string) *yaml.Node {
	if i := fieldIndex(n, key); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// fieldIndex returns where in Content a key stands, or -1.
func fieldIndex(n *yaml.Node, key string) int {
	if n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k, err := keyString(n.Content[i]); err == nil && k == key {
			return i
		}
	}
	return -1
}

// clone copies a tree, comments and all.
func clone(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = clone(child)
	}
	return &c
}

// describe names a value in a message.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return quote(n.Value)
	}
}
