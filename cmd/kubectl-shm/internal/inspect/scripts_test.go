package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// here executes commands on this machine, as a container's runtime does in a container.
type here struct {
	dir  string // of the programs; empty for the machine's
	said string // standard output of the last command
}

func (h *here) Execute(ctx context.Context, _ Target, command []string, most int) (string, string, error) {
	if h.dir != "" {
		// The scripts add the usual folders, in which this machine has everything.
		command = slices.Clone(command)
		command[2] = strings.ReplaceAll(command[2], `PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin"`, "PATH="+h.dir)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	out := &bounded{most: most, exceeded: func() {}}
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &stderr
	err := cmd.Run()
	h.said = out.String()
	return h.said, stderr.String(), err
}

// programs makes a folder with some of the machine's programs.
func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUsage_IsWhatStatfsSays(t *testing.T) {
	for name, tools := range map[string][]string{
		"stat":             nil,
		"df, without stat": {"df"},
	} {
		t.Run(name, func(t *testing.T) {
			executor := &here{}
			if tools != nil {
				executor.dir = programs(t, tools...)
			}
			dir := t.TempDir()
			got, err := (&Reader{Executor: executor}).Usage(t.Context(), Target{}, dir, "/nowhere")
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Usage) != 2 || got.Usage[0] == nil || got.Usage[1] != nil {
				t.Fatalf("got %+v; want the first path alone", got.Usage)
			}
			var s unix.Statfs_t
			if err := unix.Statfs(dir, &s); err != nil {
				t.Fatal(err)
			}
			u := got.Usage[0]
			if want := sizing.Bytes(s.Bsize).Times(int64(s.Blocks)); u.Size != want || u.MaxInodes != int64(s.Files) {
				t.Errorf("got a size of %d and at most %d inodes; want %d and %d", u.Size, u.MaxInodes, want, s.Files)
			}
			// Others write to the file system too.
			used, inodes := sizing.Bytes(s.Bsize).Times(int64(s.Blocks-s.Bfree)), int64(s.Files-s.Ffree)-1
			if differ(int64(u.Used), int64(used)) || differ(u.Inodes, inodes) {
				t.Errorf("got %d bytes and %d inodes in use; want about %d and %d", u.Used, u.Inodes, used, inodes)
			}
		})
	}
}

// differ reports whether two figures differ by more than a tenth.
func differ(a, b int64) bool { return a < b-b/10 || a > b+b/10 }

func TestFiles_CountsByPattern(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	write := func(name string, size int, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	const secret = "MZXW6YTBOJUWG2LQNRSXA33MNFSW45DFOIQGK3TDN5SGK43FONZWS33O"
	for i := range 40 {
		write(fmt.Sprintf("session_%s%02d", secret, i), 1500, time.Duration(i+2)*20*time.Minute)
	}
	write("session_"+strings.Repeat("Q", 52), 0, 5*time.Second)
	write("psm_1a2b3c4d", 100_000, 8*24*time.Hour)
	write("nginx/cache/6f/0e84a0-e29b-41d4-a716-446655440000.tmp", 10, 30*time.Second)
	write("with  two spaces and \"quotes\"", 1, time.Hour)
	write("two\nlines", 1, time.Hour)

	executor := &here{}
	got, err := (&Reader{Executor: executor}).Files(t.Context(), Target{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(executor.said, secret[:20]) || strings.Contains(executor.said, "446655440000") {
		t.Errorf("names leave the container:\n%s", executor.said)
	}
	type line struct {
		Name         string
		Files, Empty int64
		Content      sizing.Bytes
	}
	var lines []line
	for _, p := range got.Patterns {
		lines = append(lines, line{p.Name, p.Files, p.Empty, p.Content})
	}
	want := []line{
		{"session_*", 41, 1, 60_000}, {"psm_*", 1, 0, 100_000}, {"nginx/cache/*/*.tmp", 1, 0, 10}, {"two", 1, 0, 1}, {`with two spaces and "quotes"`, 1, 0, 1},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	s := got.Patterns[0]
	if s.Oldest < 820*time.Minute || s.Oldest > 821*time.Minute || s.Newest > time.Minute || s.Written < 40*time.Minute || s.Written > 41*time.Minute {
		t.Errorf("the sessions are from %s to %s ago, the last one written %s ago; want 13h40m to seconds, and 40m", s.Oldest, s.Newest, s.Written)
	}
	var younger []int64
	for _, y := range got.Younger {
		younger = append(younger, y.Files)
	}
	if diff := cmp.Diff([]int64{2, 2, 3, 20, 44, 44, 44}, younger); diff != "" {
		t.Errorf("younger than a minute, ten minutes, an hour, 6 hours, a day, 3 days, a week: %s", diff)
	}
}

func TestFiles_ManyKindsOfNames(t *testing.T) {
	dir := t.TempDir()
	for i := range MaxPatterns + 50 {
		name := strings.Repeat("x", 1+i%50) + strings.Repeat("-y", i/50)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := (&Reader{Executor: &here{}}).Files(t.Context(), Target{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	files := int64(0)
	for _, p := range got.Patterns {
		files += p.Files
	}
	if len(got.Patterns) > MaxPatterns+1 || files != MaxPatterns+50 {
		t.Errorf("got %d patterns of %d files; want at most %d, and one, of %d", len(got.Patterns), files, MaxPatterns, MaxPatterns+50)
	}
}

func TestFiles_NamesWhatIsMissing(t *testing.T) {
	got, err := (&Reader{Executor: &here{dir: programs(t, "stat", "date")}}).Files(t.Context(), Target{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"find", "awk"}, got.Missing); diff != "" {
		t.Error(diff)
	}
}

func TestUsage_NoShell(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := (&Reader{Executor: &here{}}).Usage(t.Context(), Target{"shop", "cart-0", "cart"}, "/dev/shm")
	const want = `container "cart" of Pod shop/cart-0: the container cannot run a shell: "exec: \"sh\": executable file not found in $PATH"`
	if !errors.Is(err, ErrNoShell) || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}
