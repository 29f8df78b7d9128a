package kernels

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// machine represents a virtual machine to be run once.
type machine struct {
	kernel    string // path of the kernel's image
	initramfs string // path
	selinux   bool
	memory    int // MiB
}

// run boots the machine and returns what it measured. Each line of its console is also given to
// progress. The machine is ended with the context, and with this program.
func (m machine) run(ctx context.Context, progress func(report.Line)) (results, error) {
	// The kernel sends the signal of Pdeathsig when the thread that started QEMU ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Without KVM, as most build machines have none. Nehalem has all that the kernels need, and is twice as fast to
	// emulate as what QEMU calls max.
	arguments := "-accel tcg,tb-size=256 -cpu Nehalem -smp 1 -nographic -no-reboot -nodefaults -serial stdio"
	line := "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off"
	if m.selinux {
		line += " security=selinux selinux=1"
	}
	command := append([]string{"-n", "5", "qemu-system-x86_64"}, strings.Fields(arguments)...)
	command = append(command, "-m", strconv.Itoa(m.memory), "-kernel", m.kernel, "-initrd", m.initramfs, "-append", line)
	qemu := exec.CommandContext(ctx, "nice", command...)
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	qemu.Stderr = &stderr
	console, err := qemu.StdoutPipe()
	if err != nil {
		return results{}, err
	}
	if err := qemu.Start(); err != nil {
		return results{}, fmt.Errorf("start QEMU: %w", err)
	}
	out, err := parse(console, progress)
	if err != nil {
		_ = qemu.Process.Kill()
	}
	if waitErr := qemu.Wait(); err == nil && waitErr != nil {
		err = waitErr
	}
	if err != nil {
		return out, errors.Join(err, ctx.Err(), errors.New(strings.TrimSpace(stderr.String())))
	}
	return out, nil
}

// parse reads a guest's console. Lines that are not JSON are the firmware's or the kernel's: the
// last of them are in the error if the guest did not finish.
func parse(console io.Reader, progress func(report.Line)) (results, error) {
	var out results
	var other []string
	lines := bufio.NewScanner(console)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		start := strings.Index(text, "{\"")
		var l report.Line
		if start < 0 || json.Unmarshal([]byte(text[start:]), &l) != nil {
			other = append(other, text)
			continue
		}
		if l.Error != "" {
			return out, fmt.Errorf("the guest gave up: %s", l.Error)
		}
		if l.Done {
			return out, nil
		}
		out.add(l)
		progress(l)
	}
	err := errors.New("the guest ended before it was done")
	if lines.Err() != nil {
		err = fmt.Errorf("the guest's console: %w", lines.Err())
	}
	return out, fmt.Errorf("%w; its last lines:\n%s", err, strings.Join(other[max(0, len(other)-20):], "\n"))
}
