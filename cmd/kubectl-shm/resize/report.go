package resize

import (
	"fmt"
	"slices"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

// result is what the verb reports, in JSON and YAML too.
type result struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Policy    string `json:"policy"`
	// Changes are what the policy gives and the Pod does not have.
	Changes []verdict `json:"changes"`
	// Never are sentences about what only a new Pod can have.
	Never []string `json:"onlyInANewPod"`
	// Applied is the outcome; null in a dry run, and if nothing was possible.
	Applied *outcome `json:"applied"`
	// Notes say what could not be read.
	Notes []string `json:"notes"`
}

// verdict is a change and whether the cluster can make it.
type verdict struct {
	change
	feasibility
}

// enter adds changes with what the cluster says of them.
func (r *result) enter(changes []change, f feasibility) {
	for i := range changes {
		r.Changes = append(r.Changes, verdict{changes[i], f})
	}
}

// refuse enters that what seemed possible is not.
func (r *result) refuse(changes []change, why string) {
	for i := range r.Changes {
		if slices.ContainsFunc(changes, func(c change) bool { return c.of() == r.Changes[i].of() }) {
			r.Changes[i].feasibility = feasibility{Why: why}
		}
	}
}

// whole reports whether the Pod has, or could be given, all that the policy gives.
func (r *result) whole() bool {
	return len(r.Never) == 0 && !slices.ContainsFunc(r.Changes, func(v verdict) bool { return !v.Possible }) && (r.Applied == nil || r.Applied.Done)
}

func (r *result) write(s cli.Streams, format string) error {
	switch format {
	case "json":
		return cli.WriteJSON(s.Out, r)
	case "yaml":
		return cli.WriteYAML(s.Out, r)
	default:
		r.writeText(s)
		return nil
	}
}

func (r *result) writeText(s cli.Streams) {
	out := s.Out
	for _, note := range r.Notes {
		fmt.Fprintln(s.ErrOut, "note:", note)
	}
	fmt.Fprintf(out, "Pod %s/%s, policy %s\n", r.Namespace, r.Pod, r.Policy)
	if len(r.Changes)+len(r.Never) == 0 {
		fmt.Fprintln(out, "It has what its policy gives: there is nothing to raise.")
		return
	}
	if len(r.Changes) > 0 {
		t := cli.Table{Columns: []cli.Column{{Name: "WHAT"}, {Name: "NOW", Right: true}, {Name: "POLICY", Right: true}, {Name: "IN PLACE"}}}
		for i := range r.Changes {
			v := &r.Changes[i]
			now := "-"
			if v.From != nil {
				now = v.From.String()
			}
			t.Add(v.of(), now, v.To.String(), v.word(r))
		}
		fmt.Fprintln(out)
		t.Write(out, true, 0)
	}
	r.writeReasons(s)
	fmt.Fprintln(out)
	fmt.Fprintln(out, r.conclusion())
}

// word says in a word whether a change is possible or done.
func (v *verdict) word(r *result) string {
	switch {
	case !v.Possible:
		return "no"
	case r.Applied == nil:
		return "yes"
	case r.Applied.Done:
		return "done"
	default:
		return "waits"
	}
}

// writeReasons writes each reason once.
func (r *result) writeReasons(s cli.Streams) {
	var reasons []string
	for i := range r.Changes {
		if v := &r.Changes[i]; !v.Possible && !slices.Contains(reasons, v.Why) {
			reasons = append(reasons, v.Why)
			fmt.Fprintf(s.Out, "\n%s: no: %s\n", v.of(), v.Why)
		}
	}
	for _, never := range r.Never {
		fmt.Fprintf(s.Out, "\n%s\n", never)
	}
}

// conclusion says what to do next.
func (r *result) conclusion() string {
	possible := slices.ContainsFunc(r.Changes, func(v verdict) bool { return v.Possible })
	const replace = "A new Pod gets all of it, in a namespace that enforces or from a corrected manifest, and loses what is in memory: kubectl rollout restart."
	switch {
	case r.Applied != nil && !r.Applied.Done:
		return fmt.Sprintf("The kubelet has not done it yet: %s: %s. It goes on trying; kubectl shm resize says how far it is.", r.Applied.Pending, r.Applied.Message)
	case r.Applied != nil && r.whole():
		return "Done: nothing was restarted, and what is in memory is still there. The workload's own manifest is as before: a new Pod gets the same from the policy, if its namespace enforces."
	case r.Applied != nil:
		return "Done as far as this cluster can. " + replace
	case !possible:
		return "Nothing of this can be changed in a Pod that is there. " + replace
	case !r.whole():
		return "Nothing was changed. --dry-run=none does what is possible. " + replace
	default:
		return "Nothing was changed: --dry-run=none does it."
	}
}
