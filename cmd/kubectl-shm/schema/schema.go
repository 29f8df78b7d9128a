// Package schema prints the JSON schema of policies.
package schema

import (
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

// text is made from the CRD by a test, which compares them.
//
//go:embed sharedmemorypolicy.schema.json
var text string

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of SharedMemoryPolicies, for editors",
		Long: `Prints the JSON schema (draft-07) of SharedMemoryPolicies, from which editors complete fields
and show what is wrong while you write. The YAML language server, which most editors have,
takes it from a line at the beginning of a file:

  # yaml-language-server: $schema=./sharedmemorypolicy.schema.json

It is made from the CRD. What only the rules of the CRD say (CEL) is not in it: kubectl shm
lint checks that too.`,
		Example: "  kubectl shm schema",
		Args:    cli.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprint(s.Out, text)
			return nil
		},
	}
}
