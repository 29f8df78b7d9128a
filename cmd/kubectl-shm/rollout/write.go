package rollout

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/internal/human"
)

// jsonCandidate is a workload as a program reads it.
type jsonCandidate struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Pods       int    `json:"pods"`
	Lacking    int    `json:"lackingPods"`
	Policy     string `json:"policy"`
	Detail     string `json:"detail"`
	Restart    bool   `json:"restart"`
	WhyNot     string `json:"whyNot"`
}

// write lists what would be done.
func (o *options) write(s cli.Streams, c *live.Cluster, found []candidate) error {
	switch o.output.Value {
	case "json":
		return cli.WriteJSON(s.Out, jsonOf(found))
	case "yaml":
		return cli.WriteYAML(s.Out, jsonOf(found))
	case "csv":
		return tableOf(found).WriteCSV(s.Out)
	}
	if t := tableOf(found); len(found) > 0 {
		t.Write(s.Out, o.output.Value == "wide", s.Width)
		fmt.Fprintln(s.Out)
	}
	restart := 0
	for _, w := range found {
		if w.reason == "" {
			restart++
		} else if o.output.Value == "table" {
			fmt.Fprintf(s.Out, "%s is left alone: %s\n", w.workload, w.reason)
		}
	}
	for _, note := range c.Notes() {
		fmt.Fprintln(s.Out, "note: "+note)
	}
	if len(found) == 0 {
		fmt.Fprintf(s.Out, "no workload in %s lacks what its policy gives\n", c.Where())
		return nil
	}
	fmt.Fprintf(s.Out, "%s would be restarted, %d left alone", human.Plural(restart, "workload"), len(found)-restart)
	if restart > 0 {
		fmt.Fprint(s.Out, ": add --dry-run=none to do it")
	}
	fmt.Fprintln(s.Out)
	return nil
}

func tableOf(found []candidate) *cli.Table {
	t := &cli.Table{Columns: []cli.Column{
		{Name: "WORKLOAD"}, {Name: "LACKING", Right: true}, {Name: "PODS", Right: true}, {Name: "RESTART"}, {Name: "POLICY"}, {Name: "WHY", Wide: true},
	}}
	for _, w := range found {
		restart, why := "yes", w.detail
		if w.reason != "" {
			restart, why = "no", w.reason
		}
		t.Add(w.workload.String(), fmt.Sprint(w.lacking), fmt.Sprint(w.pods), restart, w.policy, why)
	}
	return t
}

func jsonOf(found []candidate) []jsonCandidate {
	out := []jsonCandidate{}
	for _, w := range found {
		out = append(out, jsonCandidate{
			w.workload.APIVersion, w.workload.Kind, w.workload.Namespace, w.workload.Name, w.pods, w.lacking, w.policy, w.detail, w.reason == "", w.reason,
		})
	}
	return out
}
