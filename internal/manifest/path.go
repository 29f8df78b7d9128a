package manifest

import (
	"go.yaml.in/yaml/v3"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

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
	if _, err := d.root(); err != nil {
		return nil, d.line
	}
	n, line = d.text.Locate(path)
	return n, d.line + line - 1
}

// display returns a value as a message quotes it: if the document has it, as it is spelled there.
func (d *Document) display(path string, value any) string {
	if d != nil {
		if n, _ := d.locate(path); n != nil {
			return yamledit.DisplayNode(n)
		}
	}
	switch v := value.(type) {
	case *yamledit.Object:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return yamledit.Quote(v)
	}
	return yamledit.Quote(string(yamledit.Encode(value)))
}
