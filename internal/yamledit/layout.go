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
	step      int    // columns by which a mapping is indented
	compact   bool   // the dashes of a list stand right below the key that it belongs to
	space     string // behind a comma or colon in flow style
	indent    string // of one level of JSON; empty for JSON on one line
}

// layoutOf finds a text's layout by the first place that shows it.
func layoutOf(text []byte, isJSON bool, root *Node) layout {
	l := layout{isJSON: isJSON, lineBreak: "\n", step: 2, space: " ", indent: "  "}
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
	c := &cursor{text: text}
	foundStep, foundList := false, false
	var look func(n *Node)
	look = func(n *Node) {
		for _, child := range n.children() {
			if foundStep && foundList {
				return
			}
			if n.Kind == Object && !n.isFlow() && !child.isFlow() && !child.alias && child.isFilled() {
				step := child.start - c.lineStart(child.start) - (child.entry - c.lineStart(child.entry))
				switch {
				case child.Kind == List && !foundList:
					l.compact, foundList = step == 0, true
				case child.Kind == Object && !foundStep && 2 <= step && step <= 8:
					l.step, foundStep = step, true
				}
			}
			look(child)
		}
	}
	look(root)
	return l
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// encode returns a value in block style, or in a style that is given. Its lines, if it needs several,
// are separated by a line break with the indentation lead; without lead it needs one only.
func (e *editor) encode(value *Node, style yaml.Style, lead string) string {
	var b bytes.Buffer
	if e.isJSON {
		text := value.JSON()
		if lead == "" || e.indent == "" {
			return string(text)
		}
		_ = json.Indent(&b, text, strings.TrimPrefix(lead, "\n"), e.indent)
		return b.String()
	}
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(e.step)
	if e.compact {
		enc.CompactSeqIndent()
	}
	if enc.Encode(value.toYAML(style, e.expand)) != nil || enc.Close() != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\n", lead)
}

// toYAML returns a value for the encoder. A string has quotes if any YAML would take it for something else.
func (n *Node) toYAML(style yaml.Style, oneLine bool) *yaml.Node {
	y := &yaml.Node{}
	switch number, isNumber := n.Value.(json.Number); {
	case n.Kind == List:
		y.Kind, y.Style = yaml.SequenceNode, style
	case n.Kind == Object:
		y.Kind, y.Style = yaml.MappingNode, style
	case isNumber:
		y.Kind, y.Value = yaml.ScalarNode, number.String()
	default:
		_ = y.Encode(n.Value) // a string, a boolean or null
		switch {
		case y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && (oneLine || style != 0):
			y.Style = yaml.DoubleQuotedStyle
		case y.Tag == "!!str" && style != yaml.FlowStyle && style != 0:
			y.Style = style
		}
	}
	for i, child := range n.children() {
		if n.Kind == Object {
			y.Content = append(y.Content, (&Node{Value: n.Keys[i]}).toYAML(yaml.FlowStyle, true))
		}
		y.Content = append(y.Content, child.toYAML(style, oneLine))
	}
	return y
}
