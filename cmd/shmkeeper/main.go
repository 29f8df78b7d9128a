// Command shmkeeper is the admission webhook server.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/shmkeeper/shmkeeper/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	status := start(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// start reads the flags and runs the server until ctx is done. The result is the
// exit status: 0 after a clean stop, 1 after a failure, 2 for wrong flags.
func start(ctx context.Context, args []string) int {
	flags := pflag.NewFlagSet("shmkeeper", pflag.ContinueOnError)
	var o Options
	o.AddFlags(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "error: %v: see --help for the flags\n", err)
		return 2
	}
	if o.Version {
		fmt.Println(version.Text())
		return 0
	}
	if err := o.Validate(flags.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		return 2
	}
	relaxCollector()
	if err := Run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		return 1
	}
	return 0
}
