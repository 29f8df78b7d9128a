package manifest

import (
	"regexp"

	"k8s.io/apimachinery/pkg/api/resource"
)

const quantityRemedy = "write a quantity such as 512Mi"

var largestBytes = resource.MustParse("9223372036854775807")

// An exponent of many digits makes resource.Quantity compute with numbers of as many digits as the exponent says, and one of
// more than 31 bits wraps round silently. Nothing that is counted needs three digits.
var longExponent = regexp.MustCompile(`[eE][-+]?0*[1-9][0-9]{2,}`)

// longestQuantity is far above any spelling of 2^63 bytes.
const longestQuantity = 128

// excessive tells whether a text costs resource.ParseQuantity, or what is done with its result, more than it can be worth.
func excessive(value string) bool {
	return len(value) > longestQuantity || longExponent.MatchString(value)
}

// CheckQuantity judges a quantity of bytes: it must parse, must not be negative, and must fit the 63 bits that Kubernetes counts
// bytes in. resource.ParseQuantity alone takes 1e400, whose Value is then 0, and lowers 8Ei by one. The error is an *Error with the path.
func CheckQuantity(path, value string) error {
	if excessive(value) {
		return &Error{Path: path, Problem: quote(value) + " is beyond what Kubernetes can count", Remedy: quantityRemedy}
	}
	q, err := resource.ParseQuantity(value)
	if err != nil {
		return &Error{Path: path, Problem: quote(value) + " is not a quantity", Remedy: quantityRemedy}
	}
	if e := checkBytes(path, value, q); e != nil {
		return e
	}
	return nil
}

func checkBytes(path, value string, q resource.Quantity) *Error {
	if q.Sign() < 0 {
		return &Error{Path: path, Problem: quote(value) + " is negative", Remedy: quantityRemedy}
	}
	// A binary quantity at the very bound was more and has been lowered to it by the parser.
	if n := q.Cmp(largestBytes); n > 0 || n == 0 && q.Format == resource.BinarySI {
		return &Error{Path: path, Problem: quote(value) + " is beyond what Kubernetes can count", Remedy: quantityRemedy}
	}
	return nil
}
