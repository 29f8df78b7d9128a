package review

import (
	"fmt"
	"io"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
)

// review represents what was reviewed, to be written.
type review struct {
	options
	in      *reviewer.Input
	chosen  reviewer.Chosen
	results []reviewer.Result
}

// apply changes the documents as the webhook would.
func (v *review) apply() error {
	for _, r := range v.results {
		if err := r.Object.Patch(r.Patch); err != nil {
			return err
		}
	}
	return nil
}

// holdsErrors reports whether the output has a place for what cannot be read.
func (v *review) holdsErrors() bool {
	switch v.output.Value {
	case "sarif", "junit", "github":
		return true
	}
	return false
}

// fails reports whether a result ends the command with exit status 1.
func (v *review) fails(r reviewer.Result) bool {
	switch v.failOn.Value {
	case failChanged:
		return r.Rejected() || r.Changed()
	case failNever:
		return false
	default:
		return r.Rejected()
	}
}

// listed returns the results that the report and the table list.
func (v *review) listed() []reviewer.Result {
	if v.all {
		return v.results
	}
	var out []reviewer.Result
	for _, r := range v.results {
		if r.Outcome != policy.NotMatched {
			out = append(out, r)
		}
	}
	return out
}

func (v *review) write(s cli.Streams) error {
	var err error
	switch v.output.Value {
	case "report":
		v.writeReport(s)
		return nil
	case "table":
		v.writeTable(s)
		return nil
	case "sarif":
		return cli.WriteJSON(s.Out, v.sarif())
	case "junit":
		return v.writeJUnit(s.Out)
	case "github":
		v.writeGitHub(s.Out)
		return nil
	case "json":
		if err = cli.WriteJSON(s.Out, v.json()); err == nil {
			writeNotes(s.ErrOut, v.in.Notes)
		}
		return err
	case "patch":
		err = cli.WriteJSON(s.Out, patchesJSON(v.results))
	case "diff":
		err = cli.WriteDiff(s.Out, v.in.Docs, s.Color)
	case "yaml":
		err = manifest.Write(s.Out, v.in.Docs)
	}
	if err == nil {
		writeFindings(s.ErrOut, v.results)
		writeNotes(s.ErrOut, v.in.Notes)
	}
	return err
}

// writeFindings writes what an output for programs cannot hold.
func writeFindings(w io.Writer, results []reviewer.Result) {
	for _, r := range results {
		for _, violation := range r.After {
			fmt.Fprintf(w, "%s: %s\n", r.Title(), r.SentenceOf(violation))
		}
		for _, aside := range asides(r) {
			fmt.Fprintf(w, "%s: %s\n", r.Title(), aside)
		}
	}
}

// writeNotes writes notes on the input.
func writeNotes(w io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintln(w, "note: "+note)
	}
}
