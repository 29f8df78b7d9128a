package main

import "strings"

// Escapes what would be markup in the text of a help.
var escape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `_`, `\_`, `<`, `\<`, `[`, `\[`, "`", "\\`")

// markUp returns the text of a help as Markdown: lines that are indented stay as they are, written by block, unless they are
// the items of a list; all else is running text.
func markUp(help string, block func(lines []string) string) string {
	var out strings.Builder
	var run []string // of indented lines
	flush := func() {
		switch {
		case len(run) == 0:
			return
		case strings.HasPrefix(run[0], "- "):
			out.WriteString("\n" + escape.Replace(strings.Join(run, "\n")) + "\n\n")
		default:
			out.WriteString("\n" + block(run) + "\n")
		}
		run = nil
	}
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\n")
		if rest, found := strings.CutPrefix(line, "  "); found {
			run = append(run, rest)
			continue
		}
		flush()
		out.WriteString(escape.Replace(line) + "\n")
	}
	flush()
	return strings.ReplaceAll(strings.TrimSpace(out.String()), "\n\n\n", "\n\n")
}

// indented returns lines as Markdown's indented code, which is what the man pages are made of.
func indented(lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		out.WriteString("    " + line + "\n")
	}
	return out.String()
}

// fenced returns lines as Markdown's fenced code.
func fenced(lines []string) string {
	return "```text\n" + strings.Join(lines, "\n") + "\n```\n"
}
