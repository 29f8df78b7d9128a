package v1alpha1_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/internal/policycases"
)

// constraints returns the lines that an API server says when each constraint under a
// schema is broken, in the form of the cases, with [] for an index.
func constraints(path string, s *apiextensions.JSONSchemaProps) []string {
	typed := func(t field.ErrorType) string { return path + ": " + string(t) }
	var out []string
	for _, rule := range s.XValidations {
		out = append(out, path+rule.FieldPath+": "+rule.Message)
	}
	if len(s.Enum) > 0 {
		out = append(out, typed(field.ErrorTypeNotSupported))
	}
	if s.MaxLength != nil {
		out = append(out, typed(field.ErrorTypeTooLong))
	}
	if s.MaxItems != nil {
		out = append(out, typed(field.ErrorTypeTooMany))
	}
	if s.MinItems != nil {
		out = append(out, typed(field.ErrorTypeInvalid))
	}
	for _, name := range s.Required {
		out = append(out, path+"."+name+": "+string(field.ErrorTypeRequired))
	}
	if s.XListType != nil && *s.XListType == "set" {
		out = append(out, path+"[]: "+string(field.ErrorTypeDuplicate))
	}
	for name, property := range s.Properties {
		switch name {
		case "podSelector", "namespaceSelector": // metav1's
		default:
			out = append(out, constraints(path+"."+name, &property)...)
		}
	}
	if s.Items != nil {
		out = append(out, constraints(path+"[]", s.Items.Schema)...)
	}
	return out
}

func TestCRD_EveryConstraintHasAnInvalidCase(t *testing.T) {
	spec := openAPI(t, loadCRD(t)).Properties["spec"]
	open := map[string]bool{}
	for _, line := range constraints("spec", &spec) {
		open[line] = true
	}
	all := len(open)
	index := regexp.MustCompile(`\[[0-9]+\]`)
	policycases.Each(t, cases+"/invalid", func(_ *testing.T, c policycases.Case) {
		for _, line := range c.ByServer() {
			delete(open, index.ReplaceAllString(line, "[]"))
		}
	})
	if diff := cmp.Diff([]string(nil), slices.Sorted(maps.Keys(open))); diff != "" {
		t.Errorf("of %d constraints no case breaks (+):\n%s", all, diff)
	}
}
