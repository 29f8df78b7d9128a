// Package version prints versions.
package version

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/version"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program and of the API that it knows",
		Example: "  kubectl shm version",
		Args:    cli.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			cli.WriteTable(s.Out, [][]string{
				{"kubectl-shm", version.Text()},
				{"go", runtime.Version()},
				{"API", v1alpha1.GroupVersion.String()},
			})
			return nil
		},
	}
	return cmd
}
