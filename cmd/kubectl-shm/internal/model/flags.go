package model

import (
	"errors"
	"fmt"
	"io"
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
	name, usage string
	// field is the path that the compiler's errors have.
	field string
	// set writes a text into the field. It fails, in words that name the flag, on what the
	// field's type cannot hold; the compiler checks the rest.
	set func(s *v1alpha1.Sizing, flag, text string) error
	// value is the default, as the policy API has it; nil for none.
	value func(s *v1alpha1.Sizing) string
	// example is a value of a flag that is required; empty for the others.
	example string
}

var modelFlagList = []modelFlag{
	{
		"files-per-minute", "`NUMBER` of files created a minute, on average over the busiest stretch of the retention; decimals are allowed",
		"spec.sizing.files.createdPerMinute",
		func(s *v1alpha1.Sizing, _, text string) error { s.Files.CreatedPerMinute = text; return nil },
		nil,
		"18",
	},
	{
		"retention", "`DURATION` after which a file may be deleted, such as 168h; without it nothing is ever deleted",
		"spec.sizing.files.retention",
		func(s *v1alpha1.Sizing, _, text string) error { s.Files.Retention = DurationOf(text); return nil },
		nil,
		"",
	},
	{
		"sweep-interval", "`DURATION` from one deletion of old files to the next",
		"spec.sizing.files.sweepInterval",
		func(s *v1alpha1.Sizing, _, text string) error { s.Files.SweepInterval = DurationOf(text); return nil },
		func(s *v1alpha1.Sizing) string { return string(*s.Files.SweepInterval) },
		"",
	},
	{
		"file-size", "`SIZE` of one file, in bytes or as a quantity: 1500 or 16Ki",
		"spec.sizing.files.fileSize",
		func(s *v1alpha1.Sizing, flag, text string) error { return setQuantity(&s.Files.FileSize, flag, text) },
		nil,
		"1500",
	},
	{
		"batch", "`NUMBER` of files created at once",
		"spec.sizing.files.batch",
		func(s *v1alpha1.Sizing, flag, text string) error { return setInt32(&s.Files.Batch, flag, text) },
		func(s *v1alpha1.Sizing) string { return strconv.Itoa(int(*s.Files.Batch)) },
		"",
	},
	{
		"name-length", "`LENGTH` of the files' names in bytes: long ones cost kernel memory; without it up to 71",
		"spec.sizing.files.nameLength",
		func(s *v1alpha1.Sizing, flag, text string) error { return setInt32(&s.Files.NameLength, flag, text) },
		nil,
		"",
	},
	{
		"overflow-probability", "accepted `PROBABILITY` that the files alive at a moment need more than the required size",
		"spec.sizing.files.overflowProbability",
		func(s *v1alpha1.Sizing, _, text string) error { s.Files.OverflowProbability = text; return nil },
		func(s *v1alpha1.Sizing) string { return s.Files.OverflowProbability },
		"",
	},
	{
		"headroom", "spare room on top of the required size, in `PERCENT`",
		"spec.sizing.headroomPercent",
		func(s *v1alpha1.Sizing, flag, text string) error { return setInt32(&s.HeadroomPercent, flag, text) },
		func(*v1alpha1.Sizing) string { return strconv.Itoa(policy.DefaultFilesHeadroom) },
		"",
	},
	{
		"min", "smallest `SIZE` to give, in whole MiB",
		"spec.sizing.min",
		func(s *v1alpha1.Sizing, flag, text string) error { return setNewQuantity(&s.Min, flag, text) },
		func(s *v1alpha1.Sizing) string { return s.Min.String() },
		"",
	},
	{
		"max", "largest `SIZE` to give, in whole MiB",
		"spec.sizing.max",
		func(s *v1alpha1.Sizing, flag, text string) error { return setNewQuantity(&s.Max, flag, text) },
		func(s *v1alpha1.Sizing) string { return s.Max.String() },
		"",
	},
	{
		"page-size", "page `SIZE` of the nodes' kernels: 4Ki, 16Ki or 64Ki",
		"spec.sizing.pageSize",
		func(s *v1alpha1.Sizing, flag, text string) error { return setNewQuantity(&s.PageSize, flag, text) },
		func(s *v1alpha1.Sizing) string { return s.PageSize.String() },
		"",
	},
	{
		"kernel-bytes-per-file", "`BYTES` of kernel memory that an empty file with a short name costs on the nodes, as docs/sizing.md measures it; without it 1112, the most on Linux 5.10 to 7.3",
		"spec.sizing.kernelBytesPerFile",
		func(s *v1alpha1.Sizing, flag, text string) error { return setInt32(&s.KernelBytesPerFile, flag, text) },
		nil,
		"",
	},
}

// DurationOf returns a pointer to a duration as a policy has it.
func DurationOf(text string) *v1alpha1.Duration {
	d := v1alpha1.Duration(text)
	return &d
}

// QuantityFlag reads a quantity of bytes that is not negative.
func QuantityFlag(flag, text string) (resource.Quantity, error) {
	if err := manifest.CheckQuantity("--"+flag, text); err != nil {
		return resource.Quantity{}, err
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}, fmt.Errorf("--%s: %s is not a quantity: write a quantity such as 512Mi", flag, cli.Quote(text))
	}
	return q, nil
}

func setQuantity(field *resource.Quantity, flag, text string) error {
	q, err := QuantityFlag(flag, text)
	if err == nil {
		*field = q
	}
	return err
}

func setNewQuantity(field **resource.Quantity, flag, text string) error {
	var q resource.Quantity
	err := setQuantity(&q, flag, text)
	if err == nil {
		*field = &q
	}
	return err
}

func setInt32(field **int32, flag, text string) error {
	parsed, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return fmt.Errorf("--%s: %s is not a whole number within the range: write one such as 20", flag, cli.Quote(text))
	}
	value := int32(parsed)
	*field = &value
	return nil
}

// Flags holds the flags that describe a workload: those of a files model, or
// --policy instead of them.
type Flags struct {
	set    *pflag.FlagSet
	policy string
	texts  map[string]*string
}

// AddFlags adds the flags to a command.
func AddFlags(cmd *cobra.Command) *Flags {
	m := &Flags{set: cmd.Flags(), texts: map[string]*string{}}
	m.set.SortFlags = false
	defaults := v1alpha1.SharedMemoryPolicy{Spec: v1alpha1.SharedMemoryPolicySpec{Sizing: &v1alpha1.Sizing{Files: &v1alpha1.Files{}}}}
	v1alpha1.SetDefaults(&defaults)
	for _, f := range modelFlagList {
		value := ""
		if f.value != nil {
			value = f.value(defaults.Spec.Sizing)
		}
		m.texts[f.name] = m.set.String(f.name, value, f.usage)
	}
	m.set.StringVarP(&m.policy, "policy", "p", "", "`FILE` with a SharedMemoryPolicy, or the name of a built-in one, instead of the flags above")
	cli.Complete(cmd, "policy", cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
	cli.Complete(cmd, "page-size", cobra.ShellCompDirectiveNoFileComp, []string{"4Ki", "16Ki", "64Ki"})
	return m
}

// Model returns the workload that the flags describe.
func (m *Flags) Model(stdin io.Reader) (Model, error) {
	given := m.given()
	if !m.set.Changed("policy") {
		return m.fromFlags(given)
	}
	if len(given) > 0 {
		return Model{}, fmt.Errorf("--policy: %s cannot be combined with %s, which the policy says itself: leave one of them out", cli.Quote(m.policy), strings.Join(given, ", "))
	}
	return fromPolicy(m.policy, stdin)
}

// given returns the flags of a model that are on the command line, with two dashes.
func (m *Flags) given() []string {
	var given []string
	for _, f := range modelFlagList {
		if m.set.Changed(f.name) {
			given = append(given, "--"+f.name)
		}
	}
	return given
}

func (m *Flags) fromFlags(given []string) (Model, error) {
	if len(given) == 0 {
		return Model{}, errors.New("there is nothing to compute with: give --files-per-minute and --file-size, or --policy")
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
	for _, f := range modelFlagList {
		text := *m.texts[f.name]
		switch {
		case m.set.Changed(f.name) && text == "":
			all.Add(fmt.Errorf(`--%s: "" is empty: write a value, or leave the flag out`, f.name))
		case m.set.Changed(f.name):
			all.Add(f.set(p.Spec.Sizing, f.name, text))
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
		return fmt.Errorf("--min: %s must not be greater than --max, which is %s: lower --min or raise --max", cli.Quote(*m.texts["min"]), cli.Quote(*m.texts["max"]))
	}
	i := slices.IndexFunc(modelFlagList, func(f modelFlag) bool { return f.field == e.Field })
	if i < 0 {
		return e
	}
	name, detail := modelFlagList[i].name, e.Detail
	if e.Type == field.ErrorTypeTooLong {
		detail += ": write it shorter"
	}
	return fmt.Errorf("--%s: %s %s", name, cli.Quote(*m.texts[name]), detail)
}
