package model

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// modelFlag represents a flag that stands for a field of a SharedMemoryPolicy. All are texts, so
// that the policy's own rules check them and every mistake is reported at once.
type modelFlag struct {
	name string
	// field is the path below spec.sizing, as the compiler's errors have it.
	field string
	// example is a value of a flag that is required; empty for the others.
	example string
	usage   string
}

var modelFlags = []modelFlag{
	{"files-per-minute", "files.createdPerMinute", "18", "`NUMBER` of files created a minute, on average over the busiest stretch of the retention; decimals are allowed"},
	{"retention", "files.retention", "", "`DURATION` after which a file may be deleted, such as 168h; without it nothing is ever deleted"},
	{"sweep-interval", "files.sweepInterval", "", "`DURATION` from one deletion of old files to the next"},
	{"file-size", "files.fileSize", "1500", "`SIZE` of one file, in bytes or as a quantity: 1500 or 16Ki"},
	{"batch", "files.batch", "", "`NUMBER` of files created at once"},
	{"name-length", "files.nameLength", "", "`LENGTH` of the files' names in bytes: those of 40 and more cost kernel memory of their own; without it 40 to 71"},
	{"overflow-probability", "files.overflowProbability", "", "accepted `PROBABILITY` that the files alive at a moment need more than the required size"},
	{"headroom", "headroomPercent", "", "spare room on top of the required size, in `PERCENT`"},
	{"min", "min", "", "smallest `SIZE` to give, in whole MiB"},
	{"max", "max", "", "largest `SIZE` to give, in whole MiB"},
	{"page-size", "pageSize", "", "page `SIZE` of the nodes' kernels: 4Ki, 16Ki or 64Ki"},
	{"kernel-bytes-per-file", "kernelBytesPerFile", "", "`BYTES` of kernel memory that an empty file with a short name costs on the nodes, as docs/explanation/sizing.md measures it; without it 1112, the most on Linux 5.10 to 7.3"},
}

// in returns the field of a flag; its name in Go is that in YAML but for the case of the first letter.
func (f modelFlag) in(s *v1alpha1.Sizing) reflect.Value {
	at := reflect.ValueOf(s).Elem()
	for name := range strings.SplitSeq(f.field, ".") {
		at = reflect.Indirect(at).FieldByName(strings.ToUpper(name[:1]) + name[1:])
	}
	return at
}

// set writes a text into the field of a flag. It fails, in words that name the flag, on what the
// field's type cannot hold; the compiler checks the rest.
func (f modelFlag) set(s *v1alpha1.Sizing, text string) error {
	switch at := f.in(s).Addr().Interface().(type) {
	case *string:
		*at = text
	case **v1alpha1.Duration:
		*at = new(v1alpha1.Duration(text))
	case **int32:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return fmt.Errorf("--%s: %s is not a whole number within the range: write one such as 20", f.name, cli.Quote(text))
		}
		*at = new(int32(n))
	default:
		q, err := QuantityFlag(f.name, text)
		if err != nil {
			return err
		}
		if field := f.in(s); field.Kind() == reflect.Pointer {
			field.Set(reflect.ValueOf(&q))
		} else {
			field.Set(reflect.ValueOf(q))
		}
	}
	return nil
}

// text returns the value of the field of a flag; empty for none.
func (f modelFlag) text(s *v1alpha1.Sizing) string {
	value := f.in(s)
	if value.IsZero() {
		return ""
	}
	if q, ok := value.Interface().(*resource.Quantity); ok {
		return q.String()
	}
	return fmt.Sprint(reflect.Indirect(value))
}

// QuantityFlag reads a quantity of bytes that is not negative.
func QuantityFlag(flag, text string) (resource.Quantity, error) {
	if err := manifest.CheckQuantity("--"+flag, text); err != nil {
		return resource.Quantity{}, err
	}
	return resource.ParseQuantity(text)
}

// Flags holds the flags that describe a workload: those of a files model, or
// --policy instead of them.
type Flags struct {
	set    *pflag.FlagSet
	policy string
}

// AddFlags adds the flags to a command.
func AddFlags(cmd *cobra.Command) *Flags {
	m := &Flags{set: cmd.Flags()}
	m.set.SortFlags = false
	headroom := int32(policy.DefaultFilesHeadroom)
	defaults := v1alpha1.SharedMemoryPolicy{Spec: v1alpha1.SharedMemoryPolicySpec{Sizing: &v1alpha1.Sizing{
		Files: &v1alpha1.Files{}, HeadroomPercent: &headroom,
	}}}
	v1alpha1.SetDefaults(&defaults)
	for _, f := range modelFlags {
		m.set.String(f.name, f.text(defaults.Spec.Sizing), f.usage)
	}
	m.addUnitFlags()
	m.set.StringVarP(&m.policy, "policy", "p", "", "`FILE` with a SharedMemoryPolicy, or the name of a built-in one, instead of the flags above")
	cli.Complete(cmd, "policy", cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
	cli.Complete(cmd, "page-size", cobra.ShellCompDirectiveNoFileComp, []string{"4Ki", "16Ki", "64Ki"})
	return m
}

// Model returns the workload that the flags describe.
func (m *Flags) Model(stdin io.Reader) (Model, error) {
	given := m.given()
	group, units := m.givenUnits()
	switch {
	case m.set.Changed("policy"):
		if given = append(given, units...); len(given) > 0 {
			return Model{}, fmt.Errorf("--policy: %s cannot be combined with %s, which the policy says itself: leave one of them out", cli.Quote(m.policy), strings.Join(given, ", "))
		}
		return m.fromPolicy(stdin)
	case group != nil:
		return m.fromUnits(group, units)
	case m.set.Changed(countFlag):
		return Model{}, errors.New("--count: says how many of what a policy counts, or of what --workers or --work-mem describe: give one of them too")
	}
	return m.fromFlags(given)
}

// Given reports whether any flag that describes a workload is on the command line.
func (m *Flags) Given() bool {
	group, _ := m.givenUnits()
	return group != nil || len(m.given()) > 0 || m.set.Changed("policy") || m.set.Changed(countFlag)
}

// ReadsStdin reports whether --policy is standard input.
func (m *Flags) ReadsStdin() bool { return m.policy == "-" }

// Changed reports whether a flag of the command is on the command line.
func (m *Flags) Changed(flag string) bool { return m.set.Changed(flag) }

// text returns what was written for a flag, or its default.
func (m *Flags) text(flag string) string { return m.set.Lookup(flag).Value.String() }

// given returns the flags of a model that are on the command line, with two dashes.
func (m *Flags) given() []string {
	var given []string
	for _, f := range modelFlags {
		if m.set.Changed(f.name) {
			given = append(given, "--"+f.name)
		}
	}
	return given
}

// givenFiles returns those that describe files alone.
func (m *Flags) givenFiles() []string {
	var given []string
	for _, f := range modelFlags {
		if m.set.Changed(f.name) && strings.HasPrefix(f.field, "files.") {
			given = append(given, "--"+f.name)
		}
	}
	return given
}

func (m *Flags) fromFlags(given []string) (Model, error) {
	if len(given) == 0 {
		return Model{}, errors.New("there is nothing to compute with: give --files-per-minute and --file-size, --workers and --batch-bytes, --work-mem, or --policy")
	}
	p := v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "flags"},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match:  []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}},
			Sizing: &v1alpha1.Sizing{Files: &v1alpha1.Files{}},
		},
	}
	// What is wrong or missing gets a value that the compiler accepts, so that it finds what is
	// wrong with the others.
	p.Spec.Sizing.Files.CreatedPerMinute, p.Spec.Sizing.Files.FileSize = "1", *resource.NewQuantity(1, resource.BinarySI)
	var all cli.Errors
	for _, f := range modelFlags {
		text := m.text(f.name)
		switch {
		case m.set.Changed(f.name) && text == "":
			all.Add(fmt.Errorf(`--%s: "" is empty: write a value, or leave the flag out`, f.name))
		case m.set.Changed(f.name):
			all.Add(f.set(p.Spec.Sizing, text))
		case f.example != "":
			all.Add(fmt.Errorf("--%s: is missing: give it, such as --%s %s", f.name, f.name, f.example))
		}
	}
	out, found := New(&p)
	for _, e := range found {
		all.Add(m.explain(e))
	}
	out.Name = ""
	return out, all.Err()
}

// explain returns a compiler's error in the words of the flag that caused it.
func (m *Flags) explain(e *field.Error) error {
	if e.Field == "spec.sizing" {
		return fmt.Errorf("--min: %s must not be greater than --max, which is %s: lower --min or raise --max", cli.Quote(m.text("min")), cli.Quote(m.text("max")))
	}
	i := slices.IndexFunc(modelFlags, func(f modelFlag) bool { return "spec.sizing."+f.field == e.Field })
	if i < 0 {
		return e
	}
	name, detail := modelFlags[i].name, e.Detail
	if e.Type == field.ErrorTypeTooLong {
		detail += ": write it shorter"
	}
	return fmt.Errorf("--%s: %s %s", name, cli.Quote(m.text(name)), detail)
}
