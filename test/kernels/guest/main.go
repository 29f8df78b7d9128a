//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == writeVerb:
		serve(os.Stdin, os.Stdout)
	case os.Getpid() == 1:
		runMachine()
	default:
		fmt.Fprintln(os.Stderr, "guest: this is the first program of a virtual machine: run `make test-kernels`")
		os.Exit(2)
	}
}

// runMachine carries out the plan, prints the results and switches the machine off.
func runMachine() {
	lines, err := prepare()
	if err == nil {
		err = carryOut(lines)
	}
	last := report.Line{Done: err == nil}
	if err != nil {
		last.Error = err.Error()
	}
	// The host notices if the last line is missing.
	_ = lines.Encode(last)
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

// prepare mounts what the kernel shows of itself, and opens the console.
func prepare() (*json.Encoder, error) {
	lines := json.NewEncoder(io.Discard)
	for _, m := range []struct{ kind, at string }{
		{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"cgroup2", cgroupRoot},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return lines, err
		}
		if err := syscall.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return lines, fmt.Errorf("mount %s at %s: %w", m.kind, m.at, err)
		}
		if m.kind == "devtmpfs" {
			console, err := os.OpenFile("/dev/ttyS0", os.O_WRONLY, 0)
			if err != nil {
				return lines, err
			}
			lines = json.NewEncoder(console)
		}
	}
	return lines, os.WriteFile(path.Join(cgroupRoot, "cgroup.subtree_control"), []byte("+memory"), 0)
}

// carryOut measures everything in the plan and prints each result as soon as it is there.
func carryOut(lines *json.Encoder) error {
	if err := loadPolicy(); err != nil {
		return err
	}
	kernel, err := describe()
	if err != nil {
		return err
	}
	if err := lines.Encode(report.Line{Kernel: &kernel}); err != nil {
		return err
	}
	text, err := os.ReadFile("/" + report.PlanFile)
	if err != nil {
		return err
	}
	var plan report.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return fmt.Errorf("%s: %w", report.PlanFile, err)
	}
	if err := measureCosts(plan.Costs, func(c report.Cost) error { return lines.Encode(report.Line{Cost: &c}) }); err != nil {
		return err
	}
	for _, c := range plan.Fits {
		fit, err := measureFit(c)
		if err != nil {
			return err
		}
		if err := lines.Encode(report.Line{Fit: &fit}); err != nil {
			return err
		}
	}
	return carryOutContainers(plan, lines)
}

// carryOutContainers measures what happens to whole containers.
func carryOutContainers(plan report.Plan, lines *json.Encoder) error {
	for _, c := range plan.Fills {
		fill, err := measureFill(c)
		if err != nil {
			return err
		}
		if err := lines.Encode(report.Line{Fill: &fill}); err != nil {
			return err
		}
	}
	for _, c := range plan.Restarts {
		restart, err := measureRestarts(c)
		if err != nil {
			return err
		}
		if err := lines.Encode(report.Line{Restart: &restart}); err != nil {
			return err
		}
	}
	for _, c := range plan.Stalls {
		stall, err := measureStall(c)
		if err != nil {
			return err
		}
		if err := lines.Encode(report.Line{Stall: &stall}); err != nil {
			return err
		}
	}
	return nil
}
