//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

func pauseUntilSignal(out io.Writer) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGCHLD)
	defer signal.Stop(signals)
	fmt.Fprintln(out, "waiting for a signal")
	pause(signals)
}

// pause returns at the first signal other than SIGCHLD. In a Pod that shares its process namespace it is process 1,
// which every orphan is handed to: it waits for those that end, so that none stays as a zombie.
func pause(signals <-chan os.Signal) {
	reap() // those that ended before the signal was asked for
	for s := range signals {
		if s != unix.SIGCHLD {
			return
		}
		reap()
	}
}

// reap waits for every child that has ended: several may have sent one signal.
func reap() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
	}
}
