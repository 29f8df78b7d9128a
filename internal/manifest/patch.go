package manifest

import (
	"encoding/json"
	"maps"
	"slices"

	apply "github.com/evanphx/json-patch/v5"
	"gomodules.xyz/jsonpatch/v2"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

// Patch applies a JSON patch (RFC 6902) to the object in its document. Either all of it is applied, or
// nothing and the document is as it was. It fails with an *Error on a patch that does not fit.
//
// Comments and the order of keys stay. A new key goes to the end of its mapping; a new value is
// written in block style, or in flow style if its parent is or what it replaces was.
func (o Object) Patch(ops []jsonpatch.Operation) error {
	if len(ops) == 0 {
		return nil
	}
	options := apply.NewApplyOptions()
	options.SupportNegativeIndices = false
	text, err := json.Marshal(ops)
	var patch apply.Patch
	if err == nil {
		patch, err = apply.DecodePatch(text)
	}
	now := o.Document.root
	for _, i := range o.items {
		now = now.Fields["items"].Items[i]
	}
	if err == nil {
		text, err = patch.ApplyWithOptions(now.JSON(), options)
	}
	var value *yamledit.Node
	if err == nil {
		value, err = yamledit.Parse(text, true)
	}
	if err != nil {
		return o.ErrorAt("", "cannot be patched: "+err.Error(), "")
	}
	o.Document.root = replaced(o.Document.root, o.items, value)
	return nil
}

// replaced returns a copy of a document with another value in the place of an item of its lists.
func replaced(n *yamledit.Node, items []int, by *yamledit.Node) *yamledit.Node {
	if len(items) == 0 {
		return by
	}
	list, object := *n.Fields["items"], *n
	list.Items = slices.Clone(list.Items)
	list.Items[items[0]] = replaced(list.Items[items[0]], items[1:], by)
	object.Fields = maps.Clone(n.Fields)
	object.Fields["items"] = &list
	return &object
}
