package top

import (
	_ "embed"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/htmlpage"
	"github.com/shmkeeper/shmkeeper/internal/human"
)

// pageText is the verb's part of the page.
//
//go:embed page.html
var pageText string

// pageData is what the page shows, all of it in words and per cent.
type pageData struct {
	htmlpage.Head
	Tiles    []htmlpage.Tile
	Ticks    []pageTick
	Bars     []pageBar
	MoreBars string
	Volumes  []pageVolume
	Left     string
	Failures []pageFailure
}

// pageTick is a time on the axis of the bars.
type pageTick struct {
	At   float64
	Text string
	Wide bool // there is no room for it on a phone
}

// pageBar is how long a volume lasts.
type pageBar struct {
	Class, Name, Text string
	At                float64
}

type pageVolume struct {
	Class, State, Pod, About string
	Used, Percent            string
	UsedWidth                float64
	Files, Growth, FullIn    string
	Limit, Charged, OOM      string
	ChargedWidth             float64
}

type pageFailure struct{ Names, Why string }

// state says in a word how a volume is, and in which colour.
type state struct{ word, class string }

// The states, the worst first.
var (
	stateFull     = state{"full", "bad"}
	stateKilled   = state{"OOM first", "bad"}
	stateSoon     = state{"within 24 h", "warn"}
	stateNearly   = state{"over 80 %", "warn"}
	stateFills    = state{"fills", "info"}
	stateUnknown  = state{"growth unknown", "off"}
	stateConstant = state{"does not grow", "good"}
)

// counted are what the tiles say of the states.
var counted = []struct {
	state
	text   string
	always bool
}{
	{stateFull, "full: nothing more fits", true},
	{stateKilled, "OOM-killed before full", true},
	{stateSoon, "full within 24 hours", true},
	{stateNearly, "over 80 % in use", false},
	{stateFills, "filling, in more than 24 hours", false},
	{stateConstant, "not growing", false},
	{stateUnknown, "of unknown growth", false},
}

// stateOf returns the state of a volume that was read.
func stateOf(v *volume) state {
	ends, grows := v.endsIn()
	_, _, known := v.growth()
	switch {
	case v.full():
		return stateFull
	case grows && v.oomBeforeFull() == oomFirst:
		return stateKilled
	case grows && ends < 24*time.Hour:
		return stateSoon
	case v.percent() > 0.8:
		return stateNearly
	case grows:
		return stateFills
	case !known:
		return stateUnknown
	default:
		return stateConstant
	}
}

// writePage writes a page of HTML that needs nothing else.
func writePage(w io.Writer, p *pageData) error { return htmlpage.Write(w, pageText, p) }

// pageOf returns what the page shows.
func (o *options) pageOf(scan *scanner, shown picked, now time.Time) *pageData {
	p := &pageData{Head: htmlpage.Head{
		Title: "How full /dev/shm is in " + scan.cluster.Where(), About: htmlpage.About(now, o.measured(shown.volumes), scan.cluster.Host()),
		Notes: scan.cluster.Notes(), Made: "Made by kubectl shm top.",
	}}
	if shown.idle > 0 {
		p.Left = shown.left()
	}
	if len(shown.volumes)+shown.idle+len(shown.failures) == 0 {
		p.Left = nothing(scan)
	}
	states := map[state]int{}
	for _, v := range shown.volumes {
		states[stateOf(v)]++
		p.Volumes = append(p.Volumes, pageVolumeOf(v))
	}
	for _, c := range counted {
		if n := states[c.state]; n > 0 || c.always {
			p.Tiles = append(p.Tiles, htmlpage.Tile{Class: c.class, Number: human.Count(int64(n)), Text: c.text})
		}
	}
	for _, f := range shown.failures {
		p.Failures = append(p.Failures, pageFailure{some(f.names), f.why})
	}
	p.addBars(shown.volumes)
	return p
}

// measured says what growth is from.
func (o *options) measured(volumes []*volume) string {
	window := time.Duration(0)
	for _, v := range volumes {
		window = max(window, v.window())
	}
	switch {
	case o.prometheus != "":
		return "growth of the last 15 minutes, by Prometheus"
	case window == 0:
		return "read once, so growth is not known"
	default:
		return "growth measured over " + human.Duration(window.Round(time.Second))
	}
}

// The axis of the bars is logarithmic, from a minute to a year.
const shortest = time.Minute

// along returns where a time is on the axis, in per cent.
func along(d time.Duration) float64 {
	return htmlpage.Width(math.Log(float64(d)/float64(shortest)), math.Log(float64(longest)/float64(shortest)))
}

// addBars adds how long the volumes last that fill, those that end first.
func (p *pageData) addBars(volumes []*volume) {
	const most = 12
	left := 0
	for _, v := range volumes {
		ends, ok := v.endsIn()
		switch {
		case !ok || v.full():
			continue
		case len(p.Bars) == most:
			left++
			continue
		}
		text := human.Duration(ends)
		if ends >= longest {
			text = "over a year"
		}
		if v.oomBeforeFull() == oomFirst {
			text += ", then OOM-killed"
		}
		p.Bars = append(p.Bars, pageBar{Class: stateOf(v).class, Name: v.pod, Text: text, At: along(ends)})
	}
	if left > 0 {
		p.MoreBars = human.Plural(left, "volume") + " more would last longer"
	}
	p.Ticks = []pageTick{
		{along(10 * time.Minute), "10 min", true},
		{along(time.Hour), "1 h", false},
		{along(24 * time.Hour), "1 day", false},
		{along(7 * 24 * time.Hour), "1 week", true},
		{along(30 * 24 * time.Hour), "30 days", false},
	}
}

func pageVolumeOf(v *volume) pageVolume {
	u := v.last().usage
	s := stateOf(v)
	out := pageVolume{
		Class: s.class, State: s.word, Pod: v.pod, UsedWidth: htmlpage.Width(float64(u.Used), float64(u.Size)), Percent: human.Percent(int64(u.Used), int64(u.Size)),
		Used: u.Used.String() + " of " + u.Size.String(), Files: filesText(u.Inodes), Growth: growthText(v), FullIn: fullText(v), OOM: string(v.oomBeforeFull()), Limit: "none",
	}
	about := []string{v.namespace, v.Mount.String()}
	if v.container != "" {
		about = append(about, "container "+v.container)
	}
	out.About = strings.Join(about, " · ")
	limit := v.memoryLimit
	if m := v.last().memory; m != nil {
		if m.Limit > 0 {
			limit = m.Limit
		}
		out.Charged, out.ChargedWidth = m.Used.String()+" charged", htmlpage.Width(float64(m.Used), float64(limit))
	}
	if limit > 0 {
		out.Limit = limit.String()
	}
	if ends, ok := v.endsIn(); ok && out.OOM == string(oomFirst) {
		out.OOM = fmt.Sprintf("yes, in %s", human.Duration(ends))
	}
	return out
}
