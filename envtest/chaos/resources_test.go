//go:build chaos && linux

package chaos

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the servers run out of.
var resourceScenarios = []scenario{
	{
		name: "all replicas run out of descriptors", long: true, allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			giveBack := h.exhaustDescriptors(t)
			h.waitNotCalled(t, 10)
			for _, r := range h.replicas {
				h.waitProbesFail(t, r)
			}
			giveBack()
		},
		signs: []sign{enforceFailed, logs("too many open files")},
	},
	{
		name: "500 slow clients",
		fault: func(t *testing.T, h *harness) {
			stop := h.connectSlowly(t, 500)
			h.reconnect() // the API server has to get through beside them
			h.waitCreated(t, steady, time.Now(), 50)
			stop()
		},
	},
}

// exhaustDescriptors cuts the API server's connections, and leaves no replica a descriptor for
// another one. The result lifts that.
func (h *harness) exhaustDescriptors(t *testing.T) (giveBack func()) {
	t.Helper()
	h.stream.pause()
	h.disconnect()
	var undo []func()
	for _, r := range h.replicas {
		var old unix.Rlimit
		if err := unix.Prlimit(r.Pid(), unix.RLIMIT_NOFILE, nil, &old); err != nil {
			t.Fatal(err)
		}
		if err := unix.Prlimit(r.Pid(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: lowestFree(t, r.Pid()), Max: old.Max}, nil); err != nil {
			t.Fatal(err)
		}
		undo = append(undo, func() { _ = unix.Prlimit(r.Pid(), unix.RLIMIT_NOFILE, &old, nil) }) // it may have ended
	}
	h.serve()
	h.stream.resume()
	var once sync.Once
	giveBack = func() {
		once.Do(func() {
			for _, f := range undo {
				f()
			}
		})
	}
	t.Cleanup(giveBack)
	return giveBack
}

// lowestFree returns the descriptor that a process gets next. The limit is about its number.
func lowestFree(t *testing.T, pid int) uint64 {
	t.Helper()
	for n := 0; ; n++ {
		_, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "fd", strconv.Itoa(n)))
		if errors.Is(err, os.ErrNotExist) {
			return uint64(n)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// connectSlowly opens connections to the replicas in turn. Each begins a request and sends a byte
// of it every second, until the result is called.
func (h *harness) connectSlowly(t *testing.T, n int) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var clients, open sync.WaitGroup
	for i := range n {
		r := h.replicas[i%len(h.replicas)]
		open.Add(1)
		clients.Go(func() { sendSlowly(r.Webhooks, open.Done, done) })
	}
	open.Wait()
	var once sync.Once
	stop = func() { once.Do(func() { close(done) }); clients.Wait() }
	t.Cleanup(stop)
	return stop
}

// sendSlowly sends a request byte by byte until done, or until the server has had enough of it.
func sendSlowly(address string, connected func(), done <-chan struct{}) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, // it is an attacker, and asks nobody
	}}
	conn, err := dialer.Dial("tcp", address)
	connected()
	if err != nil {
		return // turned away
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "POST /validate-pods HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"); err != nil {
		return
	}
	slowly := time.NewTicker(time.Second)
	defer slowly.Stop()
	for {
		select {
		case <-done:
			return
		case <-slowly.C:
			if _, err := conn.Write([]byte(" ")); err != nil {
				return
			}
		}
	}
}
