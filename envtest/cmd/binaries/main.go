// Command binaries provides the programs of the tests' control plane: it builds those that are
// missing and prints where each is. A first build takes minutes, more than `go test` allows a
// package by default. With -node it adds those of a node.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/shmkeeper/shmkeeper/envtest"
)

func main() {
	node := flag.Bool("node", false, "build kube-scheduler and kubelet too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *node, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "binaries:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, node bool, out io.Writer) error {
	programs, err := envtest.FindPrograms(ctx, os.Stderr)
	if err != nil {
		return err
	}
	paths := []string{programs.Etcd, programs.APIServer, programs.ControllerManager, programs.Kubectl}
	if node {
		more, err := envtest.FindNodePrograms(ctx, os.Stderr)
		if err != nil {
			return err
		}
		paths = append(paths, more.Scheduler, more.Kubelet)
	}
	for _, path := range paths {
		fmt.Fprintln(out, path)
	}
	return nil
}
