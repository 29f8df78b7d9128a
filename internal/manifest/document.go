// Package manifest reads streams of YAML or JSON documents as kubectl does, hands out the API objects
// in them, and writes the stream back: a document that nobody patched comes out byte for byte, and in
// a patched one every byte stays that does not belong to a value that was patched.
//
// Nothing here panics and no input makes it work without bound: streams, documents, objects, nesting
// and the expansion of aliases are all limited. Every error about an input is an *Error.
package manifest

import (
	"errors"
	"reflect"
	"strconv"
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
	text    *yamledit.Text // of raw
	value   any            // of text, with the patches
	changed bool           // by a patch
}

// Object is one API object in a document: the document itself, or an item of a List.
type Object struct {
	Document   *Document
	Pointer    string // JSON pointer within the document: "" or "/items/3"
	Path       string // the same as a field path: "" or "items[3]"
	APIVersion string
	Kind       string
	Namespace  string
	Name       string // metadata.name, or metadata.generateName if there is no name
	JSON       []byte // the object as compact JSON, keys in the order of the source
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
func (d *Document) Changed() bool { return d.changed }

// Objects returns the API objects of the document in order; the items of Lists, also of Lists within
// Lists, instead of the Lists. A document without content has none. It fails with an *Error if the
// API server could not even tell what the object is: bad syntax, a duplicate key, no kind, no
// apiVersion, more than MaxObjectBytes. After a Patch it returns the patched objects.
func (d *Document) Objects() ([]Object, error) {
	value, err := d.root()
	if err != nil || value == nil {
		return nil, err
	}
	return d.objects(nil, value, Object{Document: d})
}

// objects appends the objects in a value. The item of a typed list has the APIVersion and Kind that
// its list says, unless it says another.
func (d *Document) objects(out []Object, value any, o Object) ([]Object, error) {
	fields, ok := value.(*yamledit.Object)
	if !ok {
		return nil, d.errorAt(o.Path, d.display(o.Path, value)+" is not an API object", "write a mapping with apiVersion and kind")
	}
	types := &typeChecker{document: d}
	if types.check(value, reflect.TypeFor[objectHead](), o.Path); len(types.found) > 0 {
		return nil, types.found[0]
	}
	o.APIVersion, o.Kind = fields.String("apiVersion", o.APIVersion), fields.String("kind", o.Kind)
	if o.Kind == "" {
		return nil, d.errorAt(yamledit.Member(o.Path, "kind"), "is missing", "say what the object is, such as kind: Pod")
	}
	if o.APIVersion == "" {
		return nil, d.errorAt(yamledit.Member(o.Path, "apiVersion"), "is missing", "say which API the "+yamledit.Quote(o.Kind)+" belongs to, such as apiVersion: v1")
	}
	if items, ok := fields.Fields["items"]; ok && strings.HasSuffix(o.Kind, "List") {
		return d.items(out, items, o)
	}
	if meta, ok := fields.Fields["metadata"].(*yamledit.Object); ok {
		o.Name, o.Namespace = meta.String("name", meta.String("generateName", "")), meta.String("namespace", "")
	}
	if o.JSON = yamledit.Encode(value); len(o.JSON) > MaxObjectBytes {
		return nil, d.errorAt(o.Path, o.Kind+" "+yamledit.Quote(o.Name)+" is "+strconv.Itoa(len(o.JSON))+" bytes long as JSON, and the API server takes no more than "+
			strconv.Itoa(MaxObjectBytes), "make it smaller or split it")
	}
	return append(out, o), nil
}

func (d *Document) items(out []Object, value any, list Object) ([]Object, error) {
	path := yamledit.Member(list.Path, "items")
	items, ok := value.([]any)
	if !ok && value != nil {
		return nil, d.errorAt(path, d.display(path, value)+" is not a list", "write the objects as a list")
	}
	kind, version := strings.TrimSuffix(list.Kind, "List"), list.APIVersion
	if kind == "" {
		version = "" // a List has objects of any kind
	}
	for i, item := range items {
		var err error
		o := Object{Document: d, Pointer: list.Pointer + "/items/" + strconv.Itoa(i), Path: yamledit.Element(path, i), APIVersion: version, Kind: kind}
		if out, err = d.objects(out, item, o); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// root returns what the document means with its patches, or nil if there is nothing but comments.
func (d *Document) root() (any, error) {
	if !d.loaded {
		d.loaded = true
		d.text, d.loadErr = yamledit.Parse(d.raw[d.from:d.to], d.isJSON)
		d.value = d.text.Value
		var e *yamledit.Error
		if errors.As(d.loadErr, &e) {
			d.loadErr = &Error{Source: d.Source, Line: d.line + max(e.Line, 1) - 1, Problem: e.Problem, Remedy: e.Remedy}
		}
	}
	return d.value, d.loadErr
}

// errorAt returns an error about a field.
func (d *Document) errorAt(path, problem, remedy string) *Error {
	return &Error{Source: d.Source, Line: d.Line(path), Path: path, Problem: problem, Remedy: remedy}
}
