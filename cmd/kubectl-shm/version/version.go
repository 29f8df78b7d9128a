package version

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// version is set by the linker for a release: -ldflags "-X main.version=v1.2.3".
var version string

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program and of the API that it knows",
		Example: "  kubectl shm version",
		Args:    cli.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			cli.WriteTable(s.Out, [][]string{
				{"kubectl-shm", cmp.Or(version, builtVersion(info))},
				{"go", runtime.Version()},
				{"API", v1alpha1.GroupVersion.String()},
			})
			return nil
		},
	}
	return cmd
}

// builtVersion is what the Go command wrote into the program: the module's version, or the commit it was built from.
func builtVersion(info *debug.BuildInfo) string {
	if info == nil {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " and changes"
		}
	}
	if revision == "" {
		return "(devel)"
	}
	return "(devel) at commit " + revision + modified
}
