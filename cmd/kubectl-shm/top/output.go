package top

import (
	"fmt"
	"math"
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

	SizeBytes    *sizing.Bytes `json:"sizeBytes"`
	UsedBytes    *sizing.Bytes `json:"usedBytes"`
	Files        *int64        `json:"files"`
	GrowthBytes  *float64      `json:"growthBytesPerSecond"`
	GrowthFiles  *float64      `json:"growthFilesPerSecond"`
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
	case "csv":
		return csvOf(reports).WriteCSV(s.Out)
	default:
		o.writeTable(s, scan, volumes)
		return nil
	}
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
		{Name: "GROWTH", Right: true},
		{Name: "FULL IN", Right: true},
		{Name: "MEMORY", Wide: true, Right: true},
		{Name: "LIMIT", Right: true},
		{Name: "OOM FIRST"},
	}}
	idle := 0
	failures := map[string][]string{}
	var order []string
	for _, v := range volumes {
		switch {
		case v.err != nil:
			why := reasonOf(v)
			if failures[why] == nil {
				order = append(order, why)
			}
			failures[why] = append(failures[why], v.namespace+"/"+v.pod+" "+v.Path)
		case v.Volume == "" && v.last().usage.Inodes == 0 && !o.all && !wide:
			idle++
		default:
			t.Add(cells(v)...)
		}
	}
	if len(t.Rows) > 0 {
		t.Write(s.Out, wide, s.Width)
	}
	if len(volumes) == 0 {
		fmt.Fprintf(s.Out, "No Pod with a /dev/shm of its own runs in %s.\n", scan.cluster.Where())
	}
	if idle > 0 {
		fmt.Fprintf(s.Out, "%s with nothing in the runtime's own /dev/shm left out: --all shows them\n", human.Plural(idle, "Pod"))
	}
	for _, why := range order {
		fmt.Fprintf(s.ErrOut, "could not be read: %s: %s\n", some(failures[why]), why)
	}
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

func cells(v *volume) []string {
	u := v.last().usage
	name := cli.Plain(v.Volume)
	if v.Volume == "" {
		name = "(runtime's own)"
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
		mib(u.Used), mib(u.Size), human.Percent(int64(u.Used), int64(u.Size)), filesText(u.Inodes),
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
	for _, name := range []string{"namespace", "pod", "volume", "mountPath", "container", "sizeBytes", "usedBytes", "files", "growthBytesPerSecond", "growthFilesPerSecond", "fullInSeconds", "memoryLimitBytes", "memoryUsedBytes", "oomBeforeFull", "error"} {
		t.Columns = append(t.Columns, cli.Column{Name: name})
	}
	for i := range reports {
		r := &reports[i]
		oom := ""
		if r.OOMFirst != nil {
			oom = strconv.FormatBool(*r.OOMFirst)
		}
		t.Add(r.Namespace, r.Pod, r.Volume, r.MountPath, r.Container, whole(r.SizeBytes), whole(r.UsedBytes), whole(r.Files), decimal(r.GrowthBytes), decimal(r.GrowthFiles),
			whole(r.FullIn), whole(r.MemoryLimit), whole(r.MemoryUsed), oom, r.Error)
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
