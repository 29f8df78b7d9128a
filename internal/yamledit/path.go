package yamledit

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Member appends a key to a field path; a key that is not a plain word is quoted in brackets.
func Member(path, key string) string {
	notWord := func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	switch {
	case key == "" || strings.ContainsFunc(key, notWord):
		return path + "[" + Quote(key) + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

// Element appends an index to a field path.
func Element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// Locate returns the node of a field, nil if the text does not have it, and the line of the field or
// of the nearest one around it that the text has. The path is written as Member and Element write it.
func (t *Text) Locate(path string) (n *yaml.Node, line int) {
	if t.nodes == nil {
		return nil, 1
	}
	n, line = t.nodes, t.nodes.Line
	for at := ""; at != path; {
		if n, line, at = step(n, at, path, line); n == nil {
			return nil, line
		}
	}
	return target(n), line
}

// step returns the node in n, which is at a path, that is on the way to another path, with its line and path.
func step(n *yaml.Node, at, path string, line int) (below *yaml.Node, newLine int, newAt string) {
	n = target(n)
	if n.Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			if next := Element(at, i); leadsTo(next, path) {
				return item, item.Line, next
			}
		}
	}
	for _, f := range fieldsIn(n) {
		if next := Member(at, f.name); leadsTo(next, path) {
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

// DisplayNode returns a value as a message quotes it.
func DisplayNode(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return Quote(n.Value)
	}
}

// Quote quotes a value for a message, cutting one that is too long to read.
func Quote(s string) string {
	const longest = 80
	if len(s) <= longest {
		return strconv.Quote(s)
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}
