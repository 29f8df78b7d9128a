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

	quotedStyle = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
)

// Text is a YAML document or a JSON value.
type Text struct {
	Value any // what it means; nil without content

	text   []byte
	isJSON bool
	nodes  *yaml.Node // where its parts stand; nil without content, and for JSON that is not YAML
}

// Error is what is wrong with a text.
type Error struct {
	Line    int // 1-based; 0 if it is the text as a whole
	Problem string
	Remedy  string
}

func (e *Error) Error() string { return e.Problem + ": " + e.Remedy }

// Parse parses one YAML document, or one JSON value. It fails with an *Error on bad syntax, duplicate
// keys and what JSON cannot hold.
func Parse(text []byte, isJSON bool) (t *Text, err error) {
	t = &Text{text: text, isJSON: isJSON}
	t.Value, t.nodes, err = parse(text, isJSON)
	return t, err
}

// parse returns what a text means and its nodes.
//
// The meaning is that of sigs.k8s.io/yaml, by which kubectl reads: its YAML 1.1 takes yes, on and
// 0777 for something other than strings, while the nodes know YAML 1.2.
func parse(text []byte, isJSON bool) (value any, nodes *yaml.Node, err error) {
	// The parsers are other projects' and meet arbitrary input; a fault in one must not end the program.
	defer func() {
		if recover() != nil {
			err = &Error{Problem: "cannot be parsed as YAML", Remedy: "write it more simply"}
		}
	}()
	if !utf8.Valid(text) {
		return nil, nil, &Error{Problem: "is not UTF-8", Remedy: "convert the file to UTF-8"}
	}
	if nodes, err = parseNodes(masked(text, isJSON)); isJSON && err != nil {
		nodes = nil
	} else if nodes == nil {
		return nil, nil, err
	} else {
		if isJSON {
			unmask(nodes, newCursor(text, true), text)
		}
		c := &nodeChecker{anchors: map[*yaml.Node]extent{}, open: map[*yaml.Node]bool{}}
		if _, err := c.check(nodes, 0); err != nil {
			return nil, nil, err
		}
	}
	if !isJSON {
		if text, err = sigsyaml.YAMLToJSON(text); err != nil {
			if e := explain(nodes); e != nil {
				return nil, nil, e
			}
			return nil, nil, syntaxError(nil, err)
		}
	}
	if value, err = Decode(text); err == nil && !isJSON {
		value = likeNodes(value, nodes)
	}
	return value, nodes, err
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

// nodeChecker rejects what the parsers let pass: duplicate keys, keys that JSON cannot have, aliases
// within what they stand for, too much depth, and too many copies by aliases.
type nodeChecker struct {
	copied  int
	anchors map[*yaml.Node]extent
	open    map[*yaml.Node]bool // the node's ancestors
}

// extent says how large a node is with its aliases written out, in the measure of maxCopied, and how deep.
type extent struct{ size, depth int }

func (c *nodeChecker) check(n *yaml.Node, depth int) (e extent, err error) {
	if n.Kind == yaml.AliasNode {
		e = c.anchors[n.Alias]
		c.copied += e.size
		switch {
		case c.open[n.Alias]:
			return e, &Error{Line: n.Line, Problem: "alias " + Quote("*"+n.Value) + " stands for a value that holds the alias", Remedy: "write the value out"}
		case c.copied > maxCopied:
			return e, &Error{Line: n.Line, Problem: "aliases repeat too much", Remedy: "write the values out"}
		}
	}
	if depth+e.depth > maxDepth {
		return e, &Error{Line: n.Line, Problem: fmt.Sprintf("values nest deeper than %d levels", maxDepth), Remedy: "flatten them"}
	}
	c.open[n] = true
	defer delete(c.open, n)
	if n.Kind == yaml.MappingNode {
		if err := checkKeys(n); err != nil {
			return e, err
		}
	}
	e.size += 16 + len(n.Value)
	for _, child := range n.Content {
		below, err := c.check(child, depth+1)
		if err != nil {
			return e, err
		}
		e.size, e.depth = e.size+below.size, max(e.depth, 1+below.depth)
	}
	if n.Anchor != "" {
		c.anchors[n] = e
	}
	return e, nil
}

func checkKeys(n *yaml.Node) error {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if isMerge(k) {
			for _, from := range mergedBy(n.Content[i+1]) {
				if from.Kind != yaml.MappingNode {
					return &Error{Line: from.Line, Problem: "the merge key << is given " + DisplayNode(from), Remedy: "give it a mapping"}
				}
			}
			continue
		}
		key, err := keyOf(k)
		switch {
		case err != nil:
			return &Error{Line: k.Line, Problem: DisplayNode(k) + " cannot be a key", Remedy: "put a string in quotes there"}
		case seen[key]:
			return &Error{Line: k.Line, Problem: "key " + Quote(key) + " is given twice in one mapping", Remedy: "remove one of them"}
		}
		seen[key] = true
	}
	return nil
}

func isMerge(key *yaml.Node) bool { return key.Value == "<<" && key.Tag == "!!merge" }

// mergedBy returns the nodes that the value of a merge key merges.
func mergedBy(v *yaml.Node) []*yaml.Node {
	all := []*yaml.Node{v}
	if v = target(v); v.Kind == yaml.SequenceNode {
		all = v.Content
	}
	out := make([]*yaml.Node, len(all))
	for i, n := range all {
		out[i] = target(n)
	}
	return out
}

// IsPlain reports whether a node is a scalar without quotes and tag, of which YAML decides what it is.
func IsPlain(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style&(quotedStyle|yaml.TaggedStyle) == 0
}

// target returns what an alias stands for; any other node is itself.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// doubtful finds the words that some YAML takes for something other than a string. What begins with a
// letter and is none of them is a string in any YAML.
var doubtful = regexp.MustCompile(`(?i)^([^a-z/].*|y|yes|n|no|true|false|on|off|null|)$`)

var errBadKey = errors.New("not a key of JSON")

// keyOf returns the JSON key for a mapping's key: numbers and booleans become strings.
func keyOf(n *yaml.Node) (key string, err error) {
	n = target(n)
	if n.Kind != yaml.ScalarNode {
		return "", errBadKey
	}
	if n.Style&yaml.TaggedStyle == 0 && (!IsPlain(n) || !doubtful.MatchString(n.Value)) {
		return n.Value, nil
	}
	var keys map[string]any
	if text, err := sigsyaml.YAMLToJSON([]byte("? " + scalarSource(n) + "\n: 0\n")); err != nil || json.Unmarshal(text, &keys) != nil || len(keys) != 1 {
		return "", errBadKey
	}
	for key = range keys {
	}
	return key, nil
}

// scalarSource spells a plain or tagged scalar on one line.
func scalarSource(n *yaml.Node) string {
	if n.Style&yaml.TaggedStyle == 0 {
		return n.Value
	}
	return "!<" + n.LongTag() + "> " + strconv.Quote(n.Value)
}

// explain returns an error at the scalar that made sigs.k8s.io/yaml fail, or nil if it is none.
func explain(n *yaml.Node) *Error {
	for _, child := range n.Content {
		if e := explain(child); e != nil {
			return e
		}
	}
	tagged := n.Kind == yaml.ScalarNode && n.Style&yaml.TaggedStyle != 0
	if !tagged && !IsPlain(n) {
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
