package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// floor is a process of the program in folder floor.
type floor struct {
	Address     string `json:"address"`
	Certificate string `json:"certificate"`

	cmd   *exec.Cmd
	stdin io.Closer
}

// buildFloor builds the program into a folder and returns its path.
func buildFloor(ctx context.Context, dir string) (string, error) {
	root, err := envtest.Root(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "floor")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./floor")
	build.Dir = filepath.Join(root, "test", "bench")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the floor: %w\n%s", err, out)
	}
	return path, nil
}

// startFloor builds the program and starts it with the folder of its patches and records. It ends
// with this process, since its standard input does.
func startFloor(ctx context.Context, dir, host string) (*floor, error) {
	program, err := buildFloor(ctx, dir)
	if err != nil {
		return nil, err
	}
	f := &floor{cmd: exec.Command(program, "-host", host, "-dir", dir)}
	f.cmd.Stderr = os.Stderr
	stdout, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if f.stdin, err = f.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	if err := json.NewDecoder(stdout).Decode(f); err != nil {
		return nil, errors.Join(fmt.Errorf("the floor does not serve: %w", err), f.stop())
	}
	return f, nil
}

func (f *floor) pid() int { return f.cmd.Process.Pid }

// stop ends the process.
func (f *floor) stop() error {
	return errors.Join(f.stdin.Close(), f.cmd.Wait())
}
