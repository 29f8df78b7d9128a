package top

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// report is a volume in JSON and YAML. What is nil is not known.
type report struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	// Volume is empty for the container runtime's own /dev/shm.
	Volume    string `json:"volume"`
	MountPath string `json:"mountPath"`
	Container string `json:"container"`

	SizeBytes   *sizing.Bytes `json:"sizeBytes"`
	UsedBytes   *sizing.Bytes `json:"usedBytes"`
	Files       *int64        `json:"files"`
	GrowthBytes *float64      `json:"growthBytesPerSecond"`
	GrowthFiles *float64      `json:"growthFilesPerSecond"`
	// CreatedPerMinute is how many files are created, and RatePercent half its interval of confidence
	// at 95 %.
	CreatedPerMinute *float64 `json:"createdPerMinute"`
	RatePercent      *int64   `json:"ratePercent"`

	FullIn       *int64        `json:"fullInSeconds"`
	MemoryLimit  *sizing.Bytes `json:"memoryLimitBytes"`
	MemoryUsed   *sizing.Bytes `json:"memoryUsedBytes"`
	OOMFirst     *bool         `json:"oomBeforeFull"`
	EndsIn       *int64        `json:"fullOrKilledInSeconds"`
	SizeLimit    *sizing.Bytes `json:"sizeLimitBytes"`
	WindowLength float64       `json:"windowSeconds"`
	Error        string        `json:"error,omitempty"`
}

func reportOf(v *volume) report {
	r := report{Namespace: v.namespace, Pod: v.pod, Volume: v.Volume, MountPath: v.Path, Container: v.container}
	if v.memoryLimit > 0 {
		r.MemoryLimit = &v.memoryLimit
	}
	if v.SizeLimit > 0 {
		r.SizeLimit = &v.SizeLimit
	}
	if v.err != nil {
		r.Error = v.err.Error()
		return r
	}
	u := v.last().usage
	r.SizeBytes, r.UsedBytes, r.WindowLength = &u.Size, &u.Used, math.Round(v.window().Seconds()*10)/10
	if u.Inodes >= 0 {
		r.Files = &u.Inodes
	}
	if bytes, files, ok := v.growth(); ok {
		r.GrowthBytes = &bytes
		if !math.IsNaN(files) {
			r.GrowthFiles = &files
		}
	}
	if perMinute, percent, ok := v.created(); ok {
		r.CreatedPerMinute, r.RatePercent = &perMinute, &percent
	}
	if m := v.last().memory; m != nil {
		r.MemoryUsed = &m.Used
	}
	r.FullIn, r.EndsIn = secondsOf(v.fullIn()), secondsOf(v.endsIn())
	if o := v.oomBeforeFull(); o != oomUnknown {
		r.OOMFirst = new(o == oomFirst)
	}
	return r
}

func secondsOf(d time.Duration, ok bool) *int64 {
	if !ok {
		return nil
	}
	return new(int64(d / time.Second))
}

// refused returns why nothing at all could be read, if the API server did not let anything be read.
func (s *scanner) refused() error {
	var refusal error
	for _, v := range s.volumes {
		if v.err == nil || !apierrors.IsForbidden(v.err) {
			return nil
		}
		refusal = v.err
	}
	return refusal
}

func (o *options) write(s cli.Streams, scan *scanner) error {
	volumes := scan.sorted()
	switch o.output.Value {
	case "table", "wide":
		o.writeTable(s, scan, volumes)
		return nil
	case "html":
		return writePage(s.Out, o.pageOf(scan, o.pick(volumes), time.Now()))
	}
	reports := make([]report, len(volumes))
	for i, v := range volumes {
		reports[i] = reportOf(v)
	}
	document := map[string]any{"volumes": reports}
	switch o.output.Value {
	case "json":
		return cli.WriteJSON(s.Out, document)
	case "yaml":
		return cli.WriteYAML(s.Out, document)
	default:
		return csvOf(reports).WriteCSV(s.Out)
	}
}

// picked is what a person is shown.
type picked struct {
	volumes []*volume // that were read
	// idle is how many Pods are left out, with nothing in the runtime's own /dev/shm.
	idle     int
	failures []failure
}

// failure is why volumes could not be read, and their names.
type failure struct {
	why   string
	names []string
}

// pick picks what a person is shown of volumes.
func (o *options) pick(volumes []*volume) picked {
	var p picked
	for _, v := range volumes {
		switch {
		case v.err != nil:
			why := reasonOf(v)
			i := slices.IndexFunc(p.failures, func(f failure) bool { return f.why == why })
			if i < 0 {
				i = len(p.failures)
				p.failures = append(p.failures, failure{why: why})
			}
			p.failures[i].names = append(p.failures[i].names, v.namespace+"/"+v.pod+" "+v.Path)
		case v.Volume == "" && v.last().usage.Inodes == 0 && !o.all && o.output.Value != "wide":
			p.idle++
		default:
			p.volumes = append(p.volumes, v)
		}
	}
	return p
}

// left says how many Pods are left out.
func (p *picked) left() string {
	return human.Plural(p.idle, "Pod") + " with nothing in the runtime's own /dev/shm left out: --all shows them"
}

func (o *options) writeTable(s cli.Streams, scan *scanner, volumes []*volume) {
	wide := o.output.Value == "wide"
	t := cli.Table{Columns: []cli.Column{
		{Name: "NAMESPACE", Wide: scan.cluster.Namespace != ""},
		{Name: "POD"},
		{Name: "VOLUME"},
		{Name: "PATH", Wide: true},
		{Name: "CONTAINER", Wide: true},
		{Name: "USED", Right: true},
		{Name: "SIZE", Right: true},
		{Name: "USE%", Right: true},
		{Name: "FILES", Right: true},
		{Name: "FILES/MIN", Wide: true, Right: true},
		{Name: "GROWTH", Right: true},
		{Name: "FULL IN", Right: true},
		{Name: "MEMORY", Wide: true, Right: true},
		{Name: "LIMIT", Right: true},
		{Name: "OOM FIRST"},
	}}
	p := o.pick(volumes)
	for _, v := range p.volumes {
		t.Add(cells(v, wide)...)
	}
	if len(t.Rows) > 0 {
		t.Write(s.Out, wide, s.Width)
	}
	if len(volumes) == 0 {
		fmt.Fprintln(s.Out, nothing(scan))
	}
	if p.idle > 0 {
		fmt.Fprintln(s.Out, p.left())
	}
	for _, f := range p.failures {
		fmt.Fprintf(s.ErrOut, "could not be read: %s: %s\n", some(f.names), f.why)
	}
}

// nothing says that there is no volume.
func nothing(scan *scanner) string {
	return fmt.Sprintf("No Pod with a /dev/shm of its own runs in %s.", scan.cluster.Where())
}

// reasonOf returns why a volume could not be read, without its own names, so that many can be
// reported as one.
func reasonOf(v *volume) string {
	text := v.err.Error()
	return strings.TrimPrefix(text, fmt.Sprintf("container %q of Pod %s/%s: ", v.container, v.namespace, v.pod))
}

// some names the first few of many.
func some(names []string) string {
	const most = 3
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// cells returns the row of a volume. What takes a while to work out is there only if the table is wide.
func cells(v *volume, wide bool) []string {
	u := v.last().usage
	name := cli.Plain(v.Volume)
	if v.Volume == "" {
		name = "(runtime's own)"
	}
	created := "?"
	if wide {
		if perMinute, percent, ok := v.created(); ok {
			created = fmt.Sprintf("%.3g ±%d%%", perMinute, percent)
		}
	}
	memory, limit := "-", "none"
	if m := v.last().memory; m != nil {
		memory = mib(m.Used)
	}
	if v.memoryLimit > 0 {
		limit = mib(v.memoryLimit)
	}
	return []string{
		v.namespace, v.pod, name, cli.Plain(v.Path), v.container,
		mib(u.Used), mib(u.Size), human.Percent(int64(u.Used), int64(u.Size)), filesText(u.Inodes), created,
		growthText(v), fullText(v), memory, limit, string(v.oomBeforeFull()),
	}
}

// filesText returns a number of files, which is negative if it is not known.
func filesText(n int64) string {
	if n < 0 {
		return "?"
	}
	return human.Count(n)
}

func mib(b sizing.Bytes) string { return human.MiB(int64(b)) + "Mi" }

// growthText says by how much a volume grows, in the unit of time that suits a figure of MiB.
func growthText(v *volume) string {
	bytes, _, ok := v.growth()
	if !ok {
		return "?"
	}
	perMinute := bytes * 60 / float64(sizing.MiB)
	switch {
	case bytes == 0:
		return "0"
	case math.Abs(perMinute) >= 0.1:
		return fmt.Sprintf("%+.1fMi/min", perMinute)
	default:
		return fmt.Sprintf("%+.1fMi/h", perMinute*60)
	}
}

func fullText(v *volume) string {
	full, ok := v.fullIn()
	_, _, known := v.growth()
	switch {
	case v.full():
		return "full"
	case ok && full >= longest:
		return "over a year"
	case ok:
		return human.Duration(full)
	case !known:
		return "?"
	default:
		return "-"
	}
}

// csvOf returns the reports as a table whose columns are named as the fields are.
func csvOf(reports []report) *cli.Table {
	t := &cli.Table{}
	for _, name := range []string{"namespace", "pod", "volume", "mountPath", "container", "sizeBytes", "usedBytes", "files", "growthBytesPerSecond", "growthFilesPerSecond", "createdPerMinute", "ratePercent", "fullInSeconds", "memoryLimitBytes", "memoryUsedBytes", "oomBeforeFull", "error"} {
		t.Columns = append(t.Columns, cli.Column{Name: name})
	}
	for i := range reports {
		r := &reports[i]
		oom := ""
		if r.OOMFirst != nil {
			oom = strconv.FormatBool(*r.OOMFirst)
		}
		t.Add(r.Namespace, r.Pod, r.Volume, r.MountPath, r.Container, whole(r.SizeBytes), whole(r.UsedBytes), whole(r.Files), decimal(r.GrowthBytes), decimal(r.GrowthFiles),
			decimal(r.CreatedPerMinute), whole(r.RatePercent), whole(r.FullIn), whole(r.MemoryLimit), whole(r.MemoryUsed), oom, r.Error)
	}
	return t
}

func whole[T ~int64](n *T) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

func decimal(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', 3, 64)
}
