//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asProgram makes the test binary behave as the program that it tests.
const asProgram = "SESSIONWRITER_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program returns the program with the arguments and variables, not yet started.
func program(t *testing.T, args []string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(append(os.Environ(), env...), asProgram+"=1")
	return cmd
}

func TestRun_InvalidArguments(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	for name, test := range map[string]struct {
		args []string
		env  map[string]string
		want string // beginning of the last line
	}{
		"a mode that is not there": {
			args: []string{"serve"}, want: `error: "serve" is not a mode: write fill, pause, or nothing to serve`,
		},
		"a setting": {
			env:  map[string]string{"RETENTION": "long"},
			want: `error: RETENTION: "long" is not a time above 0: write one such as 168h or 5m`,
		},
		"fill without a folder": {
			args: []string{"fill", "--count", "1"}, want: `error: dir: "" is not a folder: name the one to write to`,
		},
		"fill without a number": {
			args: []string{"fill", "--dir", "x"},
			want: `error: count: "0" is not a number of files: write one from 1 to 1000000`,
		},
		"fill with too much": {
			args: []string{"fill", "more"}, want: `error: "more" is not a flag: see --help for the flags`,
		},
		"fill with a flag that is not there": {
			args: []string{"fill", "--files", "1"},
			want: `error: flag provided but not defined: -files: see --help for the flags`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			status := run(test.args, env(test.env), &out)
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if last := lines[len(lines)-1]; status != 2 || last != test.want {
				t.Errorf("%d %s, want %s", status, last, test.want)
			}
		})
	}
}

func TestFill_CreatesFiles(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	dir := t.TempDir()
	args := []string{"fill", "--count", "3", "--size", "5000", "--dir", dir, "--name", "long"}
	var out bytes.Buffer
	// A second time, as after a restart: other names, and as many files again.
	for n := 1; n <= 2; n++ {
		if status := run(args, env(nil), &out); status != 0 {
			t.Fatalf("%d %s", status, out.String())
		}
		names := namesIn(t, dir)
		if len(names) != 3*n || len(names[0]) != longName {
			t.Fatalf("got %q", names)
		}
	}
	if got, want := out.String(), strings.Repeat("3 files of 5000 bytes in "+dir+"\n", 2); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFill_SaysHowFarItGot(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// The folder is a file: even root cannot write there.
	cmd := program(t, []string{"fill", "--count", "3", "--size", "9", "--dir", dir + "/file", "--name", "short"})
	out, err := cmd.CombinedOutput()
	want := "error: after 0 of 3 files: open " + dir + "/file/file00000000: not a directory\n"
	if err == nil || cmd.ProcessState.ExitCode() != 1 || string(out) != want {
		t.Errorf("%v %s, want status 1 and %s", err, out, want)
	}
}

func TestFill_RemovesAnIncompleteFile(t *testing.T) {
	dir := t.TempDir()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 70 << 10, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	maker := &fileMaker{dir: dir}
	small, errSmall := maker.create(t.Context(), batchOfFiles{Count: 2, Size: 70 << 10, Name: "short", Prefix: "s"})
	large, errLarge := maker.create(t.Context(), batchOfFiles{Count: 2, Size: 71 << 10, Name: "short", Prefix: "l"})
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if small != 2 || errSmall != nil || large != 0 || errLarge == nil {
		t.Errorf("%d %v, %d %v", small, errSmall, large, errLarge)
	}
	if got, want := strings.Join(namesIn(t, dir), " "), "s00000000000 s00000000001"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

func TestFill_NamesRunOut(t *testing.T) {
	maker := &fileMaker{dir: t.TempDir(), next: 9_999_999}
	n, err := maker.create(t.Context(), batchOfFiles{Count: 2, Name: "short", Prefix: "abcde"})
	if n != 1 || err == nil || err.Error() != `no name of 12 characters is left after "abcde": choose another prefix` {
		t.Errorf("%d %v", n, err)
	}
}

func TestServe_EndsOnSIGTERM(t *testing.T) {
	dir := t.TempDir()
	cmd := program(t, nil, "TMPDIR="+dir, "LISTEN=127.0.0.1:0", "RETENTION=1h")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := json.NewDecoder(stderr)
	var serving struct{ Msg, Address string }
	if err := log.Decode(&serving); err != nil || serving.Msg != "serving" {
		t.Fatalf("%+v %v", serving, err)
	}
	client := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := client.Get("http://" + serving.Address + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusFound || len(namesIn(t, dir)) != 1 {
		t.Errorf("%s, %q", r.Status, namesIn(t, dir))
	}
	// The client's connection is still open.
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := io.Copy(io.Discard, stderr); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %v, want status 0 at once", err, time.Since(start))
	}
}

func TestPause_ReapsChildren(t *testing.T) {
	child := program(t, []string{"fill", "--help"})
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal)
	done := make(chan struct{})
	go func() {
		pause(signals)
		close(done)
	}()
	// Until it is waited for a child is there, as a zombie.
	for unix.Kill(child.Process.Pid, 0) == nil {
		signals <- unix.SIGCHLD
		time.Sleep(time.Millisecond)
	}
	signals <- unix.SIGTERM
	<-done
	// Releases what exec holds; the child itself is gone.
	_ = child.Wait()
}

func TestPause_EndsOnASignal(t *testing.T) {
	for _, signal := range []os.Signal{unix.SIGTERM, unix.SIGINT} {
		cmd := program(t, []string{"pause"})
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(stderr).ReadString('\n'); line != "waiting for a signal\n" {
			t.Errorf("got %q %v", line, err)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v, want status 0", signal, err)
		}
	}
}
