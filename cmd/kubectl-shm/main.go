// Command kubectl-shm is the kubectl plugin "kubectl shm": it sizes /dev/shm and reviews manifests,
// for which it needs no cluster, and audits, looks into and resizes what runs in one.
package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/verbs"
)

func main() {
	terminal := term.IsTerminal(int(os.Stdout.Fd()))
	width, _, _ := term.GetSize(int(os.Stdout.Fd())) // 0 if it is not a terminal
	// It runs for seconds: memory that a server would collect is worth less than the time.
	debug.SetGCPercent(400)
	args := os.Args[1:]
	// kubectl calls a program of this name to complete the arguments of a plugin.
	if strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl_complete-shm") {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	os.Exit(cli.Run(args, cli.Streams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		Terminal: terminal, Color: terminal && os.Getenv("NO_COLOR") == "",
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())), Width: width,
	}, verbs.All()...))
}
