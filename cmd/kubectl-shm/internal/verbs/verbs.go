// Package verbs lists the verbs of kubectl shm.
package verbs

import (
	"slices"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/audit"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/create"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/diagnose"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/export"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/fix"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/initpolicy"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/lint"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/policies"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/recommend"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/resize"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/review"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/rollout"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/schema"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/simulate"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/size"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/test"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/top"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/version"
)

// Offline returns the verbs that need no cluster.
func Offline() []cli.Verb {
	return []cli.Verb{
		size.Command, review.Command, fix.Command, lint.Command, policies.Command, initpolicy.Command, test.Command, create.Command,
		export.Command, simulate.Command, schema.Command, version.Command,
	}
}

// Online returns the verbs that ask a cluster.
func Online() []cli.Verb {
	return []cli.Verb{audit.Command, top.Command, diagnose.Command, recommend.Command, resize.Command, rollout.Command}
}

// All returns all verbs.
func All() []cli.Verb { return slices.Concat(Offline(), Online()) }
