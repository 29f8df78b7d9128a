// Package simulate plays out how /dev/shm fills.
package simulate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// options holds the flags of simulate, as they were written.
type options struct {
	model            *model.Flags
	memoryLimit      string
	sizes            []string
	days, span, step string
	seed             string
	output           cli.Choice
	file             string
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Play out how /dev/shm fills, day by day",
		Long: `Plays out how /dev/shm fills: files arrive at random, grow old and are swept, and a file
that does not fit is refused with ENOSPC. It shows the runtime's default of 64Mi, the
sizes that are given, and the size that kubectl shm size computes, all under the same
arrivals.

One run is one possible history; --seed picks it, and the same flags give the same bytes.
CSV has a row for each step: seconds, and for each volume the files alive, the bytes that
they use, and the files refused so far.

A model without files knows no rate, and so no time: its units are added one after the
other instead, and the table shows how full each size is. CSV then has a row for each:
what is needed, and for each volume the bytes in use and those that do not fit. A picture
shows what the container's memory limit is made of, with --memory-limit before and after.

Where less is played than the files take to level off, or a size is rounded to the
kernel's pages, the heading of the table says so, and standard error with the other
formats.`,
		Example: `  # The default, two sizes and the computed one, over two weeks
  kubectl shm simulate --files-per-minute 18 --file-size 1500 --retention 168h --size 256Mi --size 512Mi

  # The same as a picture
  kubectl shm simulate --files-per-minute 18 --file-size 1500 --retention 168h --size 512Mi -o svg -O fill.svg

  # The first day, by the hour
  kubectl shm simulate -p authentik-proxy-outposts --days 1

  # What pays for a size that knows no rate
  kubectl shm simulate -p selenium --memory-limit 1Gi -O memory.svg

  # How many workers of a data loader fit
  kubectl shm simulate --workers 1 --batch-bytes 38535168 --count 8 --size 512Mi

  # Numbers for a spreadsheet
  kubectl shm simulate -p authentik-proxy-outposts --step 1h -o csv -O fill.csv`,
		Args: cli.NoArguments,
		RunE: func(*cobra.Command, []string) error { return o.run(s) },
	}
	o.model = model.AddFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.sizes, "size", nil, "`SIZE` of a further volume to fill, such as 512Mi; may be repeated")
	f.StringVar(&o.memoryLimit, "memory-limit", "", "memory limit of the container, as a `SIZE`, for a policy that takes per cent of it")
	f.StringVar(&o.days, "days", "", "`NUMBER` of days to play; decimals are allowed (default: twice as long as a file lives)")
	f.StringVar(&o.span, "span", "", "`DURATION` to play, instead of --days")
	f.StringVar(&o.step, "step", "", "`DURATION` from one row of the table to the next (default: 24h, less if the span is short)")
	f.StringVar(&o.seed, "seed", "1", "`NUMBER` that picks the history")
	o.output.AddOutput(cmd, formats...)
	f.StringVarP(&o.file, "output-file", "O", "", "`FILE` to write to instead of standard output; .csv, .svg and .png say the format if -o does not, and .txt and no suffix a table")
	return cmd
}

func (o *options) run(s cli.Streams) error {
	format, err := o.format(s.Terminal)
	if err != nil {
		return err
	}
	m, err := o.model.Model(s.In)
	if err != nil {
		return err
	}
	if m.Files() == nil {
		return o.runLoaded(m, format, s)
	}
	r, err := newSimulation(m, o, format)
	if err != nil {
		return err
	}
	curves, err := simulate.Run(r.model, r.volumes, r.options)
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	var out bytes.Buffer
	if err := r.render(&out, format, curves); err != nil {
		return err
	}
	if format != "table" { // whose heading has them
		for _, note := range r.notes {
			fmt.Fprintln(s.ErrOut, "note: "+note)
		}
	}
	var sentences []string
	for _, c := range curves {
		sentences = append(sentences, simulate.Sentence(c))
	}
	return o.deliver(s.Out, out.Bytes(), sentences)
}

// runLoaded plays a model that knows no rate.
func (o *options) runLoaded(m model.Model, format string, s cli.Streams) error {
	l, err := newLoaded(m, o)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	switch format {
	case "table":
		l.table(&out, m.Name)
	case "csv":
		err = l.csv(&out)
	default:
		err = l.payers.Write(&out, format)
	}
	if format != "table" { // whose heading has them
		for _, note := range l.notes {
			fmt.Fprintln(s.ErrOut, "note: "+note)
		}
	}
	if err != nil {
		return err
	}
	var sentences []string
	for _, v := range l.volumes {
		sentences = append(sentences, l.sentence(v))
	}
	return o.deliver(s.Out, out.Bytes(), sentences)
}

var formats = []string{"table", "csv", "svg", "png"}

// suffixes says what to write to a file of a name.
var suffixes = map[string]string{"": "table", ".txt": "table", ".csv": "csv", ".svg": "svg", ".png": "png"}

// format returns what to write: what -o says, or the name of the file. terminal reports whether a
// person reads what goes to no file.
func (o *options) format(terminal bool) (string, error) {
	if o.model.Changed("output-file") && o.file == "" {
		return "", fmt.Errorf(`--output-file: "" is empty: name a file, or leave the flag out`)
	}
	format := o.output.Value
	if !o.model.Changed("output") {
		var known bool
		if format, known = suffixes[strings.ToLower(filepath.Ext(o.file))]; !known {
			return "", fmt.Errorf("--output-file: %s does not end in .txt, .csv, .svg or .png: rename it, or say what to write with -o", cli.Quote(o.file))
		}
	}
	if format == "png" && o.file == "" && terminal {
		return "", fmt.Errorf(`--output: "png" is not text for a terminal: name a file with -O, such as -O fill.png`)
	}
	return format, nil
}

// deliver writes to the file if one is named, and says on standard output
// what is in it.
func (o *options) deliver(out io.Writer, content []byte, sentences []string) error {
	if o.file == "" {
		if _, err := out.Write(content); err != nil {
			return fmt.Errorf("write the output: %w", err)
		}
		return nil
	}
	if err := os.WriteFile(o.file, content, 0o644); err != nil {
		return fmt.Errorf("--output-file: %s cannot be written: %w: name a file in a directory that is there and that you may write to", cli.Quote(o.file), cmp.Or(errors.Unwrap(err), err)) // without the path
	}
	for _, sentence := range sentences {
		fmt.Fprintln(out, sentence)
	}
	fmt.Fprintln(out, "written to "+o.file)
	return nil
}

// simulation represents a run to play.
type simulation struct {
	// name is the policy's; empty for a model that flags describe.
	name    string
	title   string
	model   simulate.Workload
	volumes []simulate.Volume
	options simulate.Options
	unit    simulate.Unit
	// notes say in what the run differs from what was asked for.
	notes []string
}

func (r simulation) render(w io.Writer, format string, curves []simulate.Curve) error {
	switch format {
	case "csv":
		return simulate.CSV(w, curves)
	case "svg", "png":
		chart, err := simulate.Picture(curves, r.title, computedName)
		if err != nil {
			return fmt.Errorf("draw the curves: %w", err)
		}
		return chart.Write(w, format)
	default:
		if r.name != "" {
			fmt.Fprintf(w, "policy %s: ", r.name)
		}
		fmt.Fprintf(w, "%s; one history of many, that of seed %d\n", r.title, r.options.Seed)
		for _, note := range r.notes {
			fmt.Fprintln(w, "note: "+note)
		}
		fmt.Fprintln(w)
		return simulate.Table(w, curves, r.unit)
	}
}

// computedName is the name of the volume whose size is computed.
const computedName = "computed"

// volumesFor returns the volumes to fill: the runtime's default, the given sizes, and the computed
// one. The kernel rounds a size up to whole pages; a note says if that makes a difference.
func volumesFor(sizes []string, computed, page sizing.Bytes) (volumes []simulate.Volume, notes []string, err error) {
	const mostSizes = 6
	if len(sizes) > mostSizes {
		return nil, nil, fmt.Errorf("--size: %s is one too many, no more than %d can be told apart: leave some out", cli.Quote(sizes[mostSizes]), mostSizes)
	}
	volumes = []simulate.Volume{{Name: "default", Bytes: int64(sizing.DefaultShm)}}
	for _, text := range sizes {
		q, err := model.QuantityFlag("size", text)
		if err != nil {
			return nil, nil, err
		}
		if q.Sign() == 0 {
			return nil, nil, fmt.Errorf("--size: %s holds nothing: write a size such as 512Mi", cli.Quote(text))
		}
		asked := sizing.BytesOf(q)
		v := simulate.Volume{Name: "given", Bytes: int64(asked.RoundUp(page))}
		if i := slices.Index(volumes, v); i > 0 {
			return nil, nil, fmt.Errorf("--size: %s makes the same volume as %s: leave one of them out", cli.Quote(text), cli.Quote(sizes[i-1]))
		}
		if v.Bytes != int64(asked) {
			notes = append(notes, fmt.Sprintf("--size %s makes a volume of %s: the kernel rounds up to whole pages of %s", cli.Quote(text), v.Size(), page.Quantity()))
		}
		volumes = append(volumes, v)
	}
	return append(volumes, simulate.Volume{Name: computedName, Bytes: int64(computed)}), notes, nil
}
