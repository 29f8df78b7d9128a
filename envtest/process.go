package envtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// errPortTaken says that a port which was free when it was chosen is in use.
var errPortTaken = errors.New("another process has taken its port")

// command is a program and how to run it.
type command struct {
	name string // for messages
	path string
	args []string
	log  string // file for both outputs
}

// process is a program that runs, until stop or the end of this process.
type process struct {
	command
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and been waited for
}

func startProcess(c command) (*process, error) {
	log, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("the log of %s: %w; name another folder in Options.LogDir", c.name, err)
	}
	// The program has its own copy, and nothing was written to this one.
	defer func() { _ = log.Close() }()

	p := &process{command: c, cmd: exec.Command(c.path, c.args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = environment()
	p.cmd.SysProcAttr = dieWithParent()

	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// Linux kills the program when the thread that started it ends, so the thread must last as long as the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in ProcessState
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w; remove %q, and it is built again", c.name, err, filepath.Dir(c.path))
	}
	return p, nil
}

// environment returns what the programs get: nothing that would send their connections through somebody's proxy, or change how they run.
func environment() []string {
	var env []string
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "TZ"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop kills the program and returns when it is gone.
func (p *process) stop() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w; end process %d by hand", p.name, err, p.cmd.Process.Pid)
	}
	<-p.done
	return nil
}

// failure says why a program that should run has ended.
func (p *process) failure() error {
	end := p.logEnd()
	err := fmt.Errorf("%s ended before it was ready: %s\n%s\nFix what its log says; Options.LogDir keeps the whole of it", p.name, p.cmd.ProcessState, end)
	if strings.Contains(end, "address already in use") {
		return errors.Join(errPortTaken, err)
	}
	return err
}

// logEnd returns the last part of the log, from the start of a line.
func (p *process) logEnd() string {
	const most = 4 << 10
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(data) > most {
		data = data[len(data)-most:]
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	return strings.TrimSpace(string(data))
}
