//go:build node

package incident

import (
	"fmt"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// oomKilled returns nil if the container was OOM-killed. Its status says so unless it ended so soon that
// containerd saw the end before the kernel's notice of the cause: the reason is "Error" then, with the exit
// code of SIGKILL, and the kernel's log is the witness.
func oomKilled(ended *corev1.ContainerStateTerminated) error {
	if ended.Reason == "OOMKilled" {
		return nil
	}
	why := fmt.Errorf("it has ended with the reason %q, exit code %d, %q; want OOMKilled", ended.Reason, ended.ExitCode, ended.Message)
	_, id, found := strings.Cut(ended.ContainerID, "://")
	if ended.Reason != "Error" || ended.ExitCode != 128+int32(syscall.SIGKILL) || !found || id == "" {
		return why
	}
	log, err := kernelLog()
	if err != nil {
		return fmt.Errorf("%w; the kernel's log cannot be read: %w", why, err)
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, "oom-kill:") && strings.Contains(line, id) {
			return nil
		}
	}
	return fmt.Errorf("%w; the kernel's log has no OOM kill in container %s", why, id)
}

// kernelLog returns what the kernel's ring buffer holds. Only root may read it on most machines.
func kernelLog() (string, error) {
	const (
		readAll    = 3  // SYSLOG_ACTION_READ_ALL of syslog(2)
		bufferSize = 10 // SYSLOG_ACTION_SIZE_BUFFER
	)
	size, err := syscall.Klogctl(bufferSize, nil)
	if err != nil {
		return "", err
	}
	buffer := make([]byte, size)
	n, err := syscall.Klogctl(readAll, buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}
