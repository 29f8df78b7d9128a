package manifest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

// Patch applies JSON patch operations (RFC 6902) to the object at pointer. It knows add, replace and
// remove. Either all of them are applied, or none and the document is as it was. It fails with an
// *Error on an operation that the RFC would reject.
//
// Comments and the order of keys stay. A new key goes to the end of its mapping; a new value is
// written in block style, or in flow style if its parent is or what it replaces was.
func (d *Document) Patch(pointer string, ops []jsonpatch.Operation) error {
	value, err := d.root()
	if err != nil || len(ops) == 0 {
		return err
	}
	base, ok := parsePointer(pointer)
	if !ok {
		return d.errorAt("", "cannot patch at "+yamledit.Quote(pointer)+": it is not a JSON pointer", `begin it with "/"`)
	}
	if value == nil {
		return d.errorAt("", "cannot patch "+yamledit.Quote(pointer)+": the document is empty", "")
	}
	at := value
	for i, token := range base {
		if at, ok = child(at, token); !ok {
			return d.missing("cannot patch "+yamledit.Quote(pointer), base[:i+1])
		}
	}
	for _, op := range ops {
		if value, err = d.apply(value, base, op); err != nil {
			return err
		}
	}
	d.value, d.changed = value, true
	return nil
}

func (d *Document) missing(cannot string, tokens []string) *Error {
	return d.errorAt("", cannot+": there is no "+yamledit.Quote(joinPointer(tokens)), "")
}

// apply returns a value with the operation applied to the object at base.
func (d *Document) apply(value any, base []string, op jsonpatch.Operation) (any, error) {
	p := patcher{document: d, verb: op.Operation, base: len(base), cannot: "cannot " + op.Operation + " " + yamledit.Quote(op.Path)}
	if p.verb != "add" && p.verb != "replace" && p.verb != "remove" {
		return nil, d.errorAt("", "cannot patch with the operation "+yamledit.Quote(p.verb), "use add, replace or remove")
	}
	tokens, ok := parsePointer(op.Path)
	switch {
	case !ok:
		return nil, d.errorAt("", p.cannot+": it is not a JSON pointer", `begin it with "/"`)
	case p.verb == "remove" && len(tokens) == 0:
		return nil, d.errorAt("", p.cannot+": it is the whole object", "")
	case p.verb != "remove":
		if p.value, ok = d.newValue(op.Value); !ok {
			return nil, d.errorAt("", p.cannot+": its value is not JSON", "")
		}
	}
	p.tokens = slices.Concat(base, tokens)
	return p.apply(value, 0)
}

// patcher applies one operation to copies, so that one that fails leaves nothing of those before it.
type patcher struct {
	document *Document
	verb     string
	cannot   string // the beginning of an error
	tokens   []string
	base     int // so many tokens lead to the object
	value    any
}

// apply returns the value at the first i tokens with the operation applied.
func (p *patcher) apply(at any, i int) (any, error) {
	if i == len(p.tokens) {
		return p.value, nil
	}
	token, last := p.tokens[i], i == len(p.tokens)-1
	old, found := child(at, token)
	list, isList := at.([]any)
	fields, isMap := at.(*yamledit.Object)
	adds := last && p.verb == "add" && (isMap || isList && (found || token == "-" || token == strconv.Itoa(len(list))))
	switch {
	case !found && !adds:
		return nil, p.document.missing(p.cannot, p.tokens[p.base:i+1])
	case adds && isList:
		index := len(list)
		if found {
			index, _ = strconv.Atoi(token)
		}
		return slices.Insert(slices.Clone(list), index, p.value), nil
	}
	value, err := any(nil), error(nil)
	removes := last && p.verb == "remove"
	if !removes {
		if value, err = p.apply(old, i+1); err != nil {
			return nil, err
		}
	}
	if isList {
		index, _ := strconv.Atoi(token)
		list = slices.Clone(list)
		if removes {
			return slices.Delete(list, index, index+1), nil
		}
		list[index] = value
		return list, nil
	}
	if removes {
		return fields.Without(token), nil
	}
	return fields.With(token, value), nil
}

// newValue returns a value as yamledit.Decode would; ok is false if JSON cannot hold it.
func (d *Document) newValue(v any) (value any, ok bool) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	// Parsed as YAML, it has numbers as they will be read.
	if t, err := yamledit.Parse(text, d.isJSON); err == nil {
		return t.Value, true
	}
	value, err = yamledit.Decode(text)
	return value, err == nil
}

// child returns what a token of a JSON pointer means in a value.
func child(v any, token string) (any, bool) {
	switch v := v.(type) {
	case *yamledit.Object:
		value, ok := v.Fields[token]
		return value, ok
	case []any:
		// RFC 6901: decimal digits without a leading zero.
		if i, err := strconv.Atoi(token); err == nil && strconv.Itoa(i) == token && 0 <= i && i < len(v) {
			return v[i], true
		}
	}
	return nil, false
}

var (
	unescapeToken = strings.NewReplacer("~1", "/", "~0", "~")
	escapeToken   = strings.NewReplacer("~", "~0", "/", "~1")
)

// parsePointer splits a JSON pointer (RFC 6901) into its unescaped tokens.
func parsePointer(pointer string) (tokens []string, ok bool) {
	if pointer == "" {
		return nil, true
	}
	if pointer[0] != '/' || !utf8.ValidString(pointer) {
		return nil, false
	}
	tokens = strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		tokens[i] = unescapeToken.Replace(t)
	}
	return tokens, true
}

func joinPointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString("/" + escapeToken.Replace(t))
	}
	return b.String()
}
