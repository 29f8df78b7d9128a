package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
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
	at, line := s.from, 0
	for at < len(data) {
		line++
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if err := s.addLine(at, end, line); err != nil {
			return nil, err
		}
		at = end
	}
	if s.start < len(data) {
		if err := s.finish(len(data)); err != nil {
			return nil, err
		}
	}
	return s.docs, nil
}

// addLine adds the line data[at:end] to the current document, or begins another with it.
func (s *splitter) addLine(at, end, line int) error {
	text := string(bytes.TrimRight(s.data[at:end], "\r\n"))
	trimmed := strings.TrimSpace(text)
	bare := trimmed == "" || trimmed[0] == '#'
	switch {
	case strings.HasPrefix(text, "---"):
		if rest := strings.TrimSpace(text[3:]); rest != "" && rest[0] != '#' {
			return &Error{
				Source: s.source, Line: line, Problem: yamledit.Quote(text) + ` is no document separator: nothing but a comment may follow "---"`,
				Remedy: "put the rest on the next line",
			}
		}
		return s.separator(at, end, line)
	case isEndMarker(text) && s.to < 0:
		s.to = at
	case s.to >= 0 && bare:
		// Comments behind an end marker: they open the next document, if there is one.
	case s.to >= 0 && text[0] == '%':
		if err := s.next(at, line); err != nil {
			return err
		}
		s.directives = true
	case s.to >= 0 && isEndMarker(text):
	case s.to >= 0:
		return &Error{Source: s.source, Line: line, Problem: `content follows the end marker "..."; kubectl would leave it out`, Remedy: `put "---" before it`}
	case text != "" && text[0] == '%' && !s.content && !s.separated:
		s.directives = true
	case !bare:
		s.content = true
	}
	return nil
}

func isEndMarker(text string) bool {
	rest, ok := strings.CutPrefix(text, "...")
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

func (s *splitter) separator(at, end, line int) error {
	if s.content || s.separated || s.to >= 0 {
		if err := s.next(at, line); err != nil {
			return err
		}
	}
	s.separated = true
	s.from, s.line = end, line+1
	return nil
}

// next ends the current document at an offset and begins another there.
func (s *splitter) next(at, line int) error {
	if err := s.finish(at); err != nil {
		return err
	}
	s.start, s.from, s.line, s.to = at, at, line, -1
	s.separated, s.directives, s.content = false, false, false
	return nil
}

func (s *splitter) finish(end int) error {
	to := s.to
	if to < 0 {
		to = end
	}
	if s.directives && !s.separated {
		return &Error{Source: s.source, Line: s.line, Problem: `a "%" directive has no document`, Remedy: `put "---" on the line behind it`}
	}
	if end-s.start > MaxDocumentBytes {
		return tooLong(s.source, s.line, end-s.start)
	}
	d := Document{Source: s.source, line: s.line, separated: s.separated, directives: s.directives}
	ends := jsonValues(s.data[s.from:to])
	if len(ends) == 0 {
		d.raw, d.from, d.to = s.data[s.start:end:end], s.from-s.start, to-s.start
		s.add(d)
		return nil
	}
	start, from := s.start, s.from
	for i, n := range ends {
		valueEnd := s.from + n
		stop := valueEnd
		if i == len(ends)-1 {
			stop, valueEnd = end, to
		}
		d.isJSON = true
		d.raw, d.from, d.to = s.data[start:stop:stop], from-start, valueEnd-start
		s.add(d)
		d.line += bytes.Count(s.data[from:stop], []byte("\n"))
		d.separated, d.directives = false, false
		start, from = stop, stop
	}
	return nil
}

func (s *splitter) add(d Document) {
	d.Index = len(s.docs) + 1
	s.docs = append(s.docs, &d)
}

// jsonValues returns where each of the JSON objects ends that text consists of, with the white space behind it, or nothing where
// text is anything else. Flow style YAML is not JSON, nor is JSON with a comment.
func jsonValues(text []byte) []int {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
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
		for end < len(text) && (text[end] == ' ' || text[end] == '\t' || text[end] == '\r' || text[end] == '\n') {
			end++
		}
		ends = append(ends, end)
	}
}
