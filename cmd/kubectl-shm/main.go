// Command kubectl-shm is the kubectl plugin "kubectl shm", which needs no cluster: it sizes
// /dev/shm and reviews manifests.
package main

import (
	"os"

	"golang.org/x/term"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/lint"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/policies"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/review"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/simulate"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/size"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/version"
)

var verbs = []cli.Verb{size.Command, review.Command, lint.Command, policies.Command, simulate.Command, version.Command}

func main() {
	terminal := term.IsTerminal(int(os.Stdout.Fd()))
	os.Exit(cli.Run(os.Args[1:], cli.Streams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		Terminal: terminal, Color: terminal && os.Getenv("NO_COLOR") == "",
	}, verbs...))
}
