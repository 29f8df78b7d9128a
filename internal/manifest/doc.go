// Package manifest reads streams of YAML or JSON documents as kubectl does, hands out the API objects in them, and writes the
// stream back: a document that nobody patched comes out byte for byte, a patched one keeps its comments, its key order and as
// many of its lines as the patch leaves alone.
//
// Nothing here panics and no input makes it work without bound: streams, documents, objects, nesting and the expansion of
// aliases are all limited. Every error about an input is an *Error.
package manifest
