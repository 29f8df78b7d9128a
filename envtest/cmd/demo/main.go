// Command demo shows shmkeeper at work on a control plane of package envtest, with the commands that a person would type.
//
//	demo        shows how the incident's outpost is admitted, how a Pod is rejected and what the audit mode says, and stops
//	demo run    leaves the control plane up until it is interrupted
//
// It has to be run in a checkout of shmkeeper. When it ends nothing is left but the programs in envtest's cache.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

var errInterrupted = errors.New("interrupted before it was done; run it again to see the whole")

// run does what the arguments say. What it started has ended when it returns.
func run(ctx context.Context, args []string, out io.Writer) error {
	stay := slices.Equal(args, []string{"run"})
	if len(args) > 0 && !stay {
		return fmt.Errorf("%q is not a way to run it; give no argument, or \"run\"", args)
	}
	c := &cluster{shell: shell{out: out}}
	err := c.start(ctx)
	if err == nil {
		err = c.prepare(ctx)
	}
	switch {
	case err != nil:
	case stay:
		c.stay(ctx)
	default:
		err = c.show(ctx)
	}
	if err != nil && ctx.Err() != nil {
		// What failed then is that commands were cut short.
		err = errInterrupted
	}
	if stopErr := c.stop(); stopErr != nil {
		return errors.Join(err, stopErr)
	}
	fmt.Fprintln(out, "\nStopped: no process and no file of the control plane is left.")
	return err
}
