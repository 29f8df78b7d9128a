package recommend

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/htmlpage"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// recommendation is what the verb says of one volume of a workload, in JSON and YAML too. What is null
// is not known.
type recommendation struct {
	Namespace string `json:"namespace"`
	Workload  string `json:"workload"`
	// Volume is empty for the container runtime's own /dev/shm.
	Volume    string `json:"volume"`
	MountPath string `json:"mountPath"`
	Pods      int    `json:"pods"`
	Policy    string `json:"policy"`

	SizeBytes sizing.Bytes `json:"sizeBytes"`
	UsedBytes sizing.Bytes `json:"usedBytes"`
	// CreatedPerMinute is the rate, and RatePercent half its interval of confidence at 95 %.
	CreatedPerMinute *float64 `json:"createdPerMinute"`
	RatePercent      *int64   `json:"ratePercent"`
	FileSizeBytes    *int64   `json:"fileSizeBytes"`
	RetentionSeconds *int64   `json:"retentionSeconds"`

	// RecommendedBytes is null if no size is enough.
	RecommendedBytes *sizing.Bytes `json:"recommendedBytes"`
	MemoryCostBytes  *sizing.Bytes `json:"memoryCostBytes"`
	Verdict          verdict       `json:"verdict"`
	// Effect says what the recommended size saves, or what happens without it.
	Effect     string     `json:"effect"`
	Confidence confidence `json:"confidence"`
	Watched    int64      `json:"watchedSeconds"`

	workload *workload
	size     sizing.Size
}

// recommendations returns what was found, what is too small first.
func (w *survey) recommendations() []recommendation {
	var out []recommendation
	for k, v := range w.found {
		out = append(out, recommend(k, v))
	}
	order := []verdict{unbounded, tooSmall, wasteful, right}
	slices.SortFunc(out, func(a, b recommendation) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Verdict), slices.Index(order, b.Verdict)),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Volume, b.Volume),
		)
	})
	return out
}

func recommend(k subject, w *workload) recommendation {
	size, bounded := w.sizing(w.declared)
	r := recommendation{
		Namespace: k.Namespace, Workload: k.Workload.String(), Volume: k.volume, MountPath: w.path, Pods: w.pods, Policy: w.policy,
		SizeBytes: w.size, UsedBytes: w.used, Verdict: judge(w.size, size, bounded), Confidence: w.confidence(), Watched: int64(w.watched / time.Second),
		workload: w, size: size,
	}
	if w.perMinute > 0 {
		r.CreatedPerMinute, r.RatePercent = new(rounded(w.perMinute)), new(int64(math.Ceil(w.relative*100)))
		r.FileSizeBytes = new(int64(w.fileSize))
		if keeps := w.files(w.declared).Retention; keeps > 0 {
			r.RetentionSeconds = new(int64(keeps / time.Second))
		}
	}
	if bounded {
		r.RecommendedBytes, r.MemoryCostBytes = &size.Limit, &size.MemoryCost
	}
	r.Effect = effect(w, size, r.Verdict)
	return r
}

// saving returns how much less memory a size costs than what a Pod has, both full.
func saving(has sizing.Bytes, needs sizing.Size) sizing.Bytes {
	return needs.MemoryCostOf(has).Minus(needs.MemoryCost)
}

// effect says what the recommended size saves, or what happens without it.
func effect(w *workload, size sizing.Size, v verdict) string {
	fillsIn := func() string {
		return human.Duration(size.FullAfterOf(w.size))
	}
	switch {
	case v == unbounded:
		return fmt.Sprintf("nothing is seen to be deleted: %s fill in %s from empty", w.size, fillsIn())
	case v == tooSmall && w.perMinute > 0 && size.Overflows(w.size):
		return "full after " + fillsIn() + " from empty"
	case v == tooSmall:
		return "fuller than it may get"
	case v == wasteful:
		return fmt.Sprintf("saves %s of memory when full, for each Pod", saving(w.size, size))
	default:
		return ""
	}
}

// rounded returns a rate with three significant digits.
func rounded(f float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 3, 64), 64)
	if err != nil {
		return f
	}
	return out
}

func (o *options) write(s cli.Streams, c *live.Cluster, list []recommendation, notes []string) error {
	if o.output.Value == "html" {
		return htmlpage.Write(s.Out, pageText, o.pageOf(c, list, notes, time.Now()))
	}
	for _, note := range notes {
		fmt.Fprintln(s.ErrOut, "note:", note)
	}
	if list == nil {
		list = []recommendation{}
	}
	document := map[string]any{"recommendations": list}
	switch o.output.Value {
	case "json":
		return cli.WriteJSON(s.Out, document)
	case "yaml":
		return cli.WriteYAML(s.Out, document)
	case "policies":
		return writePolicies(s, list)
	case "csv":
		return tableOf(list, plain).WriteCSV(s.Out)
	default:
		if len(list) == 0 {
			fmt.Fprintln(s.Out, nothing)
			return nil
		}
		tableOf(list, readable).Write(s.Out, o.output.Value == "wide", s.Width)
		return nil
	}
}

// nothing is the sentence without a volume that is used.
const nothing = "No running Pod has anything in its /dev/shm."

// form is how figures are written.
type form struct {
	bytes    func(sizing.Bytes) string
	duration func(time.Duration) string
}

var (
	readable = form{sizing.Bytes.String, human.Duration}
	plain    = form{
		func(b sizing.Bytes) string { return strconv.FormatInt(int64(b), 10) },
		func(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) },
	}
)

// rate returns the rate with its interval of confidence.
func (r *recommendation) rate() string {
	return fmt.Sprintf("%s ±%d%%", strconv.FormatFloat(*r.CreatedPerMinute, 'f', -1, 64), *r.RatePercent)
}

func tableOf(list []recommendation, f form) *cli.Table {
	t := &cli.Table{Columns: []cli.Column{
		{Name: "NAMESPACE"},
		{Name: "WORKLOAD"},
		{Name: "VOLUME"},
		{Name: "PODS", Wide: true, Right: true},
		{Name: "POLICY", Wide: true},
		{Name: "SIZE", Right: true},
		{Name: "USED", Right: true},
		{Name: "FILES/MIN", Right: true},
		{Name: "FILE", Wide: true, Right: true},
		{Name: "KEPT", Right: true},
		{Name: "NEEDS", Right: true},
		{Name: "COST", Wide: true, Right: true},
		{Name: "VERDICT"},
		{Name: "CONFIDENCE"},
		{Name: "EFFECT"},
	}}
	for i := range list {
		r := &list[i]
		volume := cli.Plain(r.Volume)
		if r.Volume == "" {
			volume = "(runtime's own)"
		}
		rate, file, kept, needs, cost := "-", "-", "?", "none", "-"
		if r.CreatedPerMinute != nil {
			rate = r.rate()
			file = f.bytes(sizing.Bytes(*r.FileSizeBytes))
		}
		if r.RetentionSeconds != nil {
			kept = f.duration(time.Duration(*r.RetentionSeconds) * time.Second)
		}
		if r.RecommendedBytes != nil {
			needs, cost = f.bytes(*r.RecommendedBytes), f.bytes(*r.MemoryCostBytes)
		}
		t.Add(r.Namespace, r.Workload, volume, strconv.Itoa(r.Pods), cmp.Or(r.Policy, "-"), f.bytes(r.SizeBytes), f.bytes(r.UsedBytes), rate, file, kept, needs, cost,
			string(r.Verdict), string(r.Confidence), r.Effect)
	}
	return t
}
