package yamledit

import (
	"bytes"
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"
)

// layout is how a document is laid out, and new values in it.
type layout struct {
	isJSON    bool
	lineBreak string
	oneLine   bool   // new strings do without lines of their own
	step      int    // columns by which a mapping is indented
	compact   bool   // the dashes of a list stand right below the key that it belongs to
	space     string // behind a comma or colon in flow style
	indent    string // of one level of JSON; empty for JSON on one line
}

// layout finds the text's layout by the first place that shows it.
func (t *Text) layout() layout {
	text := t.text
	l := layout{isJSON: t.isJSON, lineBreak: "\n", step: 2, space: " ", indent: "  "}
	if bytes.Contains(text, []byte("\r\n")) {
		l.lineBreak = "\r\n"
	}
	if l.isJSON {
		_, line, several := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
		if indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]; 0 < len(indent) && len(indent) <= 8 {
			l.indent = string(indent)
		}
		if !several {
			l.indent = ""
		}
		if !several && !bytes.Contains(text, []byte(`": `)) {
			l.space = ""
		}
		return l
	}
	foundStep, foundList := false, false
	var look func(n *yaml.Node)
	look = func(n *yaml.Node) {
		for i, child := range n.Content {
			if foundStep && foundList {
				return
			}
			if n.Kind == yaml.MappingNode && i%2 == 1 && (n.Style|child.Style)&yaml.FlowStyle == 0 && len(child.Content) > 0 {
				step := child.Column - n.Content[i-1].Column
				switch {
				case child.Kind == yaml.SequenceNode && !foundList:
					l.compact, foundList = step == 0, true
				case child.Kind == yaml.MappingNode && !foundStep && 2 <= step && step <= 8:
					l.step, foundStep = step, true
				}
			}
			look(child)
		}
	}
	look(t.nodes)
	return l
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// marker returns what stands before a value in a collection such as the slot's.
func (l layout) marker(like slot, key string) string {
	if like.inList {
		return "-"
	}
	return l.encode(key, yaml.FlowStyle, "") + ":"
}

// behind returns a value in block style with what separates it from its marker.
func (l layout) behind(like slot, value any) string {
	column := like.column
	if !isFilled(value) {
		return " " + l.encode(value, 0, "\n"+spaces(column))
	}
	if like.inList {
		return " " + l.encode(value, 0, "\n"+spaces(column+2))
	}
	if !isList(value) || !l.compact {
		column += l.step
	}
	lead := "\n" + spaces(column)
	return lead + l.encode(value, 0, lead)
}

// encode returns a value in block style, or in a style that is given. Its lines, if it needs several,
// are separated by a line break with the indentation lead; without lead it needs one only.
func (l layout) encode(value any, style yaml.Style, lead string) string {
	var b bytes.Buffer
	if l.isJSON {
		text := Encode(value)
		if lead == "" || l.indent == "" {
			return string(text)
		}
		_ = json.Indent(&b, text, strings.TrimPrefix(lead, "\n"), l.indent)
		return b.String()
	}
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(l.step)
	if l.compact {
		enc.CompactSeqIndent()
	}
	if enc.Encode(toNode(value, style, l.oneLine)) != nil || enc.Close() != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\n", lead)
}

// toNode returns a value for the encoder. A string has quotes if any YAML would take it for something else.
func toNode(value any, style yaml.Style, oneLine bool) *yaml.Node {
	n := &yaml.Node{}
	switch v := value.(type) {
	case *Object:
		n.Kind, n.Style = yaml.MappingNode, style
		for _, key := range v.Keys {
			n.Content = append(n.Content, toNode(key, yaml.FlowStyle, true), toNode(v.Fields[key], style, oneLine))
		}
	case []any:
		n.Kind, n.Style = yaml.SequenceNode, style
		for _, item := range v {
			n.Content = append(n.Content, toNode(item, style, oneLine))
		}
	case json.Number:
		n.Kind, n.Value = yaml.ScalarNode, v.String()
	default:
		_ = n.Encode(v) // a string, a boolean or null
		switch {
		case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && (oneLine || style != 0):
			n.Style = yaml.DoubleQuotedStyle
		case n.Tag == "!!str" && style != yaml.FlowStyle && style != 0:
			n.Style = style
		}
	}
	return n
}
