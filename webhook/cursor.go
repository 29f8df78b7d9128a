package webhook

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// mostElements bounds how many list elements and map entries of an object are kept in memory. One
// takes less than 256 bytes. It is far beyond the bounds of a Pod that is evaluated: a
// Pod between these and this one is still matched, and is TooComplex.
const mostElements = 1 << 15

var (
	// errUnusual is why the fast decoder declines JSON that an API server does not write: the full
	// decoder reads it then.
	errUnusual = errors.New("this is not JSON as an API server writes it")
	// errTooMany is why an object is not read at all.
	errTooMany = errors.New("the object has more than " + strconv.Itoa(mostElements) +
		" list elements and map entries that decisions depend on: split it")
	errNotJSON = errors.New("the body is not an AdmissionReview in JSON")
	// errExcessive is why a quantity is not parsed. An API server would have been stopped by it before.
	errExcessive = errors.New("a quantity has more than 128 characters, or an exponent of more than two digits: write one such as 512Mi")
)

// cursor reads JSON in one pass. Its methods do nothing after the first error.
//
// It reads what encoding/json reads into an empty value, and declines everything about which the
// two could differ: a name that comes twice in an object, an escaped name of a field, a value of
// another type, text that is not UTF-8.
type cursor struct {
	decoder jsontext.Decoder
	body    []byte
	err     error
	// names are those of the fields read so far, of all objects that are open, and starts are
	// where those of each object begin.
	names  [][]byte
	starts []int
	// isNull reports whether what was opened is null.
	isNull bool
	// elements counts what is kept.
	elements int
	// block has the texts that were read last.
	block strings.Builder
}

// A text up to longestShared bytes is kept in a block of blockSize bytes that it shares with others: an
// allocation for each would be most allocations of a request.
const blockSize, longestShared = 4 << 10, 512

// reset makes the cursor read body, which must not change while it is in use.
func (c *cursor) reset(body []byte) {
	c.body, c.err, c.isNull, c.elements = body, nil, false, 0
	c.names, c.starts = c.names[:0], c.starts[:0]
	// A field that is read twice is noticed below. The decoder would also remember all names of
	// objects that are skipped.
	c.decoder.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
}

func (c *cursor) fail(err error) {
	if c.err == nil && err != nil {
		c.err = err
	}
}

// object begins an object. It is read by
//
//	for c.object(); c.more(); {
//		switch string(c.field()) {
//
// null is an object without fields.
func (c *cursor) object() { c.open('{') }

// list begins a list, which is read by c.more and c.element. null is an empty one.
func (c *cursor) list() { c.open('[') }

func (c *cursor) open(kind jsontext.Kind) {
	if c.err != nil {
		return
	}
	token, err := c.decoder.ReadToken()
	switch {
	case err != nil:
		c.fail(err)
	case token.Kind() == 'n':
		c.isNull = true
	case token.Kind() != kind:
		c.fail(errUnusual)
	default:
		c.starts = append(c.starts, len(c.names))
	}
}

// more reports whether another field or element follows.
func (c *cursor) more() bool {
	switch {
	case c.err != nil:
		return false
	case c.isNull:
		c.isNull = false
		return false
	}
	switch c.decoder.PeekKind() {
	case '}', ']':
		_, err := c.decoder.ReadToken()
		c.fail(err)
		last := len(c.starts) - 1
		c.names, c.starts = c.names[:c.starts[last]], c.starts[:last]
		return false
	case jsontext.KindInvalid:
		c.skip() // for the error
		return false
	default:
		return true
	}
}

// field returns the name of the next field. A value that is not read must be skipped by
// skipField.
func (c *cursor) field() []byte {
	quoted := c.raw()
	if c.err != nil {
		return nil
	}
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		c.fail(errUnusual)
		return nil
	}
	for _, seen := range c.names[c.starts[len(c.starts)-1]:] {
		if bytes.Equal(seen, name) {
			c.fail(errUnusual)
			return nil
		}
	}
	c.names = append(c.names, name)
	return name
}

// skipField skips the value of a field that nothing depends on.
func (c *cursor) skipField() {
	c.skip()
	if c.err == nil {
		c.names = c.names[:len(c.names)-1]
	}
}

// element counts an element that is kept.
func (c *cursor) element() {
	if c.elements++; c.elements > mostElements {
		c.fail(errTooMany)
	}
}

func (c *cursor) skip() {
	if c.err == nil {
		c.fail(c.decoder.SkipValue())
	}
}

// raw returns a value as it is written. It is part of the body.
func (c *cursor) raw() []byte {
	if c.err != nil {
		return nil
	}
	value, err := c.decoder.ReadValue()
	if err != nil {
		c.fail(err)
		return nil
	}
	end := c.decoder.InputOffset()
	return c.body[end-int64(len(value)) : end]
}

// text returns a string; null is an empty one.
func (c *cursor) text() string {
	value := c.raw()
	switch {
	case c.err != nil || value[0] == 'n':
		return ""
	case value[0] != '"':
		c.fail(errUnusual)
		return ""
	}
	return c.unquote(value)
}

// short returns a string of which no API server sends a long one, and which is in answers and errors.
func (c *cursor) short() string {
	const most = 512
	text := c.text()
	if len(text) > most {
		c.fail(errUnusual)
		return ""
	}
	return text
}

func (c *cursor) unquote(value []byte) string {
	if c.err != nil {
		return ""
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return c.keep(value[1 : len(value)-1])
	}
	text, err := jsontext.AppendUnquote(nil, value)
	c.fail(err)
	return string(text)
}

// keep returns a copy of a text.
func (c *cursor) keep(text []byte) string {
	if len(text) > longestShared {
		return string(text)
	}
	if c.block.Cap()-c.block.Len() < len(text) {
		c.block.Reset() // the block before stays with its texts
		c.block.Grow(blockSize)
	}
	c.block.Write(text)
	all := c.block.String()
	return all[len(all)-len(text):]
}

// boolean reports whether the next value is true; null is false.
func (c *cursor) boolean() bool {
	value := c.raw()
	if c.err != nil {
		return false
	}
	switch value[0] {
	case 't':
		return true
	case 'f', 'n':
		return false
	}
	c.fail(errUnusual)
	return false
}

// integer returns a whole number; nil for null.
func (c *cursor) integer() *int64 {
	value := c.raw()
	if c.err != nil || value[0] == 'n' {
		return nil
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	c.fail(err)
	return &n
}

// null reports whether the next value is null, which is then read.
func (c *cursor) null() bool {
	if c.err != nil || c.decoder.PeekKind() != 'n' {
		return false
	}
	c.skip()
	return true
}

// texts returns a list of strings.
func (c *cursor) texts() []string {
	return listOf(c, func(text *string) { *text = c.text() })
}

// listOf reads a list of which each element is kept.
func listOf[T any](c *cursor, read func(*T)) (out []T) {
	for c.list(); c.more(); {
		c.element()
		var zero T
		out = append(out, zero)
		read(&out[len(out)-1])
	}
	return out
}

// textMap returns a map of strings; nil for null.
func (c *cursor) textMap() map[string]string {
	return entries[string](c, c.text)
}

// quantities returns what a list of resources has; nil for null.
func (c *cursor) quantities() corev1.ResourceList {
	return entries[corev1.ResourceName](c, c.quantity)
}

func (c *cursor) quantity() (q resource.Quantity) {
	value := c.raw()
	switch {
	case c.err != nil:
	case bytes.IndexByte(value, '\\') >= 0: // what it says has to be known before it is parsed
		c.fail(errUnusual)
	case sizing.IsExcessive(string(value)):
		c.fail(errExcessive)
	default:
		c.fail(q.UnmarshalJSON(value))
	}
	return q
}

// checkNumbers reads any JSON for the full decoder, and returns why that must not parse its quantities, wherever they are.
func checkNumbers(body []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for {
		token, err := decoder.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if kind := token.Kind(); kind == '"' || kind == '0' {
			if text := token.String(); amount.MatchString(text) && sizing.IsExcessive(text) {
				return errExcessive
			}
		}
	}
}

// amount is what could be parsed as a quantity with an exponent.
var amount = regexp.MustCompile(`^[-+]?[0-9.]+[eE][-+]?[0-9]+$`)

// entries reads a map.
func entries[K ~string, V any](c *cursor, value func() V) map[K]V {
	if c.null() {
		return nil
	}
	out := map[K]V{}
	for c.object(); c.more(); {
		c.element()
		key := K(c.unquote(c.raw()))
		if _, twice := out[key]; twice {
			c.fail(errUnusual)
		}
		out[key] = value()
	}
	return out
}

// end reads to the end of the body, where nothing may follow.
func (c *cursor) end() {
	if c.err != nil {
		return
	}
	if _, err := c.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		c.fail(errUnusual)
	}
}
