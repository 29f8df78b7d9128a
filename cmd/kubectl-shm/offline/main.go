// Command offline is kubectl shm with a few verbs that need no cluster: those of examples/demo.sh and action.yml. They link no client of
// one, so that it is built with less than half of the packages: both show something soon, even where nothing is in Go's cache.
package main

import (
	"os"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/review"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/simulate"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/size"
)

func main() {
	streams := cli.Streams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	os.Exit(cli.Run(os.Args[1:], streams, review.Command, simulate.Command, size.Command))
}
