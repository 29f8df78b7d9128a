package v1alpha1_test

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// rules are the CEL rules of one field.
type rules struct {
	path      *field.Path
	schema    *structuralschema.Structural
	validator *cel.Validator
}

// rulesAt finds a field by the names on the way to it; "[]" stands for the items
// of a list.
func rulesAt(t *testing.T, names ...string) rules {
	t.Helper()
	s := structural(t, openAPI(t, loadCRD(t)))
	var path *field.Path
	for _, name := range names {
		if name == "[]" {
			s, path = s.Items, path.Index(0)
			continue
		}
		next, found := s.Properties[name]
		if !found {
			t.Fatalf("%s has no %s", path, name)
		}
		s, path = &next, path.Child(name)
	}
	return rules{path: path, schema: s, validator: cel.NewValidator(s, false, celconfig.PerCallLimit)}
}

// broken is what the API server's CEL says about a value.
func (r rules) broken(t *testing.T, value any) string {
	errs, _ := r.validator.Validate(t.Context(), r.path, r.schema, value, nil, celconfig.RuntimeCELCostBudget)
	return messagesAt(errs, r.path)
}

func messagesAt(errs field.ErrorList, path *field.Path) string {
	var messages []string
	for _, err := range errs {
		if err.Field == path.String() {
			messages = append(messages, err.Detail)
		}
	}
	return strings.Join(messages, "; ")
}

// least is a valid policy of the files model.
func least() *v1alpha1.SharedMemoryPolicy {
	p := &v1alpha1.SharedMemoryPolicy{}
	p.Name = "least"
	p.Spec.Match.TmpfsPaths = v1alpha1.TmpfsPathsDetect
	p.Spec.Sizing.Files = &v1alpha1.Files{CreatedPerMinute: "1", FileSize: resource.MustParse("1")}
	return p
}

// joined is a text of one to most tokens.
func joined(r *rand.Rand, tokens []string, most int) string {
	var b strings.Builder
	for range 1 + r.IntN(most) {
		b.WriteString(tokens[r.IntN(len(tokens))])
	}
	return b.String()
}

func TestTheCELRulesOfTextsAgreeWithCompile(t *testing.T) {
	numbers := []string{"0", "1", "9", "18", "000", "999999", ".", ".5", "h", "m", "s", "ms", "1h", "30m", "e", "E", "e-6", "E-12", "e-13", "-", "+", "0.1"}
	paths := []string{"/", "/dev", "/shm", "a", "Z", "0", "_", "-", ".", "..", "/.", "é", " ", "\n"}
	images := []string{"app", "/", ":", ":1", "@", "localhost:5000/", "*", "?", ".", "-", "é", "\n"}
	cases := map[string]struct {
		at     []string
		tokens []string
		set    func(*v1alpha1.SharedMemoryPolicy, string)
	}{
		"the rate": {[]string{"spec", "sizing", "files", "createdPerMinute"}, numbers, func(p *v1alpha1.SharedMemoryPolicy, text string) {
			p.Spec.Sizing.Files.CreatedPerMinute = text
		}},
		"the retention": {[]string{"spec", "sizing", "files", "retention"}, numbers, func(p *v1alpha1.SharedMemoryPolicy, text string) {
			p.Spec.Sizing.Files.Retention = new(v1alpha1.Duration(text))
		}},
		"the sweep interval": {[]string{"spec", "sizing", "files", "sweepInterval"}, numbers, func(p *v1alpha1.SharedMemoryPolicy, text string) {
			p.Spec.Sizing.Files.SweepInterval = new(v1alpha1.Duration(text))
		}},
		"the overflow probability": {[]string{"spec", "sizing", "files", "overflowProbability"}, numbers, func(p *v1alpha1.SharedMemoryPolicy, text string) {
			p.Spec.Sizing.Files.OverflowProbability = text
		}},
		"the mount path": {[]string{"spec", "mountPath"}, paths, func(p *v1alpha1.SharedMemoryPolicy, text string) {
			p.Spec.MountPath = text
		}},
		"a repository": {[]string{"spec", "match", "images", "[]"}, images, func(p *v1alpha1.SharedMemoryPolicy, text string) {
			p.Spec.Match.Images = []string{text}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			rules := rulesAt(t, c.at...)
			longest := int(*rules.schema.ValueValidation.MaxLength)
			accepted, refused := 0, 0
			for range 4000 {
				text := joined(r, c.tokens, 5)
				if len(text) > longest {
					continue
				}
				p := least()
				c.set(p, text)
				_, errs := policy.Compile(p)
				want, got := rules.broken(t, text), messagesAt(errs, rules.path)
				if want != got {
					t.Fatalf("%q: the API server says %q and Compile %q", text, want, got)
				}
				if want == "" {
					accepted++
				} else {
					refused++
				}
			}
			if accepted < 50 || refused < 50 {
				t.Errorf("%d accepted and %d refused: the texts show too little", accepted, refused)
			}
		})
	}
}

// longExponent is one that resource.Quantity writes out in full when it compares:
// seconds and megabytes for 1e9999999.
var longExponent = regexp.MustCompile(`[eE][-+]?[0-9]{4}`)

func TestTheCELRulesOfQuantitiesAgreeWithCompile(t *testing.T) {
	texts := []string{"0", "1", "4", "5", "16", "64", "1024", "4096", "1048576", "67108864", "-", "+", ".", ".5", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "m", "k", "M", "G", "P", "E", "e3", "e-3", "e6", "e400"}
	sizing := func(names ...string) []string { return append([]string{"spec", "sizing"}, names...) }
	cases := map[string]struct {
		at  []string
		set func(*v1alpha1.SharedMemoryPolicy, *resource.Quantity)
	}{
		"min":   {sizing("min"), func(p *v1alpha1.SharedMemoryPolicy, q *resource.Quantity) { p.Spec.Sizing.Min = q }},
		"max":   {sizing("max"), func(p *v1alpha1.SharedMemoryPolicy, q *resource.Quantity) { p.Spec.Sizing.Max = q }},
		"pages": {sizing("pageSize"), func(p *v1alpha1.SharedMemoryPolicy, q *resource.Quantity) { p.Spec.Sizing.PageSize = q }},
		"fixed": {sizing("fixed"), func(p *v1alpha1.SharedMemoryPolicy, q *resource.Quantity) {
			p.Spec.Sizing.Files, p.Spec.Sizing.Fixed = nil, q
		}},
		"the file size": {sizing("files", "fileSize"), func(p *v1alpha1.SharedMemoryPolicy, q *resource.Quantity) {
			p.Spec.Sizing.Files.FileSize = *q
		}},
		"the base of units": {sizing("units", "base"), func(p *v1alpha1.SharedMemoryPolicy, q *resource.Quantity) {
			p.Spec.Sizing.Files, p.Spec.Sizing.Units = nil, &v1alpha1.Units{Base: q, Each: resource.MustParse("1")}
		}},
		"each unit": {sizing("units", "each"), func(p *v1alpha1.SharedMemoryPolicy, q *resource.Quantity) {
			p.Spec.Sizing.Files, p.Spec.Sizing.Units = nil, &v1alpha1.Units{Each: *q}
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			rules := rulesAt(t, c.at...)
			accepted, refused := 0, 0
			for range 4000 {
				var value any = joined(r, texts, 3)
				if r.IntN(4) == 0 {
					value = int64(1)<<r.IntN(54) + r.Int64N(3) - 1
				}
				text, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				if longExponent.Match(text) {
					continue
				}
				var q resource.Quantity
				if q.UnmarshalJSON(text) != nil {
					if rules.broken(t, value) == "" {
						t.Fatalf("%s: the API server accepts what the Go type cannot read", text)
					}
					continue
				}
				p := least()
				c.set(p, &q)
				_, errs := policy.Compile(p)
				want, got := rules.broken(t, value), messagesAt(errs, rules.path)
				if want != got {
					t.Fatalf("%s: the API server says %q and Compile %q", text, want, got)
				}
				if want == "" {
					accepted++
				} else {
					refused++
				}
			}
			if accepted < 10 || refused < 50 {
				t.Errorf("%d accepted and %d refused: the quantities show too little", accepted, refused)
			}
		})
	}
}
