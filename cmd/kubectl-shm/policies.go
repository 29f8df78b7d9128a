package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func newPoliciesCommand(s streams) *cobra.Command {
	var output string
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
		ValidArgsFunction: cobra.FixedCompletions(builtInNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(_ *cobra.Command, args []string) error { return listPolicies(s, output, args) },
	}
	explainUsage(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, yaml or json")
	complete(cmd, "output", cobra.ShellCompDirectiveNoFileComp, policiesOutputs())
	return cmd
}

func policiesOutputs() []string { return []string{"text", "yaml", "json"} }

func listPolicies(s streams, output string, names []string) error {
	if err := oneOf("-o", output, policiesOutputs()); err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := builtIn(name); !ok {
			return fmt.Errorf("%s is not a built-in policy: kubectl shm policies lists them", strconv.Quote(name))
		}
	}
	loaded, err := loadPolicies(names, s.in)
	if err != nil {
		return err
	}
	switch {
	case output == "yaml":
		fmt.Fprint(s.out, libraryText(loaded))
	case output == "json":
		return writeJSON(s.out, policiesJSON(loaded))
	case len(names) > 0:
		writePage(s.out, loaded[0])
	default:
		rows := [][]string{{"NAME", "MATCHES", "SIZE", "DESCRIPTION"}}
		for _, l := range loaded {
			rows = append(rows, []string{l.policy.Name(), matches(&l.source.Spec, 2), size(l), l.source.Annotations[v1alpha1.AnnotationDescription]})
		}
		for _, line := range align(rows) {
			fmt.Fprintln(s.out, line)
		}
	}
	return nil
}

// libraryText returns the text of the policies as one stream.
func libraryText(loaded []loadedPolicy) string {
	var b bytes.Buffer
	for i, l := range loaded {
		if i > 0 {
			b.WriteString("---\n")
		}
		text, _ := builtIn(l.policy.Name())
		b.Write(text)
	}
	return b.String()
}

type jsonPolicy struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Matches     string          `json:"matches"`
	Size        string          `json:"size"`
	Source      string          `json:"source"`
	Policy      json.RawMessage `json:"policy"` // as the file has it, without defaults
}

func policiesJSON(loaded []loadedPolicy) []jsonPolicy {
	list := make([]jsonPolicy, 0, len(loaded))
	for _, l := range loaded {
		list = append(list, jsonPolicy{
			Name: l.policy.Name(), Matches: matches(&l.source.Spec, math.MaxInt), Size: size(l), Policy: l.object.JSON,
			Description: l.source.Annotations[v1alpha1.AnnotationDescription],
			Source:      l.source.Annotations[v1alpha1.AnnotationSource],
		})
	}
	return list
}
