package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
)

// specRules are the CEL rules of a policy's spec.
type specRules struct {
	schema    *structuralschema.Structural
	validator *cel.Validator
}

func newSpecRules(t *testing.T) specRules {
	t.Helper()
	schema := structural(t, openAPI(t, loadCRD(t))).Properties["spec"]
	validator := cel.NewValidator(&schema, false, celconfig.PerCallLimit)
	return specRules{schema: &schema, validator: validator}
}

// validate returns what the API server's CEL says about a spec.
func (r specRules) validate(t *testing.T, spec map[string]any) field.ErrorList {
	root := field.NewPath("spec")
	const budget = celconfig.RuntimeCELCostBudget
	errs, _ := r.validator.Validate(t.Context(), root, r.schema, spec, nil, budget)
	return errs
}

func messagesAt(errs field.ErrorList, at string) string {
	var messages []string
	for _, err := range errs {
		if err.Field == at {
			messages = append(messages, err.Detail)
		}
	}
	slices.Sort(messages)
	return strings.Join(messages, "; ")
}

// agreement puts values into one field of a valid spec, and compares what the API server
// and Compile say about them.
type agreement struct {
	rules              specRules
	at                 string // the field that the messages are about
	object             string // the policy as JSON, with a placeholder for the value
	accepted, rejected int
}

const placeholder = "VALUE"

// newAgreement takes the spec as YAML, with %s for the value.
func newAgreement(t *testing.T, rules specRules, at, spec string) *agreement {
	t.Helper()
	text := "{metadata: {name: p}, spec: " + fmt.Sprintf(spec, placeholder) + "}"
	object, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &agreement{rules: rules, at: at, object: string(object)}
}

// check compares what is said about one value. What the Go type cannot hold, the API
// server has to reject.
func (a *agreement) check(t *testing.T, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte(strings.Replace(a.object, `"`+placeholder+`"`, string(text), 1))
	var object struct {
		Spec map[string]any `json:"spec"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(content, &object); err != nil {
		t.Fatal(err)
	}
	byCEL := a.rules.validate(t, object.Spec)
	p, _, err := decodeStrictly(content)
	if err != nil {
		if len(byCEL) == 0 {
			t.Fatalf("%s: the API server accepts what the Go type cannot hold: %v", text, err)
		}
		return
	}
	_, errs := policy.Compile(p)
	want, got := messagesAt(byCEL, a.at), messagesAt(errs, a.at)
	if got != want {
		t.Fatalf("%s: the API server says %q and Compile %q", text, want, got)
	}
	if want == "" {
		a.accepted++
	} else {
		a.rejected++
	}
}

// joined returns a text of one to most tokens.
func joined(r *rand.Rand, tokens []string, most int) string {
	var b strings.Builder
	for range 1 + r.IntN(most) {
		b.WriteString(tokens[r.IntN(len(tokens))])
	}
	return b.String()
}

func TestCELAndCompile_Texts(t *testing.T) {
	numbers := []string{
		"0", "1", "9", "18", "000", "999999", ".", ".5", "h", "m", "s", "ms", "1h", "30m",
		"e", "E", "e-6", "E-12", "e-13", "-", "+", "0.1",
	}
	paths := []string{
		"/", "/dev", "/shm", "/proc", "/sys", "/run", "/var", "/secrets", "/etc", "/usr",
		"a", "Z", "0", "_", "-", ".", "..", "/.", "é", " ", "\n",
	}
	images := []string{"app", "/", ":", ":1", "@", "localhost:5000/", "*", "?", ".", "-", "é", "\n"}
	const files = "{match: [{mounted: true}], sizing: {max: 4Gi, files: {fileSize: 1, "
	rules := newSpecRules(t)
	for name, c := range map[string]struct {
		at, spec string
		tokens   []string
		longest  int
	}{
		"the rate": {
			"spec.sizing.files.createdPerMinute", files + "createdPerMinute: %s}}}", numbers, 32,
		},
		"the retention": {
			"spec.sizing.files.retention", files + `createdPerMinute: "1", retention: %s}}}`, numbers, 20,
		},
		"the sweep interval": {
			"spec.sizing.files.sweepInterval",
			files + `createdPerMinute: "1", sweepInterval: %s}}}`, numbers, 20,
		},
		"the overflow probability": {
			"spec.sizing.files.overflowProbability",
			files + `createdPerMinute: "1", overflowProbability: %s}}}`, numbers, 24,
		},
		"the mount path": {
			"spec.mountPath", "{match: [{mounted: true}], mountPath: %s}", paths, 255,
		},
		"a repository": {
			"spec.match[1].images[0]", "{match: [{mounted: true}, {images: [%s]}]}", images, 255,
		},
		"a repository to exclude": {
			"spec.exclude[0].images[0]",
			"{match: [{mounted: true}], exclude: [{images: [%s]}]}", images, 255,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			a := newAgreement(t, rules, c.at, c.spec)
			for range 1500 {
				if text := joined(r, c.tokens, 5); len(text) <= c.longest {
					a.check(t, text)
				}
			}
			if a.accepted < 20 || a.rejected < 20 {
				t.Errorf("%d accepted and %d rejected: the texts show too little", a.accepted, a.rejected)
			}
		})
	}
}

// longExponent is one that resource.Quantity writes out in full when it compares:
// seconds and megabytes for 1e9999999.
var longExponent = regexp.MustCompile(`[eE][-+]?[0-9]{4}`)

func TestCELAndCompile_Quantities(t *testing.T) {
	tokens := []string{
		"0", "1", "4", "5", "16", "64", "1024", "4096", "1048576", "67108864", "-", "+", ".", ".5",
		"Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "m", "k", "M", "G", "P", "E",
		"e3", "e-3", "e6", "e400",
	}
	const match = "{match: [{mounted: true}], "
	rules := newSpecRules(t)
	for name, c := range map[string]struct{ at, spec string }{
		"min": {"spec.sizing.min", match + "sizing: {fixed: {size: 1}, min: %s, max: 1Pi}}"},
		"max": {"spec.sizing.max", match + "sizing: {fixed: {size: 1}, max: %s}}"},
		"min beside the default of max": {
			"spec.sizing", match + "sizing: {fixed: {size: 1}, min: %s, max: 4Gi}}",
		},
		"max beside a min": {"spec.sizing", match + "sizing: {fixed: {size: 1}, min: 64Mi, max: %s}}"},
		"pages": {
			"spec.sizing.pageSize", match + "sizing: {fixed: {size: 1}, max: 4Gi, pageSize: %s}}",
		},
		"the fixed size": {"spec.sizing.fixed.size", match + "sizing: {fixed: {size: %s}, max: 4Gi}}"},
		"the fixed size, by max": {
			"spec.sizing.fixed.size", match + "sizing: {fixed: {size: 64Mi}, max: %s}}",
		},
		"the file size": {
			"spec.sizing.files.fileSize",
			match + `sizing: {files: {createdPerMinute: "1", fileSize: %s}, max: 4Gi}}`,
		},
		"the file size of a fixed model": {
			"spec.sizing.fixed.fileSize", match + "sizing: {fixed: {size: 1, fileSize: %s}, max: 4Gi}}",
		},
		"the base of units": {
			"spec.sizing.units.base",
			match + "sizing: {units: {base: %s, each: 1, count: {literal: 1}}, max: 4Gi}}",
		},
		"each unit": {
			"spec.sizing.units.each", match + "sizing: {units: {each: %s, count: {literal: 1}}, max: 4Gi}}",
		},
		"the reserve": {"spec.memory.reserve", match + "memory: {reserve: %s}}"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			a := newAgreement(t, rules, c.at, c.spec)
			for range 1500 {
				if r.IntN(4) == 0 {
					a.check(t, int64(1)<<r.IntN(54)+r.Int64N(3)-1)
				} else if text := joined(r, tokens, 3); !longExponent.MatchString(text) {
					a.check(t, text)
				}
			}
			if a.accepted < 8 || a.rejected < 40 {
				t.Errorf("%d accepted and %d rejected: the quantities show too little", a.accepted, a.rejected)
			}
		})
	}
}
