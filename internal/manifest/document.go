// Package manifest edits streams of YAML or JSON documents: it reads them as kubectl does, hands out
// the API objects in them, and writes the stream back. A document that nobody patched comes out byte
// for byte, and in a patched one every byte stays that does not belong to a value that was patched.
//
// Nothing here panics and no input makes it work without bound: streams, documents, objects, nesting
// and the expansion of aliases are all limited. Every error about an input is an *Error.
package manifest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

// MaxObjectBytes is the longest object, counted as JSON, that the API server takes in one request:
// MaxRequestBodyBytes of k8s.io/apiserver's server.NewConfig is 3 MiB. A longer object could never be applied.
const MaxObjectBytes = 3 << 20

// Document is one document of a YAML stream, or one of several JSON values that follow each other,
// with its exact bytes. It is made by Read. It is not safe for concurrent use.
type Document struct {
	Source string // the file as it was named
	Index  int    // 1-based within its source

	line       int    // 1-based line of the first line of its content, behind any separator
	raw        []byte // all of it: separator, content, end marker
	from, to   int    // raw[from:to] is the content
	isJSON     bool
	separated  bool // a "---" line stands before the content
	directives bool // a "%" line stands before the separator

	loaded  bool
	loadErr error
	read    *yamledit.Node // what it means as it was read; nil without content
	root    *yamledit.Node // the same with the patches
}

// Object is one API object in a document: the document itself, or an item of a List.
type Object struct {
	Document   *Document
	Path       string // field path within the document: "" or "items[3]"
	APIVersion string
	Kind       string
	Namespace  string
	Name       string // metadata.name, or metadata.generateName if there is no name
	JSON       []byte // the object as compact JSON, keys in the order of the source

	items []int // the indexes in Path
}

// objectHead has the fields that every object has.
type objectHead struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name         string `json:"name"`
		GenerateName string `json:"generateName"`
		Namespace    string `json:"namespace"`
	} `json:"metadata"`
}

// Raw returns the document's bytes as they were read, with the separator before it and the end marker behind it.
func (d *Document) Raw() []byte { return d.raw }

// Changed reports whether the document was patched.
func (d *Document) Changed() bool { return d.root != d.read }

// IsBlank reports whether the document has no content at all. An empty List has some.
func (d *Document) IsBlank() bool { return d.load() == nil && d.root.IsNull() }

// IsOther reports whether the document can be read and is plainly no API object: it has content, and neither a kind nor
// an apiVersion.
func (d *Document) IsOther() bool {
	if d.load() != nil || d.root.IsNull() {
		return false
	}
	return d.root.Kind != yamledit.Object || d.root.Fields["kind"] == nil && d.root.Fields["apiVersion"] == nil
}

// Objects returns the API objects of the document in order; the items of Lists, also of Lists within
// Lists, instead of the Lists. A document without content has none. It fails with an *Error if the
// API server could not even tell what the object is: bad syntax, a duplicate key, no kind, no
// apiVersion, more than MaxObjectBytes. After a Patch it returns the patched objects.
func (d *Document) Objects() ([]Object, error) {
	if err := d.load(); err != nil || d.root.IsNull() {
		return nil, err
	}
	return d.objects(nil, d.root, Object{Document: d})
}

// objects appends the objects in a value. The item of a typed list has the APIVersion and Kind that
// its list says, unless it says another.
func (d *Document) objects(out []Object, value *yamledit.Node, o Object) ([]Object, error) {
	if value.Kind != yamledit.Object {
		return nil, o.ErrorAt("", d.display(o.Path, value)+" is not an API object", "write a mapping with apiVersion and kind")
	}
	types := &typeChecker{document: d}
	if types.check(value, reflect.TypeFor[objectHead](), o.Path); len(types.found) > 0 {
		return nil, types.found[0]
	}
	o.APIVersion, o.Kind = value.Text("apiVersion", o.APIVersion), value.Text("kind", o.Kind)
	if o.Kind == "" {
		return nil, o.ErrorAt("kind", "is missing", "say what the object is, such as kind: Pod")
	}
	if o.APIVersion == "" {
		return nil, o.ErrorAt("apiVersion", "is missing", "say which API the "+yamledit.Quote(o.Kind)+" belongs to, such as apiVersion: v1")
	}
	if items := value.Fields["items"]; items != nil && strings.HasSuffix(o.Kind, "List") {
		return d.list(out, items, o)
	}
	if meta := value.Fields["metadata"]; meta != nil {
		o.Name, o.Namespace = meta.Text("name", meta.Text("generateName", "")), meta.Text("namespace", "")
	}
	if o.JSON = value.JSON(); len(o.JSON) > MaxObjectBytes {
		return nil, o.ErrorAt("", fmt.Sprintf("%s %s is %d bytes long as JSON, and the API server takes no more than %d", o.Kind, yamledit.Quote(o.Name), len(o.JSON), MaxObjectBytes),
			"make it smaller or split it")
	}
	return append(out, o), nil
}

func (d *Document) list(out []Object, items *yamledit.Node, list Object) ([]Object, error) {
	path := list.FieldPath("items")
	if items.Kind != yamledit.List && !items.IsNull() {
		return nil, list.ErrorAt("items", d.display(path, items)+" is not a list", "write the objects as a list")
	}
	o := Object{Document: d, APIVersion: list.APIVersion, Kind: strings.TrimSuffix(list.Kind, "List")}
	if o.Kind == "" {
		o.APIVersion = "" // a List has objects of any kind
	}
	for i, item := range items.Items {
		o.Path, o.items = yamledit.Element(path, i), append(slices.Clip(list.items), i)
		var err error
		if out, err = d.objects(out, item, o); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// load parses the document, once.
func (d *Document) load() error {
	if d.loaded {
		return d.loadErr
	}
	d.loaded = true
	d.read, d.loadErr = yamledit.Parse(d.raw[d.from:d.to], d.isJSON)
	d.root = d.read
	var e *Error
	if errors.As(d.loadErr, &e) {
		e.Source, e.Line = d.Source, d.line+max(e.Line, 1)-1
	}
	return d.loadErr
}

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

// errorAt returns an error about a field; one without a place for an object that is in no document.
func (d *Document) errorAt(path, problem, remedy string) *Error {
	e := &Error{Path: path, Problem: problem, Remedy: remedy}
	if d != nil {
		e.Source, e.Line = d.Source, d.Line(path)
	}
	return e
}

// Line returns the line of a field, or of the nearest one around it that the document has. The path
// is that within the document, written as in an Error.
func (d *Document) Line(path string) int {
	_, line := d.find(path)
	return line
}

// find returns the node of a field, nil if the document does not have it, and its line as Line returns it.
func (d *Document) find(path string) (n *yamledit.Node, line int) {
	if d.load() != nil || d.read == nil {
		return nil, d.line
	}
	n, line = d.read.Find(path)
	return n, d.line + line - 1
}

// display returns a value as a message quotes it: if the document has it, as it is spelled there.
func (d *Document) display(path string, value *yamledit.Node) string {
	if d != nil {
		if n, _ := d.find(path); n != nil {
			value = n
		}
	}
	return value.Display()
}
