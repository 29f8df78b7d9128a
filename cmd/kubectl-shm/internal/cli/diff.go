package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
)

// ByFile returns the documents of each file, which follow each other.
func ByFile(docs []*manifest.Document) [][]*manifest.Document {
	var files [][]*manifest.Document
	for len(docs) > 0 {
		n := 1
		for n < len(docs) && docs[n].Source == docs[0].Source && docs[n].Index == docs[n-1].Index+1 {
			n++
		}
		files, docs = append(files, docs[:n]), docs[n:]
	}
	return files
}

// WriteDiff writes a unified diff of each file that changes.
func WriteDiff(w io.Writer, docs []*manifest.Document, color bool) error {
	for _, file := range ByFile(docs) {
		text, err := fileDiff(file)
		if err != nil {
			return err
		}
		if color {
			text = colored(text)
		}
		fmt.Fprint(w, text)
	}
	return nil
}

// fileDiff compares the documents of one file as they were read with what they are now. It returns
// nothing if they are the same.
func fileDiff(docs []*manifest.Document) (string, error) {
	// Both names are the file's, so that patch -p0 finds it.
	all := udiff.UnifiedDiff{From: docs[0].Source, To: docs[0].Source}
	from, to := 0, 0 // lines before the document, as they were and as they are
	for _, d := range docs {
		text, err := d.Bytes()
		if err != nil {
			return "", err
		}
		before, after := string(d.Raw()), string(text)
		if before != after {
			hunks, err := hunksOf(before, after)
			if err != nil {
				return "", fmt.Errorf("%s: compare it with its changes: %w", d.Source, err)
			}
			for _, h := range hunks {
				h.FromLine += from
				h.ToLine += to
			}
			all.Hunks = append(all.Hunks, hunks...)
		}
		from += strings.Count(before, "\n")
		to += strings.Count(after, "\n")
	}
	return all.String(), nil
}

// hunksOf returns the places at which two texts differ, with three lines around each.
func hunksOf(before, after string) ([]*udiff.Hunk, error) {
	const context = 3
	diff, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), context)
	if err != nil {
		return nil, err
	}
	// The library forgets the lines between two changes of one hunk when it numbers the next.
	added := 0
	for _, h := range diff.Hunks {
		h.ToLine = h.FromLine + added
		for _, line := range h.Lines {
			switch line.Kind {
			case udiff.Insert:
				added++
			case udiff.Delete:
				added--
			}
		}
	}
	return diff.Hunks, nil
}

// colored colors the lines of a diff as git does.
func colored(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		text := strings.TrimSuffix(line, "\n")
		for _, c := range [...]struct{ prefix, color string }{{"--- ", Bold}, {"+++ ", Bold}, {"@@", Cyan}, {"-", Red}, {"+", Green}} {
			if strings.HasPrefix(text, c.prefix) {
				line = Streams{Color: true}.Colored(c.color, text) + strings.TrimPrefix(line, text)
				break
			}
		}
		b.WriteString(line)
	}
	return b.String()
}
