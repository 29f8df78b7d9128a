package recommend

import (
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/htmlpage"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// pageText is the verb's part of the page.
//
//go:embed page.html
var pageText string

// pageData is what the page shows, all of it in words and per cent.
type pageData struct {
	htmlpage.Head
	Tiles   []htmlpage.Tile
	Used    string // what the use is: now, or at most
	Volumes []pageVolume
	Nothing string
}

type pageVolume struct {
	Class, Verdict, Name, About string
	// Size, Used and Needs are in words, and how wide they are drawn in per cent of the largest.
	Size, Used, Needs                string
	SizeWidth, UsedWidth, NeedsWidth float64
	Effect, Cost                     string
	Rate, File, Kept                 string
	Confidence, Dots, Watched        string
}

// verdicts are how the page shows the verdicts, the worst first.
var verdicts = []struct {
	verdict
	class, text string
}{
	{unbounded, "bad", "never enough: nothing is deleted"},
	{tooSmall, "warn", "too small"},
	{wasteful, "info", "wasteful: over twice the need"},
	{right, "good", "right"},
}

func classOf(v verdict) string {
	for _, known := range verdicts {
		if known.verdict == v {
			return known.class
		}
	}
	return ""
}

// dots shows a confidence at a glance, beside its word.
var dots = map[confidence]string{high: "●●●", medium: "●●○", low: "●○○"}

// pageOf returns what the page shows.
func (o *options) pageOf(c *live.Cluster, list []recommendation, notes []string, now time.Time) *pageData {
	p := &pageData{
		Head: htmlpage.Head{
			Title: "How large /dev/shm should be in " + c.Where(), Notes: notes, Made: "Made by kubectl shm recommend, which changes no size.",
			About: htmlpage.About(now, human.Plural(len(list), "volume")+" of workloads", c.Host()),
		},
		Used: "in use now",
	}
	if o.prometheus != "" {
		p.Used = "the most in use over " + human.Duration(o.window)
	}
	if len(list) == 0 {
		p.Nothing = nothing
	}
	counts := map[verdict]int{}
	var saved, missing sizing.Bytes
	for i := range list {
		r := &list[i]
		counts[r.Verdict]++
		p.Volumes = append(p.Volumes, r.page())
		switch r.Verdict {
		case wasteful:
			saved = saved.Plus(saving(r.SizeBytes, r.size).Times(int64(r.Pods)))
		case tooSmall:
			missing = missing.Plus(r.size.Limit.Minus(r.SizeBytes).Times(int64(r.Pods)))
		}
	}
	for _, v := range verdicts {
		p.Tiles = append(p.Tiles, htmlpage.Tile{Class: v.class, Number: human.Count(int64(counts[v.verdict])), Text: v.text})
	}
	p.Tiles = append(p.Tiles,
		htmlpage.Tile{Number: "+" + missing.String(), Text: "missing where it is too small, all Pods"},
		htmlpage.Tile{Number: "−" + saved.String(), Text: "of memory to save where it is wasteful, all Pods full"},
	)
	return p
}

// endless is how wide a size is drawn if none is enough, in per cent.
const endless = 25

func (r *recommendation) page() pageVolume {
	out := pageVolume{
		Class: classOf(r.Verdict), Verdict: string(r.Verdict), Name: r.Workload, Effect: r.Effect, Size: r.SizeBytes.String(), Used: r.UsedBytes.String(), Needs: "no size",
		Rate: "no file for each request", Kept: "?", Confidence: string(r.Confidence), Dots: dots[r.Confidence], Watched: human.Duration(time.Duration(r.Watched) * time.Second),
	}
	about := []string{r.Namespace, inspect.Mount{Path: r.MountPath, Volume: r.Volume}.String(), human.Plural(r.Pods, "Pod")}
	if r.Policy != "" {
		about = append(about, "policy "+r.Policy)
	}
	out.About = strings.Join(about, " · ")
	largest := max(r.SizeBytes, r.UsedBytes)
	if r.RecommendedBytes != nil {
		largest = max(largest, *r.RecommendedBytes)
		out.Needs, out.NeedsWidth = r.RecommendedBytes.String(), htmlpage.Width(float64(*r.RecommendedBytes), float64(largest))
		out.Cost = fmt.Sprintf("costs %s of memory when full", r.MemoryCostBytes)
	}
	out.SizeWidth, out.UsedWidth = htmlpage.Width(float64(r.SizeBytes), float64(largest)), htmlpage.Width(float64(r.UsedBytes), float64(r.SizeBytes))
	if r.RecommendedBytes == nil {
		out.SizeWidth = endless // beside a bar that has no end
	}
	if r.CreatedPerMinute != nil {
		out.Rate, out.File = r.rate(), "of "+sizing.Bytes(*r.FileSizeBytes).String()
	}
	if r.RetentionSeconds != nil {
		out.Kept = human.Duration(time.Duration(*r.RetentionSeconds) * time.Second)
	}
	return out
}
