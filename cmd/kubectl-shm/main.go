// Command kubectl-shm sizes /dev/shm and reviews manifests without a cluster. On
// the PATH it is a kubectl plugin: kubectl shm.
package main

import (
	"os"

	"golang.org/x/term"
)

func main() {
	terminal := term.IsTerminal(int(os.Stdout.Fd()))
	os.Exit(run(os.Args[1:], streams{
		in: os.Stdin, out: os.Stdout, errOut: os.Stderr,
		terminal: terminal, color: terminal && os.Getenv("NO_COLOR") == "",
	}))
}
