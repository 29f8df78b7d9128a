package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxObjectBytes is the longest object, counted as JSON, that the API server takes in one request: MaxRequestBodyBytes of
// k8s.io/apiserver's server.NewConfig is 3 MiB. A longer object could never be applied.
const MaxObjectBytes = 3 << 20

// Document is one document of a YAML stream, or one of several JSON values that follow each other, with its exact bytes.
// It is made by Read. It is not safe for concurrent use.
type Document struct {
	Source string // the file as it was named
	Index  int    // 1-based within its source
	Line   int    // 1-based line of the first line of its content, behind any separator

	raw        []byte // all of it: separator, content, end marker
	from, to   int    // raw[from:to] is the content
	json       bool
	separated  bool // a "---" line stands before the content
	directives bool // a "%" line stands before the separator

	loaded  bool
	loadErr error
	tree    *yaml.Node // of kind DocumentNode; aliases and merge keys resolved
	changed bool
}

// Object is one API object in a document: the document itself, or an item of a List.
type Object struct {
	Document   *Document
	Pointer    string // JSON pointer within the document: "" or "/items/3"
	APIVersion string
	Kind       string
	Namespace  string
	Name       string // metadata.name, or metadata.generateName where there is no name
	JSON       []byte // the object as compact JSON, keys in the order of the source
}

// Raw returns the document's bytes as they were read, with the separator before it and the end marker behind it.
func (d *Document) Raw() []byte { return d.raw }

// Changed tells whether the document was patched.
func (d *Document) Changed() bool { return d.changed }

// Objects returns the API objects of the document in order; the items of Lists, also of Lists within Lists, instead of the
// Lists. A document without content has none. It fails with an *Error where the API server could not even tell what the
// object is: bad syntax, a duplicate key, no kind, no apiVersion, more than MaxObjectBytes. After a Patch it returns the patched objects.
func (d *Document) Objects() ([]Object, error) {
	root, err := d.root()
	if err != nil || root == nil {
		return nil, err
	}
	return d.objects(nil, root, "", "", "", "")
}

// objects appends the objects at n. The defaults are for items of typed lists, which may leave out what their list says.
func (d *Document) objects(out []Object, n *yaml.Node, pointer, path, defaultVersion, defaultKind string) ([]Object, error) {
	if n.Kind != yaml.MappingNode {
		return nil, d.errorAt(n, path, describe(n)+" is not an API object", "write a mapping with apiVersion and kind")
	}
	o := Object{Document: d, Pointer: pointer}
	var err error
	if o.APIVersion, err = d.text(n, path, "apiVersion", defaultVersion); err != nil {
		return nil, err
	}
	if o.Kind, err = d.text(n, path, "kind", defaultKind); err != nil {
		return nil, err
	}
	if o.Kind == "" {
		return nil, d.errorAt(n, member(path, "kind"), "is missing", "say what the object is, such as kind: Pod")
	}
	if o.APIVersion == "" {
		return nil, d.errorAt(n, member(path, "apiVersion"), "is missing", "say which API the "+quote(o.Kind)+" belongs to, such as apiVersion: v1")
	}
	if items := field(n, "items"); items != nil && strings.HasSuffix(o.Kind, "List") {
		return d.items(out, items, o, path)
	}
	if meta := field(n, "metadata"); meta != nil && !isNull(meta) {
		if err := d.metadata(&o, meta, member(path, "metadata")); err != nil {
			return nil, err
		}
	}
	if o.JSON, err = treeJSON(n, d.json); err != nil {
		return nil, d.errorAt(n, path, err.Error(), "")
	}
	if len(o.JSON) > MaxObjectBytes {
		return nil, d.errorAt(n, path, o.Kind+" "+quote(o.Name)+" is "+strconv.Itoa(len(o.JSON))+" bytes long as JSON, and the API server takes no more than "+
			strconv.Itoa(MaxObjectBytes), "make it smaller or split it")
	}
	return append(out, o), nil
}

func (d *Document) items(out []Object, items *yaml.Node, list Object, path string) ([]Object, error) {
	path = member(path, "items")
	if isNull(items) {
		return out, nil
	}
	if items.Kind != yaml.SequenceNode {
		return nil, d.errorAt(items, path, describe(items)+" is not a list", "write the objects as a list")
	}
	version, kind := "", strings.TrimSuffix(list.Kind, "List")
	if kind != "" {
		version = list.APIVersion
	}
	for i, item := range items.Content {
		var err error
		if out, err = d.objects(out, item, list.Pointer+"/items/"+strconv.Itoa(i), element(path, i), version, kind); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *Document) metadata(o *Object, meta *yaml.Node, path string) error {
	if meta.Kind != yaml.MappingNode {
		return d.errorAt(meta, path, describe(meta)+" is not a mapping", "write it as metadata: {name: ...}")
	}
	name, err := d.text(meta, path, "name", "")
	if err != nil {
		return err
	}
	generated, err := d.text(meta, path, "generateName", "")
	if err != nil {
		return err
	}
	if o.Namespace, err = d.text(meta, path, "namespace", ""); err != nil {
		return err
	}
	o.Name = name
	if name == "" {
		o.Name = generated
	}
	return nil
}

// text returns a field that must be a string where it is given.
func (d *Document) text(n *yaml.Node, path, key, fallback string) (string, error) {
	v := field(n, key)
	if v == nil || isNull(v) {
		return fallback, nil
	}
	s, ok := stringValue(v)
	if !ok {
		remedy, why := "write a string", ""
		if v.Kind == yaml.ScalarNode {
			remedy = "put it in quotes"
			if !d.json {
				why = misread(v)
			}
		}
		return "", d.errorAt(v, member(path, key), describe(v)+" is not a string"+why, remedy)
	}
	if s == "" {
		return fallback, nil
	}
	return s, nil
}

// root returns the content's node, or nil where there is nothing but comments.
func (d *Document) root() (*yaml.Node, error) {
	d.load()
	if d.loadErr != nil {
		return nil, d.loadErr
	}
	if len(d.tree.Content) == 0 || isNull(d.tree.Content[0]) {
		return nil, nil
	}
	return d.tree.Content[0], nil
}

func (d *Document) load() {
	if d.loaded {
		return
	}
	d.loaded = true
	d.tree, d.loadErr = d.parse(d.raw[d.from:d.to])
}

// parse gives the tree of the content text, with no aliases and merge keys left in it.
func (d *Document) parse(text []byte) (*yaml.Node, error) {
	if d.json {
		return d.parseJSON(text)
	}
	tree, err := d.parseYAML(text)
	if err != nil {
		return nil, err
	}
	return tree, d.expand(tree)
}

// errorAt makes an error at a node; a node that a patch made has no line, and the document's stands for it.
func (d *Document) errorAt(n *yaml.Node, path, problem, remedy string) *Error {
	line := d.Line
	if n != nil && n.Line > 0 {
		line = d.Line + n.Line - 1
	}
	return &Error{Source: d.Source, Line: line, Path: path, Problem: problem, Remedy: remedy}
}
