package manifest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kubectl turns YAML into JSON by sigs.k8s.io/yaml, whose scalars are those of YAML 1.1: yes, on and 0777 are not strings.
// The node tree knows YAML 1.2 only, so the meaning of a scalar is decided here and never by its node's tag.
// FuzzAgree holds the two against each other.
var words = map[string]string{
	"y": "true", "Y": "true", "yes": "true", "Yes": "true", "YES": "true", "true": "true", "True": "true", "TRUE": "true", "on": "true", "On": "true", "ON": "true",
	"n": "false", "N": "false", "no": "false", "No": "false", "NO": "false", "false": "false", "False": "false", "FALSE": "false", "off": "false", "Off": "false", "OFF": "false",
	"": "null", "~": "null", "null": "null", "Null": "null", "NULL": "null",
}

var infinities = map[string]string{
	".nan": ".nan", ".NaN": ".nan", ".NAN": ".nan", ".inf": ".inf", ".Inf": ".inf", ".INF": ".inf",
	"+.inf": ".inf", "+.Inf": ".inf", "+.INF": ".inf", "-.inf": "-.inf", "-.Inf": "-.inf", "-.INF": "-.inf",
}

var (
	decimalFloat   = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
	decimalInteger = regexp.MustCompile(`^[-+]?[1-9][0-9]*$`)

	errNotFinite = errors.New("is not a number that JSON can hold")
	errBadTag    = errors.New("does not fit its tag")
	errBadKey    = errors.New("cannot be a key")
)

type scalarKind int

const (
	stringScalar scalarKind = iota
	nullScalar
	boolScalar
	intScalar
	floatScalar
)

// plainScalar resolves an unquoted scalar. The text is JSON, except for a string, which is itself, and for infinities.
// An integer keeps all its digits however long it is: kubectl would round it to a float, and one that matters
// is better refused by the field it is for.
func plainScalar(s string) (kind scalarKind, text string) {
	if word, ok := words[s]; ok {
		switch word {
		case "null":
			return nullScalar, word
		default:
			return boolScalar, word
		}
	}
	if inf, ok := infinities[s]; ok {
		return floatScalar, inf
	}
	switch c := s[0]; {
	case c == '.':
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return floatScalar, floatText(f)
		}
	case c == '-', c == '+', '0' <= c && c <= '9':
		return number(s)
	}
	return stringScalar, s
}

func number(s string) (kind scalarKind, text string) {
	plain := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return intScalar, strconv.FormatInt(i, 10)
	}
	if u, err := strconv.ParseUint(plain, 0, 64); err == nil {
		return intScalar, strconv.FormatUint(u, 10)
	}
	if decimalInteger.MatchString(plain) {
		return intScalar, strings.TrimPrefix(plain, "+")
	}
	if decimalFloat.MatchString(plain) {
		if f, err := strconv.ParseFloat(plain, 64); err == nil {
			return floatScalar, floatText(f)
		}
	}
	// The odd spellings 0b-1 and -0b+1, which go-yaml accepts.
	if digits, ok := strings.CutPrefix(plain, "0b"); ok {
		if i, err := strconv.ParseInt(digits, 2, 64); err == nil {
			return intScalar, strconv.FormatInt(i, 10)
		}
	}
	return stringScalar, s
}

// floatText spells a finite number as encoding/json does.
func floatText(f float64) string {
	text, err := json.Marshal(f)
	if err != nil {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return string(text)
}

// scalar resolves a scalar node of YAML.
func scalar(n *yaml.Node) (kind scalarKind, text string, err error) {
	if n.Style&yaml.TaggedStyle != 0 {
		return taggedScalar(n.Tag, n.Value)
	}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return stringScalar, n.Value, nil
	}
	kind, text = plainScalar(n.Value)
	return kind, text, nil
}

func taggedScalar(tag, value string) (scalarKind, string, error) {
	want := map[string]scalarKind{"!!null": nullScalar, "!!bool": boolScalar, "!!int": intScalar, "!!float": floatScalar}
	expected, typed := want[tag]
	if tag == "!!binary" {
		data, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return stringScalar, "", errBadTag
		}
		return stringScalar, string(data), nil
	}
	if !typed {
		return stringScalar, value, nil
	}
	kind, text := plainScalar(value)
	if kind == intScalar && expected == floatScalar {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return kind, "", errBadTag
		}
		return floatScalar, floatText(f), nil
	}
	if kind != expected {
		return kind, "", errBadTag
	}
	return kind, text, nil
}

// misread says, behind what a value is not, why YAML took an unquoted scalar for something other than its text; empty where it
// did not.
func misread(n *yaml.Node) string {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Kind != yaml.ScalarNode || n.Style&(quoted|yaml.TaggedStyle) != 0 {
		return ""
	}
	switch kind, text := plainScalar(n.Value); {
	case kind == boolScalar && strings.EqualFold(n.Value, text):
		return ""
	case kind == boolScalar && text == "true":
		return ", since YAML reads an unquoted y, yes or on as true"
	case kind == boolScalar:
		return ", since YAML reads an unquoted n, no or off as false"
	case (kind == intScalar || kind == floatScalar) && n.Value != text:
		return ", since YAML reads it as the number " + text
	default:
		return ""
	}
}

// keyString gives the JSON key for a mapping's key: numbers and booleans become strings, as sigs.k8s.io/yaml makes them.
func keyString(n *yaml.Node) (string, error) {
	if n.Kind != yaml.ScalarNode {
		return "", errBadKey
	}
	kind, text, err := scalar(n)
	if err != nil {
		return "", err
	}
	switch kind {
	case nullScalar:
		return "", errBadKey
	case floatScalar:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || infinities[text] != "" {
			return text, nil
		}
		key := strconv.FormatFloat(f, 'g', -1, 32)
		if math.IsInf(float64(float32(f)), 0) {
			key = strings.ToLower(strings.TrimPrefix(strings.Replace(key, "I", ".I", 1), "+"))
		}
		return key, nil
	default:
		return text, nil
	}
}

// isNull tells whether a node is the null value.
func isNull(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	kind, _, err := scalar(n)
	return err == nil && kind == nullScalar
}

// stringValue returns the text of a node that is a string.
func stringValue(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	kind, text, err := scalar(n)
	return text, err == nil && kind == stringScalar
}

// treeJSON gives a tree as compact JSON, keys in the order of the tree. Numbers of a JSON document keep their spelling.
func treeJSON(n *yaml.Node, fromJSON bool) ([]byte, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, n, fromJSON); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeJSON(b *bytes.Buffer, n *yaml.Node, fromJSON bool) error {
	switch n.Kind {
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, v := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, v, fromJSON); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			key, err := keyString(n.Content[i])
			if err != nil {
				return err
			}
			writeString(b, key)
			b.WriteByte(':')
			if err := writeJSON(b, n.Content[i+1], fromJSON); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	}
	if fromJSON && n.Style&yaml.DoubleQuotedStyle == 0 {
		b.WriteString(n.Value)
		return nil
	}
	kind, text, err := scalar(n)
	if err != nil {
		return err
	}
	if kind == stringScalar {
		writeString(b, text)
		return nil
	}
	if infinities[text] != "" {
		return errNotFinite
	}
	b.WriteString(text)
	return nil
}

// writeString leaves <, > and & as they are: escaped they mean the same, but no reader wants to see it.
func writeString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	// A string always encodes, and a Buffer always takes it; the newline that Encode adds is taken back.
	if err := enc.Encode(s); err == nil {
		b.Truncate(b.Len() - 1)
	}
}
