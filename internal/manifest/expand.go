package manifest

import (
	"errors"

	"go.yaml.in/yaml/v3"
)

// maxCopied bounds what aliases may add to a document: 16 for each node and one for each byte of its value. It is far above
// any honest use, and keeps a few lines of aliases of aliases from filling the memory.
const maxCopied = 16 << 20

// expand replaces every alias by a copy of what it stands for and every merge key by the keys that it merges, so that no two
// places of the tree are the same node and an edit at one cannot show at another. On the way it refuses what JSON
// cannot hold: duplicate keys, keys that are no scalars, infinities, scalars that contradict their tag.
func (d *Document) expand(tree *yaml.Node) error {
	x := &expander{open: map[*yaml.Node]bool{}}
	for i, n := range tree.Content {
		expanded, err := x.node(n, 0)
		if err != nil {
			var e *Error
			if errors.As(err, &e) {
				e.Source, e.Line = d.Source, d.Line+max(e.Line, 1)-1
			}
			return err
		}
		tree.Content[i] = expanded
	}
	return nil
}

type expander struct {
	copied int
	open   map[*yaml.Node]bool // the node's ancestors
}

func (x *expander) node(n *yaml.Node, depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, tooDeep(n.Line)
	}
	// An anchor is expanded when it is met, which is before any alias of it.
	n.Anchor = ""
	switch n.Kind {
	case yaml.AliasNode:
		return x.alias(n, depth)
	case yaml.ScalarNode:
		return n, checkScalar(n)
	}
	x.open[n] = true
	defer delete(x.open, n)
	if n.Kind == yaml.MappingNode {
		return n, x.mapping(n, depth)
	}
	for i, child := range n.Content {
		expanded, err := x.node(child, depth+1)
		if err != nil {
			return nil, err
		}
		n.Content[i] = expanded
	}
	return n, nil
}

func (x *expander) alias(n *yaml.Node, depth int) (*yaml.Node, error) {
	if n.Alias == nil || x.open[n.Alias] {
		return nil, &Error{Line: n.Line, Problem: "alias " + quote("*"+n.Value) + " stands for a value that holds the alias", Remedy: "write the value out"}
	}
	c, err := x.copy(n.Alias, depth, n.Line)
	if err != nil {
		return nil, err
	}
	c.HeadComment, c.LineComment, c.FootComment = n.HeadComment, n.LineComment, n.FootComment
	c.Line, c.Column = n.Line, n.Column
	return c, nil
}

func (x *expander) copy(n *yaml.Node, depth, line int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, tooDeep(line)
	}
	if x.copied += 16 + len(n.Value); x.copied > maxCopied {
		return nil, &Error{Line: line, Problem: "aliases repeat too much", Remedy: "write the values out"}
	}
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		var err error
		if c.Content[i], err = x.copy(child, depth+1, line); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

// mapping keeps the order in which keys are met and, like kubectl, lets the later of an own and a merged key win.
func (x *expander) mapping(n *yaml.Node, depth int) error {
	var out []*yaml.Node
	at, own := map[string]int{}, map[string]bool{}
	set := func(key string, k, v *yaml.Node) {
		if i, ok := at[key]; ok {
			out[i], out[i+1] = k, v
			return
		}
		at[key] = len(out)
		out = append(out, k, v)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, err := x.node(n.Content[i], depth+1)
		if err != nil {
			return err
		}
		v, err := x.node(n.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		if isMerge(k) {
			if err := merge(v, set); err != nil {
				return err
			}
			continue
		}
		key, err := keyString(k)
		if err != nil {
			return &Error{Line: k.Line, Problem: describe(k) + " " + err.Error(), Remedy: "put a string in quotes there"}
		}
		if own[key] {
			return duplicateKey(k.Line, key)
		}
		own[key] = true
		set(key, k, v)
	}
	n.Content = out
	return nil
}

func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Tag == "!!merge"
}

// merge sets the keys of a mapping, or those of a list of mappings, of which the first has the last word.
func merge(v *yaml.Node, set func(string, *yaml.Node, *yaml.Node)) error {
	sources := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		sources = v.Content
	}
	for i := len(sources) - 1; i >= 0; i-- {
		from := sources[i]
		if from.Kind != yaml.MappingNode {
			return &Error{Line: from.Line, Problem: "the merge key << is given " + describe(from), Remedy: "give it a mapping"}
		}
		for j := 0; j+1 < len(from.Content); j += 2 {
			key, err := keyString(from.Content[j])
			if err != nil {
				return &Error{Line: from.Line, Problem: describe(from.Content[j]) + " " + err.Error(), Remedy: "put a string in quotes there"}
			}
			set(key, from.Content[j], from.Content[j+1])
		}
	}
	return nil
}

func checkScalar(n *yaml.Node) error {
	kind, text, err := scalar(n)
	if err != nil {
		return &Error{Line: n.Line, Problem: quote(n.Value) + " " + err.Error() + " " + quote(n.Tag), Remedy: "remove the tag or mend the value"}
	}
	if kind == floatScalar && infinities[text] != "" {
		return &Error{Line: n.Line, Problem: quote(n.Value) + " " + errNotFinite.Error(), Remedy: "put a string in quotes there"}
	}
	return nil
}
