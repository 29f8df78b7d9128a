//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// writer represents a process in a cgroup that writes files as it is told.
type writer struct {
	process *exec.Cmd
	stdin   io.WriteCloser
	orders  *json.Encoder
	answers *json.Decoder
}

// startWriter starts a writer in a cgroup: everything that it uses is charged there.
func startWriter(in cgroup) (*writer, error) {
	folder, err := os.Open(string(in))
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	process := exec.Command("/proc/self/exe", writeVerb)
	// As few threads as can be, and no collection of the little garbage: what it uses itself must not change.
	process.Env = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1"}
	process.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}
	stdin, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("start a writer in %s: %w", in, err)
	}
	return &writer{process, stdin, json.NewEncoder(stdin), json.NewDecoder(stdout)}, nil
}

// write has the writer carry out an order. It returns errKilled if the writer was killed.
func (w *writer) write(o order) (answer, error) {
	if err := w.orders.Encode(o); err != nil {
		return answer{}, w.whyEnded(err)
	}
	var a answer
	if err := w.answers.Decode(&a); err != nil {
		return answer{}, w.whyEnded(err)
	}
	return a, nil
}

var errKilled = errors.New("the writer was killed")

// whyEnded waits for a writer whose pipe is closed and returns errKilled if a SIGKILL ended it, as
// the OOM killer sends it.
func (w *writer) whyEnded(pipe error) error {
	err := w.process.Wait()
	if status, ok := w.process.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
		return errKilled
	}
	return errors.Join(pipe, err, errors.New("the writer has ended"))
}

// end has the writer end and waits for it. It must not have ended before.
func (w *writer) end() error {
	if err := w.stdin.Close(); err != nil {
		return err
	}
	return w.process.Wait()
}
