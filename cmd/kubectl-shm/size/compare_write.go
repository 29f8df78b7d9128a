package size

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/picture"
	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// compareFlags are those of --compare.
type compareFlags struct {
	compare bool
	current string
	file    string
}

// comparisonJSON is a comparison as a program reads it.
type comparisonJSON struct {
	Workload string       `json:"workload"`
	Current  sizing.Bytes `json:"currentSizeBytes"`
	Remedies []remedy     `json:"remedies"`
}

func (o *options) runComparison(s cli.Streams, c computed) error {
	current := sizing.DefaultShm
	if o.current != "" {
		q, err := model.QuantityFlag("current-size", o.current)
		if err != nil {
			return err
		}
		if current = sizing.BytesOf(q); current == 0 {
			return fmt.Errorf("--current-size: %s holds nothing: write the size that is mounted now, such as 256Mi", cli.Quote(o.current))
		}
	}
	x, remedies, err := c.compare(current)
	if err != nil {
		return err
	}
	format := o.output.Value
	if suffix := strings.TrimPrefix(filepath.Ext(o.file), "."); !o.model.Changed("output") && (suffix == "svg" || suffix == "png") {
		format = suffix
	}
	if format == "png" && o.file == "" && s.Terminal {
		return fmt.Errorf(`--output: "png" is not text for a terminal: name a file with -O, such as -O compare.png`)
	}
	var out bytes.Buffer
	if err := x.render(&out, format, remedies, s.Width); err != nil {
		return err
	}
	if o.file == "" {
		_, err = s.Out.Write(out.Bytes())
		return err
	}
	if err := os.WriteFile(o.file, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("--output-file: %w: name a file in a directory that you may write to", err)
	}
	fmt.Fprintln(s.Out, "written to "+o.file)
	return nil
}

func (x *comparison) render(w io.Writer, format string, remedies []remedy, width int) error {
	switch format {
	case "json":
		return cli.WriteJSON(w, comparisonJSON{x.Describe(), x.current, remedies})
	case "yaml":
		return cli.WriteYAML(w, comparisonJSON{x.Describe(), x.current, remedies})
	case "svg", "png":
		span := x.span()
		rows := picture.Rows{Title: message(remedies), Inputs: x.Describe(), Span: span}
		for i := range remedies {
			rows.Rows = append(rows.Rows, x.drawn(&remedies[i], span))
		}
		return rows.Write(w, format)
	default:
		x.writeComparison(w, remedies, width)
		return nil
	}
}

// titles are what people call the remedies.
var titles = map[string]string{
	asItIs: "as it is", largerSize: "larger size", shorter: "shorter validity", fewerFiles: "fewer probes", restarts: "regular restarts",
}

func (x *comparison) writeComparison(w io.Writer, remedies []remedy, width int) {
	if x.Name != "" {
		fmt.Fprintf(w, "policy %s: ", x.Name)
	}
	fmt.Fprintf(w, "%s; %s mounted now\n\n", x.Describe(), x.current)
	t := cli.Table{Columns: []cli.Column{
		{Name: "REMEDY"}, {Name: "WHAT TO DO"}, {Name: "SIZE", Right: true}, {Name: "MEMORY", Right: true}, {Name: "ON AVERAGE", Right: true}, {Name: "PEAK", Right: true}, {Name: "FILLS"},
	}}
	for i := range remedies {
		r := &remedies[i]
		t.Add(titles[r.Remedy], r.Do, r.Size.Quantity().String(), wholeMiB(r.MemoryCost), wholeMiB(r.AverageUse), r.peakText(), r.fillsText())
	}
	t.Write(w, false, width)
	fmt.Fprintln(w, "\nWHAT IT COSTS BESIDE MEMORY")
	rows := make([][]string, len(remedies))
	for i := range remedies {
		rows[i] = []string{"  " + titles[remedies[i].Remedy], remedies[i].Costs}
	}
	cli.WriteTable(w, rows)
	fmt.Fprintf(w, "\nMEMORY is what a full volume costs, with the kernel memory of its files: as much more memory limit than the process needs.\n"+
		"PEAK is how much of the size is in use at peaks, which exceed it with probability %s. The remedies that leave the size\n"+
		"keep %d%% of the peak as spare room, as a computed size does.\n", x.Files().OverflowProbability, x.bounds.HeadroomPercent)
}

func (r *remedy) peakText() string {
	if r.Fails || r.Peak == nil {
		return "full"
	}
	return human.Percent(int64(*r.Peak), int64(r.Size))
}

func (r *remedy) fillsText() string {
	if r.FullAfter == nil {
		return "never"
	}
	return "after " + human.Duration(time.Duration(*r.FullAfter)*time.Second)
}

// span returns the time to draw: twice as long as a file lives, or as the size takes to fill.
func (x *comparison) span() time.Duration {
	if x.files.Retention > 0 {
		return 2 * (x.files.Retention + x.files.SweepInterval)
	}
	return max(time.Hour, min(4*x.files.Size(x.bounds).FullAfterOf(x.current), 365*24*time.Hour))
}

// message says in a line what the comparison shows.
func message(remedies []remedy) string {
	now := &remedies[0]
	if !now.Fails {
		return now.Size.String() + " holds: nothing has to be done"
	}
	helps := 0
	for i := range remedies[1:] {
		if !remedies[1+i].Fails {
			helps++
		}
	}
	text := now.Size.String() + " fills in " + simulate.About(time.Duration(*now.FullAfter)*time.Second)
	if helps == 0 {
		return text + ", and nothing here prevents it"
	}
	return fmt.Sprintf("%s; %s it", text, english.Plural(helps, "remedy prevents", "remedies prevent"))
}

// drawn returns a remedy as a row of the picture: how full the volume is at the average rate.
func (x *comparison) drawn(r *remedy, span time.Duration) picture.Row {
	role := picture.Holds
	switch {
	case r.Fails:
		role = picture.Fills
	case r.Remedy == largerSize:
		role = picture.Computed
	}
	return picture.Row{
		Label: picture.Label{Name: titles[r.Remedy], Detail: r.short()}, Role: role,
		Full: x.levels(r, span), Bytes: float64(r.MemoryCost), Memory: picture.Size(float64(r.MemoryCost)),
	}
}

// levels returns how full the volume is over time, at the average rate.
func (x *comparison) levels(r *remedy, span time.Duration) (out []picture.Point) {
	perMinute := r.CreatedPerMinute * float64(r.result.BytesPerFile) / float64(r.Size)
	lives := span // a file
	switch {
	case r.RestartEvery != nil:
		lives = time.Duration(*r.RestartEvery) * time.Second
	case r.Retention != nil:
		lives = time.Duration(*r.Retention)*time.Second + x.files.SweepInterval
	}
	add := func(at time.Duration, minutes float64) {
		out = append(out, picture.Point{X: float64(at), Y: min(1, perMinute*minutes)})
	}
	add(0, 0)
	if r.RestartEvery != nil && !r.Fails {
		for at := lives; at < span; at += lives {
			add(at, lives.Minutes())
			add(at, 0)
		}
		add(span, (span % lives).Minutes())
		return out
	}
	if full := time.Duration(float64(time.Minute) / perMinute); full < min(lives, span) {
		add(full, full.Minutes()+1)
	}
	add(min(lives, span), min(lives, span).Minutes())
	add(span, min(lives, span).Minutes())
	return out
}

// short returns in a few words what is done.
func (r *remedy) short() string {
	switch {
	case r.Do == "-":
		return "does not help"
	case strings.HasPrefix(r.Do, "nothing"):
		return "not needed"
	case r.Remedy == asItIs && r.Fails:
		return "full " + r.fillsText()
	case r.Remedy == asItIs:
		return "does not fill"
	case r.Remedy == largerSize:
		return "a volume of " + r.Size.Quantity().String()
	case r.Remedy == fewerFiles:
		return significant(r.CreatedPerMinute) + " files a minute"
	case r.Remedy == restarts:
		return "a new Pod every " + human.Duration(time.Duration(*r.RestartEvery)*time.Second)
	default:
		return r.Do
	}
}
