package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

// MaxDocumentBytes is the longest document that is read. It is more than MaxObjectBytes because a List of many objects is one
// document and is applied one object at a time. To patch one takes about a hundred times its length of memory at worst.
const MaxDocumentBytes = 16 << 20

var byteOrderMark = []byte("\ufeff")

// splitter cuts a stream into documents whose bytes, put together, are the stream.
//
// The rules are kubectl's: a line that begins with "---" separates, wherever it stands, and nothing but a comment may follow on
// that line. Beyond kubectl, an end marker "..." and directives "%..." are understood. Comments and directives
// before a separator belong to the document behind it where nothing else comes before them.
type splitter struct {
	source string
	data   []byte
	docs   []*Document

	start      int // of the current document
	from, line int // where its content begins
	to         int // where its content ends, or -1
	separated  bool
	directives bool
	content    bool
}

func split(data []byte, source string) ([]*Document, error) {
	s := &splitter{source: source, data: data, line: 1, to: -1}
	if bytes.HasPrefix(data, byteOrderMark) {
		s.from = len(byteOrderMark)
	}
	at, number := s.from, 0
	for line := range bytes.Lines(data[at:]) {
		number++
		if err := s.addLine(string(bytes.TrimRight(line, "\r\n")), at, at+len(line), number); err != nil {
			return nil, err
		}
		at += len(line)
	}
	if s.start < len(data) {
		if err := s.finish(len(data)); err != nil {
			return nil, err
		}
	}
	return s.docs, nil
}

func (s *splitter) error(line int, problem, remedy string) error {
	return &Error{Source: s.source, Line: line, Problem: problem, Remedy: remedy}
}

// addLine adds the line data[at:end] to the current document, or begins another with it.
func (s *splitter) addLine(text string, at, end, line int) error {
	trimmed := strings.TrimSpace(text)
	isBare := trimmed == "" || trimmed[0] == '#'
	isSeparator, isDirective := strings.HasPrefix(text, "---"), strings.HasPrefix(text, "%")
	ended := s.to >= 0
	if rest := strings.TrimSpace(text[min(3, len(text)):]); isSeparator && rest != "" && rest[0] != '#' {
		return s.error(line, yamledit.Quote(text)+` is not a document separator: nothing but a comment may follow "---"`, "put the rest on the next line")
	}
	if isSeparator && (s.content || s.separated || ended) || isDirective && ended {
		if err := s.finish(at); err != nil {
			return err
		}
		*s = splitter{source: s.source, data: s.data, docs: s.docs, start: at, from: at, line: line, to: -1}
	}
	switch {
	case isSeparator:
		s.separated, s.from, s.line = true, end, line+1
	case isDirective && !s.content && !s.separated:
		s.directives = true
	case ended && (isBare || isEndMarker(text)):
		// Comments behind an end marker open the next document, if there is one.
	case ended:
		return s.error(line, `content follows the end marker "..."; kubectl would leave it out`, `put "---" before it`)
	case isEndMarker(text):
		s.to = at
	case !isBare:
		s.content = true
	}
	return nil
}

func isEndMarker(text string) bool {
	rest, ok := strings.CutPrefix(text, "...")
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

// finish ends the current document at an offset. One of several JSON values is a document each.
func (s *splitter) finish(end int) error {
	to := s.to
	if to < 0 {
		to = end
	}
	if s.directives && !s.separated {
		return s.error(s.line, `a "%" directive has no document`, `put "---" on the line behind it`)
	}
	if length := end - s.start; length > MaxDocumentBytes {
		return s.error(s.line, fmt.Sprintf("the document is %d bytes long, more than %d", length, MaxDocumentBytes), "split it")
	}
	ends := jsonValues(s.data[s.from:to])
	d := Document{Source: s.source, line: s.line, isJSON: len(ends) > 0, separated: s.separated, directives: s.directives}
	start, from := s.start, s.from
	for _, n := range append(ends[:max(len(ends)-1, 0)], -1) { // -1: the last, or the only one
		contentEnd, stop := s.from+n, s.from+n
		if n < 0 {
			contentEnd, stop = to, end
		}
		d.Index = len(s.docs) + 1
		d.raw, d.from, d.to = s.data[start:stop:stop], from-start, contentEnd-start
		document := d
		s.docs = append(s.docs, &document)
		d.line += bytes.Count(s.data[from:stop], []byte("\n"))
		d.separated, d.directives = false, false
		start, from = stop, stop
	}
	return nil
}

// jsonValues returns where each of the JSON objects ends that text consists of, with the white space behind it, or nothing where
// text is anything else. Flow style YAML is not JSON, nor is JSON with a comment.
func jsonValues(text []byte) []int {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var ends []int
	for {
		var value json.RawMessage
		if err := dec.Decode(&value); errors.Is(err, io.EOF) {
			return ends
		} else if err != nil || value[0] != '{' {
			return nil
		}
		end := int(dec.InputOffset())
		ends = append(ends, len(text)-len(bytes.TrimLeft(text[end:], " \t\r\n")))
	}
}
