package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// writePage writes all about one policy of the library: what it does, and the comment at the head of its file.
func writePage(w io.Writer, l loadedPolicy) {
	p := l.source.DeepCopy()
	v1alpha1.SetDefaults(p)
	rows := [][]string{
		{"Matches", matches(&p.Spec, math.MaxInt)},
		{"Containers", strings.Join(p.Spec.Containers, ", ")},
		{"Mounted at", p.Spec.MountPath},
		{"Size", size(l)},
	}
	if s, ok := l.policy.Size(); ok {
		if f := p.Spec.Sizing.Files; f != nil {
			rows = append(rows, []string{"", filesSize(f, s)})
		}
		rows = append(rows, []string{"Full, it costs", fmt.Sprintf("%s of memory, with the kernel memory of its files", s.Charge)})
	}
	rows = append(rows,
		[]string{"Memory", memoryHandling(p.Spec.Memory)},
		[]string{"Mode", fmt.Sprintf("%s, priority %d", p.Spec.Mode, p.Spec.Priority)},
		[]string{"Source", p.Annotations[v1alpha1.AnnotationSource]},
	)
	fmt.Fprintf(w, "%s: %s\n\n", p.Name, p.Annotations[v1alpha1.AnnotationDescription])
	for _, line := range align(rows) {
		fmt.Fprintln(w, line)
	}
	text, _ := builtIn(p.Name)
	fmt.Fprintf(w, "\n%s\nTo apply it: kubectl shm policies %s -o yaml | kubectl apply -f -\n", headComment(text), p.Name)
}

func filesSize(f *v1alpha1.Files, s policy.Size) string {
	life := "for ever"
	if f.Retention != nil {
		life = fmt.Sprintf("for %s and up to %s until a sweep", *f.Retention, *f.SweepInterval)
	}
	if !s.Bounded {
		return fmt.Sprintf("%s files a minute of %s bytes, kept %s: full after %s", f.CreatedPerMinute, f.FileSize.String(), life, policy.Span(s.FullAfter))
	}
	return fmt.Sprintf("%s files a minute of %s bytes, kept %s: %.0f on average, more than %d with probability %s", f.CreatedPerMinute, f.FileSize.String(), life, s.MeanFiles, s.PeakFiles, f.OverflowProbability)
}

func memoryHandling(m v1alpha1.MemoryHandling) string {
	return string(m) + map[v1alpha1.MemoryHandling]string{
		v1alpha1.MemoryRaise:   ": what the full volume costs is added to the memory limit",
		v1alpha1.MemoryRequire: ": a memory limit below what the full volume costs is refused",
		v1alpha1.MemoryIgnore:  ": the memory limit is left alone",
	}[m]
}

// headComment is the comment at the head of a file, without the signs of one.
func headComment(text []byte) string {
	var b strings.Builder
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line, is := strings.CutPrefix(lines.Text(), "#")
		if !is {
			break
		}
		b.WriteString(strings.TrimPrefix(line, " ") + "\n")
	}
	return b.String()
}
