// Command binaries builds the programs of the tests' control plane, where they are missing, and prints where each is. A first build takes minutes,
// more than `go test` allows a package by default.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/shmkeeper/shmkeeper/envtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	programs, err := envtest.FindPrograms(ctx, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "binaries:", err)
		os.Exit(1)
	}
	fmt.Printf("%s\n%s\n%s\n%s\n", programs.Etcd, programs.APIServer, programs.ControllerManager, programs.Kubectl)
}
