package policies

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// writePage writes all about one policy of the library: what it does, and the comment at the head of its file.
func writePage(w io.Writer, l policyfile.Policy) {
	p := l.Source.DeepCopy()
	v1alpha1.SetDefaults(p)
	rows := [][]string{
		{"Matches", matches(l, math.MaxInt)},
		{"Writers", writers(p.Spec.Writers)},
		{"Mounted at", p.Spec.MountPath},
		{"Size", size(l)},
	}
	if s, ok := l.Compiled.Size(); ok {
		if f := p.Spec.Sizing.Files; f != nil {
			rows = append(rows, []string{"", filesSize(f, s)})
		}
		rows = append(rows, []string{"Memory cost", fmt.Sprintf("%s when it is full, with the kernel memory of its files", s.MemoryCost)})
	}
	rows = append(rows,
		[]string{"Memory", memory(p)},
		[]string{"Mode", fmt.Sprintf("%s, priority %d", p.Spec.Mode, p.Spec.Priority)},
		[]string{"Source", p.Annotations[v1alpha1.AnnotationSource]},
	)
	fmt.Fprintf(w, "%s: %s\n\n", p.Name, p.Annotations[v1alpha1.AnnotationDescription])
	cli.WriteTable(w, rows)
	text, _ := policyfile.BuiltIn(p.Name)
	fmt.Fprintf(w, "\n%s\nTo apply it: kubectl shm policies %s -o yaml | kubectl apply -f -\n", headComment(text), p.Name)
}

func filesSize(f *v1alpha1.Files, s sizing.Size) string {
	life := "for ever"
	if f.Retention != nil {
		life = fmt.Sprintf("for %s and up to %s until a sweep", *f.Retention, *f.SweepInterval)
	}
	text := fmt.Sprintf("%s files a minute of %s bytes, kept %s: ", f.CreatedPerMinute, f.FileSize.String(), life)
	if !s.Bounded {
		return text + "full after " + human.Duration(s.FullAfter)
	}
	return text + fmt.Sprintf("%.0f before a sweep on average, more than %d with probability %s", s.MeanFiles, s.PeakFiles, f.OverflowProbability)
}

// writers says which containers write.
func writers(w *v1alpha1.Writers) string {
	if w == nil || len(w.Names) == 0 {
		return "the containers whose image matches, else those that name the path, else the main one"
	}
	return strings.Join(w.Names, ", ")
}

// memory says what a policy with the defaults filled in does to the writers' memory.
func memory(p *v1alpha1.SharedMemoryPolicy) string {
	switch {
	case p.Spec.Sizing == nil, p.Spec.Memory.Handling == v1alpha1.MemoryRequire:
		return fmt.Sprintf("Require: a memory limit that does not hold the full volume and %s beside it is rejected", p.Spec.Memory.Reserve)
	case p.Spec.Memory.Handling == v1alpha1.MemoryRaise:
		return fmt.Sprintf("Raise: the memory limit is raised by what the full volume costs, and holds at least %s beside it", p.Spec.Memory.Reserve)
	default:
		return "Ignore: the memory limit is left alone"
	}
}

// headComment returns the comment at the head of a file, without the signs of one.
func headComment(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		line, is := strings.CutPrefix(line, "#")
		if !is {
			break
		}
		b.WriteString(strings.TrimPrefix(line, " "))
	}
	return b.String()
}
