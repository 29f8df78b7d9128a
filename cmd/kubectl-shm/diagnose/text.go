package diagnose

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// width is how long lines of prose get, in characters.
const width = 100

func (r *report) writeText(out io.Writer) {
	fmt.Fprintf(out, "Pod %s/%s, of %s, on node %s, running for %s\n", r.Namespace, r.Pod, r.Workload, cli.Plain(r.Node), human.Duration(r.running))
	fmt.Fprintln(out)
	prose(out, "CAUSE    ", r.Cause)
	for i := range r.Volumes {
		r.Volumes[i].writeText(out)
	}
	r.writeContainers(out)
	r.writePolicy(out)
	for i := range r.Events {
		e := &r.Events[i]
		if i == 0 {
			fmt.Fprintln(out, "\nEVENTS")
		}
		prose(out, fmt.Sprintf("  %-12s", human.Duration(time.Duration(e.AgeSeconds)*time.Second)+" ago"), fmt.Sprintf("%s %s: %s", e.Type, e.Reason, human.Quote(e.Message, 200)))
	}
	writeRemedies(out, "NOW", r.Now)
	writeRemedies(out, "FOR GOOD", r.ForGood)
}

func (v *volume) writeText(out io.Writer) {
	if v.Error != "" {
		fmt.Fprintln(out)
		fmt.Fprintln(out, v.name())
		prose(out, "  ", "not read: "+v.Error)
		return
	}
	fmt.Fprintf(out, "\n%s, seen from container %s\n", v.name(), cli.Plain(v.Container))
	fmt.Fprintf(out, "  %s of %s in use, %s, by %s files and folders\n", mib(v.Used), mib(v.Size), human.Percent(int64(v.Used), int64(v.Size)), human.Count(v.Inodes))
	if v.MemoryUsed > 0 {
		limit := "no limit"
		if v.MemoryLimit > 0 {
			limit = "a limit of " + mib(v.MemoryLimit)
		}
		fmt.Fprintf(out, "  the container is charged for %s of memory that cannot be reclaimed, with %s\n", mib(v.MemoryUsed), limit)
	}
	if l := v.Learned; l != nil && l.Files > 0 {
		fmt.Fprintf(out, "  its oldest file is from %s ago", human.Duration(l.Oldest))
		if l.PerMinute > 0 {
			fmt.Fprintf(out, "; over the last %s %s files a minute came that are still there, of %s on average", human.Duration(l.Over), figure(l.PerMinute), plainBytes(l.FileSize))
		}
		fmt.Fprintln(out)
	}
	if len(v.Patterns) == 0 {
		return
	}
	t := cli.Table{Columns: []cli.Column{{Name: "FILES", Right: true}, {Name: "EMPTY", Right: true}, {Name: "USED", Right: true}, {Name: "MEAN SIZE", Right: true}, {Name: "OLDEST", Right: true}, {Name: "NEWEST", Right: true}, {Name: "NAME"}}}
	for i := range v.Patterns {
		p := &v.Patterns[i]
		name := patternName(p.Name)
		if p.Name == "" {
			name = "(all others)"
		}
		t.Add(human.Count(p.Files), human.Count(p.Empty), mib(p.Pages), plainBytes(p.MeanSize), age(p.OldestSeconds), age(p.NewestSeconds), name)
	}
	var b strings.Builder
	t.Write(&b, true, 0)
	for line := range strings.Lines(b.String()) {
		fmt.Fprint(out, "  ", line)
	}
}

func (r *report) writeContainers(out io.Writer) {
	first := true
	for i := range r.Containers {
		c := &r.Containers[i]
		if c.LastEnd == "" && c.State == "running" || c.Restarts == 0 && strings.HasPrefix(c.State, "ended: Completed") {
			continue
		}
		if first {
			fmt.Fprintln(out, "\nCONTAINERS")
			first = false
		}
		fmt.Fprintf(out, "  %s: %s, restarted %s", cli.Plain(c.Name), c.State, human.Plural(int(c.Restarts), "time"))
		if c.LastEnd != "" {
			fmt.Fprintf(out, ", ended last %s ago: %s", human.Duration(c.sinceLast), c.LastEnd)
		}
		fmt.Fprintln(out)
	}
}

func (r *report) writePolicy(out io.Writer) {
	fmt.Fprintln(out)
	p := r.Policy
	if p == nil {
		prose(out, "POLICY   ", "none matches the Pod, and none of the library would.")
		return
	}
	mode := "has not opted in"
	if p.NamespaceMode != "" {
		mode = "is in mode " + strings.ToLower(string(p.NamespaceMode))
	}
	how := "matches"
	if !p.Installed {
		how = "of the library would fit; none that is installed matches"
	}
	prose(out, "POLICY   ", fmt.Sprintf("%s %s; the namespace %s. It gives %s.", p.Name, how, mode, p.gives()))
	if p.Outcome == policy.Mutated {
		prose(out, "         ", "Of this Pod it "+p.Detail+".")
	} else if p.Detail != "" {
		prose(out, "         ", p.Detail)
	}
}

func writeRemedies(out io.Writer, title string, remedies []remedy) {
	for i, r := range remedies {
		if i == 0 {
			fmt.Fprintf(out, "\n%s\n", title)
		}
		if r.Command == "" {
			prose(out, "  ", r.Why)
			continue
		}
		fmt.Fprintln(out, "  "+r.Command)
		prose(out, "      ", r.Why)
	}
}

// prose writes a text in lines of at most so many characters, all but the first under its beginning.
func prose(out io.Writer, title, text string) {
	line := title
	indent := strings.Repeat(" ", len([]rune(title)))
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case len([]rune(line))+1+len([]rune(word)) > width:
			fmt.Fprintln(out, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(out, line)
}

func mib(b sizing.Bytes) string { return human.MiB(int64(b)) + " MiB" }

func plainBytes(b sizing.Bytes) string {
	if b >= sizing.MiB {
		return mib(b)
	}
	return human.Count(int64(b)) + " bytes"
}

func age(seconds int64) string { return human.Duration(time.Duration(seconds) * time.Second) }

// figure returns a rate with two significant digits or none after the point.
func figure(f float64) string {
	if f >= 10 {
		return human.Count(int64(f + 0.5))
	}
	return fmt.Sprintf("%.2g", f)
}

// patternName returns a pattern of names for a line: quoted if it has anything that could be taken
// for something else. A slash is what separates folders.
func patternName(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = cli.Plain(parts[i])
	}
	return strings.Join(parts, "/")
}
