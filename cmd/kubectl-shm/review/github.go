package review

import (
	"fmt"
	"io"
	"strings"
)

// escapes of the values of a workflow command, and of its properties
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
var (
	gitHubValue    = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	gitHubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// writeGitHub writes a workflow command for each finding, and the totals.
func (v *review) writeGitHub(w io.Writer) {
	for _, f := range v.allFindings() {
		command := map[level]string{levelError: "error", levelWarning: "warning", levelNote: "notice"}[f.level]
		title := f.rule
		if f.title != "" {
			title += " " + f.title
		}
		place := ""
		if f.file != "" {
			place = fmt.Sprintf("file=%s,line=%d,", gitHubProperty.Replace(f.file), max(f.line, 1))
		}
		fmt.Fprintf(w, "::%s %stitle=%s::%s\n", command, place, gitHubProperty.Replace(title), gitHubValue.Replace(f.message))
	}
	for _, note := range v.in.Notes {
		fmt.Fprintf(w, "::notice title=%s::%s\n", ruleNote, gitHubValue.Replace(note))
	}
	if text := memoryTotals(v.results); text != "" {
		fmt.Fprintln(w, gitHubValue.Replace(text))
	}
	fmt.Fprintln(w, gitHubValue.Replace(v.summary()))
}
