// Package size explains how large /dev/shm has to be.
package size

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Reasons of findings that are about the computation and not about a Pod.
const (
	// neverDeleted: no retention is given, so no size is enough.
	neverDeleted policy.Reason = "NeverDeleted"
	// saturated: the upper bound cuts the size below what is required.
	saturated policy.Reason = "Saturated"
)

const help = `Computes how large /dev/shm has to be, what that costs in memory, and when it fills.

The workload is one that keeps a file for each request or session and deletes it
when it is old: say how many files it creates, how large they are and how long
they stay. A data loader of PyTorch (--workers, --prefetch, --batch-bytes) and parallel
queries of PostgreSQL (--work-mem, --parallel-workers) can be described too, and a policy
can say all of that, with --count for one that counts cameras or GPUs.

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
  findings                        [{reason, detail}]: what is wrong with the result

With --compare it puts side by side what can be done instead about a size that fills:
a larger size, a shorter validity, fewer probes, or a restart every so often, each as far
as it just suffices, with what it costs. svg and png draw it.`

const examples = `  # 18 files a minute of 1,500 bytes, kept for a week
  kubectl shm size --files-per-minute 18 --file-size 1500 --retention 168h

  # What a container that is limited to 256Mi would really get, as JSON
  kubectl shm size --files-per-minute 18 --file-size 1500 --retention 168h --memory-limit 256Mi -o json

  # Nothing is ever deleted: when are 2Gi full?
  kubectl shm size --files-per-minute 0.5 --file-size 16Ki --max 2Gi

  # A larger size, a shorter validity, fewer probes or regular restarts?
  kubectl shm size --files-per-minute 18 --file-size 1500 --retention 168h --compare
  kubectl shm size -p authentik-proxy-outposts --compare -O compare.png

  # A data loader of 8 workers, each with 2 batches of 64 images of 3 x 224 x 224 in 32 bits ready
  kubectl shm size --workers 8 --prefetch 2 --batch-bytes 38535168

  # Four parallel hash joins at a time
  kubectl shm size --work-mem 64Mi --parallel-workers 4 --count 4

  # What a built-in policy gives
  kubectl shm size -p authentik-proxy-outposts
  kubectl shm size -p ray --memory-limit 8Gi
  kubectl shm size -p frigate --count 8`

// options holds the flags of size, as they were written.
type options struct {
	model       *model.Flags
	memoryLimit string
	output      cli.Choice
	compareFlags
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "size",
		Short:   "Compute how large /dev/shm has to be, and explain it",
		Long:    help,
		Example: examples,
		Args:    cli.NoArguments,
		RunE:    func(*cobra.Command, []string) error { return o.run(s) },
	}
	o.model = model.AddFlags(cmd)
	cmd.Flags().StringVar(&o.memoryLimit, "memory-limit", "", "memory limit of the container, as a `SIZE`: shows what the kubelet would mount and whether the limit holds a full volume")
	f := cmd.Flags()
	f.BoolVar(&o.compare, "compare", false, "compare the remedies: a larger size, a shorter validity, fewer probes, regular restarts")
	f.StringVar(&o.current, "current-size", "", "`SIZE` that is mounted now, for --compare (default: 64Mi, the runtime's)")
	o.output.AddOutput(cmd, "table", "json", "yaml", "svg", "png")
	f.StringVarP(&o.file, "output-file", "O", "", "`FILE` to write a comparison to instead of standard output; .svg and .png say the format if -o does not")
	return cmd
}

func (o *options) run(s cli.Streams) error {
	limit, err := model.MemoryLimitFlag(o.memoryLimit, o.model.Changed("memory-limit"))
	if err != nil {
		return err
	}
	m, err := o.model.Model(s.In)
	if err != nil {
		return err
	}
	c, err := compute(m, limit)
	if err != nil {
		return err
	}
	if o.compare {
		return o.runComparison(s, c)
	}
	if err := o.onlyForComparisons(); err != nil {
		return err
	}
	switch o.output.Value {
	case "json":
		return cli.WriteJSON(s.Out, c.report())
	case "yaml":
		return cli.WriteYAML(s.Out, c.report())
	default:
		c.writeTable(s.Out)
		return nil
	}
}

// onlyForComparisons returns an error if a flag is given that counts with --compare only.
func (o *options) onlyForComparisons() error {
	for _, flag := range []string{"current-size", "output-file"} {
		if o.model.Changed(flag) {
			return fmt.Errorf("--%s: it counts with --compare only: add that, or leave it out", flag)
		}
	}
	if o.output.Value == "svg" || o.output.Value == "png" {
		return fmt.Errorf("--output: %s is a picture of a comparison: add --compare, or see kubectl shm simulate for one of how a volume fills", cli.Quote(o.output.Value))
	}
	return nil
}

// computed represents a computed size and what follows from it.
type computed struct {
	model.Model
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
func compute(m model.Model, memoryLimit sizing.Bytes) (computed, error) {
	size, err := m.SizeFor(memoryLimit)
	if err != nil {
		return computed{}, err
	}
	c := computed{Model: m, Size: size, memoryLimit: memoryLimit}
	subject := m.Subject(c.Limit, memoryLimit)
	c.effective = policy.MountedSize(subject, c.Limit)
	c.findings = c.check(subject)
	return c, nil
}

// check says what is wrong with the size itself, and with a Pod that mounts it.
func (c computed) check(subject policy.Subject) []finding {
	findings := []finding{}
	max, retention := "--max", "--retention"
	if c.Name != "" {
		max, retention = "sizing.max", "sizing.files.retention"
	}
	if shortfall := c.Shortfall(c.Limit); shortfall != "" {
		reason, remedy := saturated, "raise "+max
		switch {
		case !c.Bounded:
			reason, remedy = neverDeleted, "delete old files, and set "+retention+" to how old they get"
		case c.Files() != nil:
			remedy += ", or shorten " + retention
		}
		findings = append(findings, finding{reason, shortfall + ": " + remedy})
	}
	e := policy.NewSet(c.Compiled).Evaluate(subject)
	for _, v := range e.Before() {
		findings = append(findings, finding{v.Reason, v.Detail})
	}
	return findings
}

// fills reports whether a volume of the given size fills at the average rate.
func (c computed) fills(volume sizing.Bytes) bool {
	return c.Spec.Sizing.Files != nil && c.Overflows(volume)
}
