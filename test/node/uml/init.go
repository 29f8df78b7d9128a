//go:build linux

package uml

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// IsInit reports whether this is the first process of a guest.
func IsInit() bool { return os.Getpid() == 1 && os.Getenv(scratchVariable) != "" }

// Init makes the guest usable, runs the program, leaves its exit status for Run and switches the guest off. It does not return.
func Init() {
	scratch := os.Getenv(scratchVariable)
	status, err := initialize(scratch)
	name, text := statusFile, strconv.Itoa(status)
	if err != nil {
		name, text = errorFile, err.Error()
	}
	if err := os.WriteFile(filepath.Join(scratch, name), []byte(text), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "uml:", text, err) // among the kernel's messages
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {} // the first process must not end
}

func initialize(scratch string) (status int, err error) {
	// Before all else, so that an error can be left there.
	if err := mountHost(scratch, scratch); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(scratch, taskFile))
	if err != nil {
		return 0, err
	}
	var t task
	if err := json.Unmarshal(text, &t); err != nil {
		return 0, fmt.Errorf("%s: %w", taskFile, err)
	}
	if err := loadModules(t.Modules); err != nil {
		return 0, err
	}
	if err := makeRoot(t.Writable); err != nil {
		return 0, err
	}
	if err := unix.Sethostname([]byte("guest")); err != nil {
		return 0, fmt.Errorf("the name of the guest: %w", err)
	}
	return t.run()
}

// run runs the program and waits for it, and for all processes that lose their parents.
func (t task) run() (status int, err error) {
	cmd := exec.Command(t.Program, t.Args...)
	cmd.Env, cmd.Dir = t.Env, t.Dir
	var consoles [2]*os.File
	for i, number := range []int{stdoutConsole, stderrConsole} {
		if consoles[i], err = openConsole(number); err != nil {
			return 0, err
		}
	}
	cmd.Stdout, cmd.Stderr = consoles[0], consoles[1]
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("the program of the guest: %w", err)
	}
	for {
		var ended syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ended, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("waiting in the guest: %w", err)
		case pid == cmd.Process.Pid:
			for _, console := range consoles {
				_ = unix.IoctlSetInt(int(console.Fd()), unix.TCSBRK, 1) // waits until all is written; without it the end may be missing
			}
			if ended.Exited() {
				return ended.ExitStatus(), nil
			}
			return 0, fmt.Errorf("the program was ended by the signal %q", ended.Signal())
		}
	}
}

// openConsole opens a console that passes everything on as it is.
func openConsole(number int) (*os.File, error) {
	f, err := os.OpenFile("/dev/tty"+strconv.Itoa(number), os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("the console of the guest: %w", err)
	}
	settings, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err == nil {
		settings.Oflag &^= unix.OPOST
		err = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, settings)
	}
	if err != nil {
		return nil, fmt.Errorf("the console of the guest: %w", err)
	}
	return f, nil
}
