// Package policies shows the built-in policies.
package policies

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var output cli.Choice
	cmd := &cobra.Command{
		Use:   "policies [NAME]",
		Short: "List the built-in policies, or explain one",
		Long: `Lists the built-in policies: what each matches, the size it gives, what it is for. With a
NAME, all about that one: what it matches, what it does, where its figures are from, when to
change them.

-o yaml prints the policies as they are applied to a cluster, with their comments; -o json
a list of {name, description, matches, size, source, policy}.`,
		Example: `  kubectl shm policies
  kubectl shm policies authentik-proxy-outposts

  # To change it, or to apply it: ... | kubectl apply -f -
  kubectl shm policies authentik-proxy-outposts -o yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%s is one name too many: give one or none", strconv.Quote(args[1]))
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(policyfile.BuiltInNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(_ *cobra.Command, args []string) error { return listPolicies(s, output.Value, args) },
	}
	output.AddOutput(cmd, "text", "yaml", "json")
	return cmd
}

func listPolicies(s cli.Streams, output string, names []string) error {
	for _, name := range names {
		if _, ok := policyfile.BuiltIn(name); !ok {
			return fmt.Errorf("%s is not a built-in policy: %s", strconv.Quote(name), cli.DidYouMean(name, policyfile.BuiltInNames(), "kubectl shm policies lists them"))
		}
	}
	loaded, err := policyfile.Load(names, s.In)
	if err != nil {
		return err
	}
	switch {
	case output == "yaml":
		var texts []string
		for _, l := range loaded {
			text, _ := policyfile.BuiltIn(l.Compiled.Name())
			texts = append(texts, string(text))
		}
		fmt.Fprint(s.Out, strings.Join(texts, "---\n"))
	case output == "json":
		return cli.WriteJSON(s.Out, policiesJSON(loaded))
	case len(names) > 0:
		writePage(s.Out, loaded[0])
	default:
		rows := [][]string{{"NAME", "MATCHES", "SIZE", "DESCRIPTION"}}
		for _, l := range loaded {
			rows = append(rows, []string{l.Compiled.Name(), matches(l, 2), size(l), l.Source.Annotations[v1alpha1.AnnotationDescription]})
		}
		cli.WriteTable(s.Out, cli.Fit(rows, s.Width, cli.Cut{Column: 3}, cli.Cut{Column: 1}))
	}
	return nil
}

type jsonPolicy struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Matches     string          `json:"matches"`
	Size        string          `json:"size"`
	Source      string          `json:"source"`
	Policy      json.RawMessage `json:"policy"` // as the file has it, without defaults
}

func policiesJSON(loaded []policyfile.Policy) []jsonPolicy {
	list := make([]jsonPolicy, 0, len(loaded))
	for _, l := range loaded {
		list = append(list, jsonPolicy{
			Name: l.Compiled.Name(), Matches: matches(l, math.MaxInt), Size: size(l), Policy: l.Object.JSON,
			Description: l.Source.Annotations[v1alpha1.AnnotationDescription],
			Source:      l.Source.Annotations[v1alpha1.AnnotationSource],
		})
	}
	return list
}
