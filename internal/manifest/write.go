package manifest

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

// Write writes the documents in the order given. A document that was not patched is written with its
// exact bytes, so what was read from one source and not patched comes out as it was. Between documents
// of different sources it puts "---" if there is none, unless all of them are JSON, which kubectl wants
// without. Nothing is written when a patched document cannot be rendered.
func Write(w io.Writer, docs []*Document) error {
	bareJSON, boundaries := true, false
	for i, d := range docs {
		bareJSON = bareJSON && d.isBareJSON()
		boundaries = boundaries || i > 0 && !d.follows(docs[i-1])
	}
	var out bytes.Buffer
	for i, d := range docs {
		text, err := d.Bytes()
		if err != nil {
			return err
		}
		boundary := i > 0 && !d.follows(docs[i-1])
		if boundary {
			text = bytes.TrimPrefix(text, byteOrderMark)
			endLine(&out)
		}
		// JSON values that follow each other bare are a stream for kubectl only while nothing else is in it.
		if i > 0 && boundaries && !bareJSON && (boundary || d.isJSON) {
			endLine(&out)
			switch {
			case d.directives:
				out.WriteString("...\n")
			case !d.separated:
				out.WriteString("---\n")
			}
		}
		out.Write(text)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("writing manifests: %w", err)
	}
	return nil
}

func endLine(out *bytes.Buffer) {
	if b := out.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
		out.WriteByte('\n')
	}
}

// follows reports whether the document stands behind another in the same source.
func (d *Document) follows(prev *Document) bool {
	return d.Source == prev.Source && d.Index == prev.Index+1
}

// isBareJSON reports whether the document is a JSON value and nothing else.
func (d *Document) isBareJSON() bool {
	before := bytes.TrimPrefix(d.raw[:d.from], byteOrderMark)
	return d.isJSON && len(before) == 0 && d.to == len(d.raw)
}

// Bytes returns the document as Write writes it: as it was read, or with its patches.
func (d *Document) Bytes() ([]byte, error) {
	if !d.Changed() {
		return d.raw, nil
	}
	content := yamledit.Edit(d.raw[d.from:d.to], d.isJSON, d.read, d.root)
	if content == nil {
		return nil, d.errorAt("", "cannot be written with its changes", "write the document more simply: without tags and unusual quoting")
	}
	return slices.Concat(d.raw[:d.from], content, d.raw[d.to:]), nil
}
