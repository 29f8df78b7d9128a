package manifest

import (
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	kjson "sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// checkScalar decodes one value that has no fields of its own, and says what is wrong with one that does not fit.
func (t *typeChecker) checkScalar(value *yamledit.Node, as reflect.Type, path string) {
	text := value.JSON()
	if as == reflect.TypeFor[resource.Quantity]() && sizing.IsExcessive(strings.Trim(string(text), `"`)) {
		t.add(path, t.document.display(path, value)+" is beyond what Kubernetes can count", quantityRemedy)
		return
	}
	if kjson.UnmarshalCaseSensitivePreserveInts(text, reflect.New(as).Interface()) == nil {
		return
	}
	problem, remedy := whyNot(value, as)
	// The reader looks for what the file has, not for what YAML made of it.
	t.add(path, t.document.display(path, value)+" "+problem+t.whyNotString(path, value.Value), remedy)
}

// whyNotString says, behind what a value is not, why YAML took an unquoted scalar for something
// other than its text; empty if it did not.
func (t *typeChecker) whyNotString(path string, value any) string {
	if t.document == nil {
		return ""
	}
	n, _ := t.document.find(path)
	if n == nil || !n.Plain {
		return ""
	}
	switch v := value.(type) {
	case bool:
		switch {
		case strings.EqualFold(n.Source, strconv.FormatBool(v)):
			return ""
		case v:
			return ", since YAML reads an unquoted y, yes or on as true"
		}
		return ", since YAML reads an unquoted n, no or off as false"
	case json.Number:
		if v.String() != n.Source {
			return ", since YAML reads it as the number " + v.String()
		}
	}
	return ""
}

// whyNot says what a value that does not fit a type ought to be, and how to write it.
func whyNot(value *yamledit.Node, as reflect.Type) (problem, remedy string) {
	switch as {
	case reflect.TypeFor[resource.Quantity]():
		return "is not a quantity", quantityRemedy
	case reflect.TypeFor[metav1.Duration]():
		return "is not a duration", "write a duration such as 168h; days are not a unit"
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return "is not a time", "write a time such as 2006-01-02T15:04:05Z"
	case reflect.TypeFor[intstr.IntOrString]():
		return "is neither a number nor a string", "write one of them"
	}
	if reflect.PointerTo(as).Implements(unmarshaler) {
		return "does not fit", "write a value that a " + as.Name() + " can hold"
	}
	switch as.Kind() {
	case reflect.String:
		if value.Kind != yamledit.Scalar {
			return "is not a string", "write a string"
		}
		return "is not a string", "put it in quotes"
	case reflect.Bool:
		return "is not true or false", "write true or false without quotes"
	case reflect.Float32, reflect.Float64:
		return "is not a number that fits", "write a number without quotes"
	case reflect.Slice:
		return "is not base64 text", "encode the bytes as base64"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		lowest, highest := int64(math.MinInt64)>>(64-as.Bits()), int64(math.MaxInt64)>>(64-as.Bits())
		return whyNotWhole(value.Value, strconv.FormatInt(lowest, 10), strconv.FormatInt(highest, 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return whyNotWhole(value.Value, "0", strconv.FormatUint(math.MaxUint64>>(64-as.Bits()), 10))
	}
	return "does not fit", "write a value that JSON can hold"
}

func whyNotWhole(value any, lowest, highest string) (problem, remedy string) {
	text, _ := value.(string)
	number, _ := value.(json.Number)
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return "is a string and not a whole number", "write it without quotes"
	}
	if !decimalInteger.MatchString(number.String()) && number != "0" {
		return "is not a whole number", "write a whole number without quotes"
	}
	return "does not fit", "write a whole number from " + lowest + " to " + highest
}

var decimalInteger = regexp.MustCompile(`^[-+]?[1-9][0-9]*$`)
