//go:build linux && node

package uml

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// actVariable names what this program does when it is run in a guest, or again in one.
const actVariable = "SHMKEEPER_UML_TEST"

func TestMain(m *testing.M) {
	if IsInit() {
		Init()
	}
	if act := os.Getenv(actVariable); act != "" {
		os.Exit(inGuest(act))
	}
	os.Exit(m.Run())
}

// inGuest returns what the program does in the guest. Its status says what went wrong.
func inGuest(act string) int {
	switch act {
	case "look":
		var fs unix.Statfs_t
		if unix.Statfs("/sys/fs/cgroup", &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
			return 11
		}
		cpuinfo, err := os.ReadFile(os.Getenv("CPUINFO"))
		if err != nil || !bytes.Contains(cpuinfo, []byte("cpu MHz")) {
			return 12
		}
		for i, dir := range os.Args[1:] {
			if os.WriteFile(filepath.Join(dir, "written"), []byte("by the guest"), 0o600) != nil {
				return 13 + i
			}
		}
		dir, err := os.Getwd()
		if err != nil {
			return 20
		}
		_, errOut := os.Stdout.WriteString(strings.Repeat("a line of the output\n", 5000) + "in " + dir + "\n")
		_, errErr := os.Stderr.WriteString("an error\n")
		if errOut != nil || errErr != nil {
			return 21
		}
		return 42
	case "hang":
		time.Sleep(time.Hour)
	case "die":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	return 1
}

func guest(t *testing.T, act string) (Kernel, Guest) {
	t.Helper()
	kernel, err := FindKernel(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return kernel, Guest{
		Program: program, Env: []string{actVariable + "=" + act}, Dir: "/usr", Scratch: t.TempDir(), Memory: 512 << 20, CPUInfoVariable: "CPUINFO",
	}
}

func TestGuest_Files(t *testing.T) {
	kernel, g := guest(t, "look")
	kept, lost := t.TempDir(), t.TempDir()
	g.Args, g.Writable = []string{kept, lost}, []string{kept}
	var stdout, stderr bytes.Buffer
	status, err := kernel.Run(t.Context(), g, &stdout, &stderr)
	if err != nil || status != 42 {
		t.Fatalf("the program in the guest ended with %d, %v; want 42", status, err)
	}
	if want := strings.Repeat("a line of the output\n", 5000) + "in /usr\n"; stdout.String() != want {
		t.Errorf("the program has written %d bytes, ending in %q; want %d", stdout.Len(), lastLines(stdout.String(), 1), len(want))
	}
	if stderr.String() != "an error\n" {
		t.Errorf("the program has written %q to its standard error", stderr.String())
	}
	if text, err := os.ReadFile(filepath.Join(kept, "written")); err != nil || string(text) != "by the guest" {
		t.Errorf("the folder that may be written to has %q, %v", text, err)
	}
	if entries, err := os.ReadDir(lost); err != nil || len(entries) > 0 {
		t.Errorf("the guest has written to the machine: %v, %v", entries, err)
	}
}

func TestGuest_Timeout(t *testing.T) {
	kernel, g := guest(t, "hang")
	over := errors.New("its time is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 8*time.Second, over)
	defer cancel()
	var out bytes.Buffer
	if _, err := kernel.Run(ctx, g, &out, &out); !errors.Is(err, over) {
		t.Errorf("got %v, want %v", err, over)
	}
}

func TestGuest_KilledProgram(t *testing.T) {
	kernel, g := guest(t, "die")
	var out bytes.Buffer
	status, err := kernel.Run(t.Context(), g, &out, &out)
	if want := `in the guest: the program was ended by the signal "killed"`; err == nil || err.Error() != want {
		t.Errorf("got %d, %v; want %s", status, err, want)
	}
}
