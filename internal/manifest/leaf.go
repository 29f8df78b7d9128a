package manifest

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	kjson "sigs.k8s.io/json"
)

var (
	quantityType  = reflect.TypeFor[resource.Quantity]()
	durationType  = reflect.TypeFor[metav1.Duration]()
	timeType      = reflect.TypeFor[metav1.Time]()
	microTimeType = reflect.TypeFor[metav1.MicroTime]()
	intOrString   = reflect.TypeFor[intstr.IntOrString]()
)

// leaf decodes one value that has no fields of its own, and says what is wrong with one that does not fit.
func (f *fitter) leaf(raw []byte, t reflect.Type, path []pathStep) {
	if t == quantityType && excessive(unquote(raw)) {
		f.add(path, shown(raw)+" is beyond what Kubernetes can count", quantityRemedy)
		return
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, reflect.New(t).Interface()); err == nil {
		return
	}
	what, remedy := expected(raw, t)
	value, why := shown(raw), ""
	if d := f.object.Document; d != nil && !d.json {
		// The reader looks for what the file has, not for what YAML made of it.
		if node, _, _ := f.find(path); node != nil && node.Kind == yaml.ScalarNode {
			value, why = quote(node.Value), misread(node)
		}
	}
	f.add(path, value+" "+what+why, remedy)
}

// expected says what a value that does not fit ought to be, and how to write it.
func expected(raw []byte, t reflect.Type) (what, remedy string) {
	switch t {
	case quantityType:
		return "is not a quantity", quantityRemedy
	case durationType:
		return "is not a duration", "write a duration such as 168h; days are not a unit"
	case timeType, microTimeType:
		return "is not a time", "write a time such as 2006-01-02T15:04:05Z"
	case intOrString:
		return "is neither a number nor a string", "write one of them"
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return "does not fit", "write a value that a " + t.Name() + " can hold"
	}
	switch t.Kind() {
	case reflect.String:
		return "is not a string", stringRemedy(raw)
	case reflect.Bool:
		return "is not true or false", "write true or false without quotes"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return wholeNumber(raw, t)
	case reflect.Float32, reflect.Float64:
		return "is not a number that fits", "write a number without quotes"
	case reflect.Slice:
		return "is not base64 text", "encode the bytes as base64"
	}
	return "does not fit", "write a value that JSON can hold"
}

func stringRemedy(raw []byte) string {
	if raw[0] == '{' || raw[0] == '[' {
		return "write a string"
	}
	return "put it in quotes"
}

func wholeNumber(raw []byte, t reflect.Type) (what, remedy string) {
	text := string(raw)
	if _, err := strconv.ParseInt(unquote(raw), 10, 64); err == nil && raw[0] == '"' {
		return "is a string and not a whole number", "write it without quotes"
	}
	if !decimalInteger.MatchString(text) && text != "0" {
		return "is not a whole number", "write a whole number without quotes"
	}
	low, high := "0", ""
	switch bits := t.Bits(); t.Kind() {
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		high = strconv.FormatUint(math.MaxUint64>>(64-bits), 10)
	default:
		low, high = strconv.FormatInt(math.MinInt64>>(64-bits), 10), strconv.FormatInt(math.MaxInt64>>(64-bits), 10)
	}
	return "does not fit", "write a whole number from " + low + " to " + high
}

// shown quotes a JSON value for a message; a string loses the quotes of JSON first.
func shown(raw []byte) string {
	if len(raw) > 0 && raw[0] == '{' {
		return "a mapping"
	}
	if len(raw) > 0 && raw[0] == '[' {
		return "a list"
	}
	return quote(unquote(raw))
}

func unquote(raw []byte) string {
	var s string
	if err := json.Unmarshal(raw, &s); err == nil && string(raw) != "null" {
		return s
	}
	return string(raw)
}
