package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Reasons of findings that are about the computation and not about a Pod.
const (
	// neverDeleted: no retention is given, so no size is enough.
	neverDeleted policy.Reason = "NeverDeleted"
	// saturated: the upper bound cuts the size below what is required.
	saturated policy.Reason = "Saturated"
)

const sizeHelp = `Computes how large /dev/shm has to be, what that costs in memory, and when it fills.

The workload is one that keeps a file for each request or session and deletes it
when it is old: say how many files it creates, how large they are and how long
they stay. A policy can say the same, and other models too.

JSON and YAML have these fields. What is null is not a number: meanFiles,
peakFiles and requiredBytes if nothing is ever deleted, or if they are more than
can be counted; all that is about files for a policy that knows no file size.
  meanFiles, peakFiles            files alive just before old ones are deleted: on
                                  average, and exceeded only with the overflow
                                  probability
  bytesPerFile                    what a file occupies: whole pages
  requiredBytes                   the required size: peakFiles x bytesPerFile
  sizeLimit, sizeLimitBytes       the sizeLimit to set: required size and headroom
  capacityFiles                   files that fit in it
  kernelBytesPerFile              kernel memory of a file beside its pages
  kernelMemoryBytes               that of all files that fit
  memoryCostBytes                 what a full volume costs: both together
  averageUseBytes                 what is in use on average
  effectiveBytes                  what the kubelet would mount: the sizeLimit, or
                                  --memory-limit if that is less
  bounded                         false if nothing is ever deleted
  saturated                       true if --max cuts the sizeLimit below the
                                  required size
  fullAfterSeconds                when the volume fills at the average rate, from
                                  empty; null if it does not
  findings                        [{reason, detail}]: what is wrong with the result`

const sizeExamples = `  # 18 files a minute of 1,500 bytes, kept for a week
  kubectl shm size --files-per-minute 18 --file-size 1500 --retention 168h

  # What a container that is limited to 256Mi would really get, as JSON
  kubectl shm size --files-per-minute 18 --file-size 1500 --retention 168h --memory-limit 256Mi -o json

  # Nothing is ever deleted: when are 2Gi full?
  kubectl shm size --files-per-minute 0.5 --file-size 16Ki --max 2Gi

  # What a built-in policy gives
  kubectl shm size -p authentik-proxy-outposts
  kubectl shm size -p ray --memory-limit 8Gi`

func sizeFormats() []string { return []string{"table", "json", "yaml"} }

// sizeOptions holds the flags of size, as they were written.
type sizeOptions struct {
	model       *modelFlags
	memoryLimit string
	output      string
	changed     func(flag string) bool
}

func newSizeCommand(s streams) *cobra.Command {
	var o sizeOptions
	cmd := &cobra.Command{
		Use:     "size",
		Short:   "Compute how large /dev/shm has to be, and explain it",
		Long:    sizeHelp,
		Example: sizeExamples,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.changed = cmd.Flags().Changed
			return o.run(s)
		},
	}
	o.model = addModelFlags(cmd)
	cmd.Flags().StringVar(&o.memoryLimit, "memory-limit", "", "memory limit of the container, as a `SIZE`: shows what the kubelet would mount and whether the limit holds a full volume")
	addOutputFlag(cmd, &o.output, sizeFormats())
	explainUsage(cmd)
	return cmd
}

func (o *sizeOptions) run(s streams) error {
	if err := oneOf("--output", o.output, sizeFormats()); err != nil {
		return err
	}
	limit, err := memoryLimitFlag(o.memoryLimit, o.changed("memory-limit"))
	if err != nil {
		return err
	}
	m, err := o.model.model(s.in)
	if err != nil {
		return err
	}
	c, err := m.compute(limit)
	if err != nil {
		return err
	}
	switch o.output {
	case "json":
		return writeJSON(s.out, c.report())
	case "yaml":
		return c.writeYAML(s.out)
	default:
		return c.writeTable(s.out)
	}
}

// addOutputFlag adds -o to a command; the first format is the default.
func addOutputFlag(cmd *cobra.Command, output *string, formats []string) {
	last := len(formats) - 1
	cmd.Flags().StringVarP(output, "output", "o", formats[0], "`FORMAT`: "+strings.Join(formats[:last], ", ")+" or "+formats[last])
	complete(cmd, "output", cobra.ShellCompDirectiveNoFileComp, formats)
}

// memoryLimitFlag returns the memory limit; 0 if none is given.
func memoryLimitFlag(text string, given bool) (sizing.Bytes, error) {
	if !given {
		return 0, nil
	}
	q, err := quantityFlag("memory-limit", text)
	if err != nil {
		return 0, err
	}
	if q.Sign() == 0 {
		return 0, fmt.Errorf("--memory-limit: %s is not a limit: write one such as 512Mi, or leave the flag out", shown(text))
	}
	return sizing.BytesOf(q), nil
}

// computed represents a computed size and what follows from it.
type computed struct {
	model
	sizing.Size
	// memoryLimit is the container's; 0 for none.
	memoryLimit sizing.Bytes
	// effective is what the kubelet would mount.
	effective sizing.Bytes
	findings  []finding
}

// finding represents something that is wrong with a result.
type finding struct {
	Reason policy.Reason `json:"reason"`
	// Detail is a sentence that ends in the remedy.
	Detail string `json:"detail"`
}

// compute sizes /dev/shm for a Pod of one container with the given memory limit, 0 for none. It
// fails if the model needs a Pod that says more.
func (m model) compute(memoryLimit sizing.Bytes) (computed, error) {
	c := computed{model: m, memoryLimit: memoryLimit}
	size, ok := m.policy.Size()
	switch units := m.spec.Sizing.Units; {
	case ok:
		c.Size = size
	case units != nil:
		return computed{}, fmt.Errorf("--policy: %s counts %s of a Pod, and there is none: give the Pod to kubectl shm review, or write count: {literal: 4} in a copy of the policy",
			shown(m.name), counted(&units.Count))
	case memoryLimit == 0:
		return computed{}, fmt.Errorf("--memory-limit: is missing, and policy %s takes %d%% of it: give it, such as --memory-limit 2Gi", shown(m.name), m.spec.Sizing.MemoryPercent.Percent)
	default:
		c.Size = policy.NewSet(m.policy).Evaluate(m.subject(0, memoryLimit)).Size
	}
	subject := m.subject(c.Limit, memoryLimit)
	c.effective = policy.MountedSize(subject, c.Limit)
	c.findings = c.check(subject)
	return c, nil
}

// subject returns a Pod of one container that mounts a volume of the given size.
func (m model) subject(volume, memoryLimit sizing.Bytes) policy.Subject {
	container := corev1.Container{
		Name:         "app",
		VolumeMounts: []corev1.VolumeMount{{Name: "dev-shm", MountPath: m.spec.MountPath}},
	}
	if memoryLimit > 0 {
		container.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: *memoryLimit.Quantity()}
	}
	return policy.Subject{Kind: "Pod", Name: "app", Pod: policy.ViewOf(&metav1.ObjectMeta{Name: "app"}, &corev1.PodSpec{
		Containers: []corev1.Container{container},
		Volumes: []corev1.Volume{{Name: "dev-shm", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: volume.Quantity()},
		}}},
	})}
}

// counted says what a count is taken from.
func counted(c *v1alpha1.Count) string {
	if c.Annotation != nil {
		return "the annotation " + shown(*c.Annotation)
	}
	if more := len(c.Resources) - 1; more > 0 {
		return fmt.Sprintf("the resource %s and %d others", shown(c.Resources[0]), more)
	}
	return "the resource " + shown(c.Resources[0])
}

// check says what is wrong with the size itself, and with a Pod that mounts it.
func (c computed) check(subject policy.Subject) []finding {
	findings := []finding{}
	limit := c.Limit.Quantity().String()
	max, retention := "--max", "--retention"
	if c.name != "" {
		max, retention = "sizing.max", "sizing.files.retention"
	}
	switch {
	case !c.Bounded:
		findings = append(findings, finding{neverDeleted, fmt.Sprintf(
			"files are never deleted, so no size is enough: %s fills after %s: delete old files, and say after how long with %s", limit, sizing.FormatDuration(c.FullAfterOf(c.Limit)), retention)})
	case c.Saturated && c.Overflows(c.Limit):
		findings = append(findings, finding{saturated, fmt.Sprintf(
			"%s %s is less than the %s that are required, so it fills after %s: raise %s, or shorten %s", max, limit, c.Required, sizing.FormatDuration(c.FullAfterOf(c.Limit)), max, retention)})
	case c.Saturated && c.spec.Sizing.Files != nil:
		findings = append(findings, finding{saturated, fmt.Sprintf(
			"%s %s is less than the %s that are required, so it overflows more often than with probability %s: raise %s, or shorten %s", max, limit, c.Required, c.spec.Sizing.Files.OverflowProbability, max, retention)})
	case c.Saturated:
		findings = append(findings, finding{saturated, fmt.Sprintf("%s %s is less than the %s that are required: raise %s", max, limit, c.Required, max)})
	}
	e := policy.NewSet(c.policy).Evaluate(subject)
	for _, v := range e.Before() {
		findings = append(findings, finding{v.Reason, v.Detail})
	}
	return findings
}

// fills reports whether a volume of the given size fills at the average rate.
func (c computed) fills(volume sizing.Bytes) bool {
	return c.spec.Sizing.Files != nil && c.Overflows(volume)
}

// files returns the files model; nil for a policy with another one.
func (c computed) files() *v1alpha1.Files { return c.spec.Sizing.Files }
