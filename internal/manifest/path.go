package manifest

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// member appends a key to a field path; a key that is not a plain word is quoted in brackets.
func member(path, key string) string {
	notWord := func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	switch {
	case key == "" || strings.ContainsFunc(key, notWord):
		return path + "[" + quote(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// FieldPath returns the path within the document of a field of the object.
func (o Object) FieldPath(path string) string {
	if o.Path == "" || path == "" || path[0] == '[' {
		return o.Path + path
	}
	return o.Path + "." + path
}

// ErrorAt returns an error about a field of the object, whose path is that within the object.
func (o Object) ErrorAt(path, problem, remedy string) *Error {
	return o.Document.errorAt(o.FieldPath(path), problem, remedy)
}

// Line returns the line of a field, or of the nearest one around it that the document has. The path
// is that within the document, written as in an Error.
func (d *Document) Line(path string) int {
	_, line := d.locate(path)
	return line
}

// locate returns the node of a field, nil if the document does not have it, and its line as Line returns it.
func (d *Document) locate(path string) (n *yaml.Node, line int) {
	// The document may be one that cannot be parsed.
	if _, err := d.root(); err != nil || d.nodes == nil {
		return nil, d.line
	}
	n, line = d.nodes, d.nodes.Line
	for at := ""; n != nil && at != path; {
		var below *yaml.Node
		if below, line, at = step(n, at, path, line); below == nil {
			return nil, d.line + line - 1
		}
		n = below
	}
	return target(n), d.line + line - 1
}

// step returns the node in n, which is at a path, that is on the way to another path, with its line and path.
func step(n *yaml.Node, at, path string, line int) (below *yaml.Node, newLine int, newAt string) {
	n = target(n)
	if n.Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			if next := element(at, i); leadsTo(next, path) {
				return item, item.Line, next
			}
		}
	}
	for _, f := range fieldsIn(n) {
		if next := member(at, f.name); leadsTo(next, path) {
			if line = f.key.Line; f.value.Kind == yaml.ScalarNode {
				line = f.value.Line
			}
			return f.value, line, next
		}
	}
	return nil, line, at
}

// nodeField is a field of a mapping.
type nodeField struct {
	name       string
	key, value *yaml.Node
}

// fieldsIn returns the fields of a mapping in the order in which their keys are met, those of merge
// keys among them. As in kubectl, the later of an own and a merged key wins, and the earlier of two sources.
func fieldsIn(n *yaml.Node) []nodeField {
	var all []nodeField
	index := map[string]int{}
	set := func(f nodeField) {
		if i, found := index[f.name]; found {
			all[i] = f
			return
		}
		index[f.name] = len(all)
		all = append(all, f)
	}
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !isMerge(key) {
			name, _ := keyOf(key) // that it has one was checked before
			set(nodeField{name, key, value})
			continue
		}
		for _, from := range slices.Backward(mergedBy(value)) {
			for _, f := range fieldsIn(from) {
				set(f)
			}
		}
	}
	return all
}

// leadsTo reports whether a path is another or the beginning of it.
func leadsTo(path, to string) bool {
	rest, ok := strings.CutPrefix(to, path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// display returns a value as a message quotes it: if the document has it, as it is spelled there.
func (d *Document) display(path string, value any) string {
	if d != nil {
		if n, _ := d.locate(path); n != nil {
			return displayNode(n)
		}
	}
	switch v := value.(type) {
	case *object:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return quote(v)
	}
	return quote(string(encodeJSON(value)))
}

func displayNode(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return quote(n.Value)
	}
}
