package inspect

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestParseUsage(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		paths  int
		want   Reading
		fault  string
	}{
		"stat": {
			"shm 1\nstat 0 tmpfs 4096 16384 0 1000 500\n", 1,
			Reading{Usage: []*Usage{{Type: "tmpfs", Size: 64 * sizing.MiB, Used: 64 * sizing.MiB, Inodes: 499, MaxInodes: 1000}}},
			"",
		},
		"df, as coreutils and busybox print it": {
			"shm 1\ndf 0 shm   65536 32768 32768 50% /dev/shm\ninodes 0 shm 1000 500 500 50% /dev/shm\n", 1,
			Reading{Usage: []*Usage{{Size: 64 * sizing.MiB, Used: 32 * sizing.MiB, Inodes: 499, MaxInodes: 1000}}},
			"",
		},
		"a file system that does not count inodes, and a path that is not there": {
			"shm 1\nstat 0 overlayfs 4096 10 5 0 0\nnone 1\n", 2,
			Reading{Usage: []*Usage{{Type: "overlayfs", Size: 40960, Used: 20480}, nil}},
			"",
		},
		"cgroup v2": {
			"shm 1\nmemory 1000 5000 100\n", 0,
			Reading{Usage: []*Usage{}, Memory: &Memory{Used: 900, Limit: 5000}},
			"",
		},
		"cgroup v2 without a limit": {
			"shm 1\nmemory 1000 max 100\n", 0,
			Reading{Usage: []*Usage{}, Memory: &Memory{Used: 900}},
			"",
		},
		"cgroup v1 without a limit": {
			"shm 1\nmemory 1000 9223372036854771712 2000\n", 0,
			Reading{Usage: []*Usage{}, Memory: &Memory{}},
			"",
		},
		"figures of a cgroup that cannot be read": {
			"shm 1\nmemory   \n", 0, Reading{Usage: []*Usage{}}, "",
		},
		"no answer":                         {"", 1, Reading{}, "the script did not answer"},
		"another program's answer":          {"hello\n", 1, Reading{}, "the script did not answer"},
		"an answer about one of two paths":  {"shm 1\nnone 0\n", 2, Reading{}, "the script did not answer"},
		"an answer about what nobody asked": {"shm 1\nnone 7\n", 1, Reading{}, `unexpected answer "none 7"`},
		"a negative figure":                 {"shm 1\nstat 0 tmpfs 4096 -1 0 1 1\n", 1, Reading{}, `unexpected answer "4096 -1 0 1 1"`},
		"inodes of nothing":                 {"shm 1\ninodes 0 shm 1 1 1 1% /\n", 1, Reading{}, `unexpected answer "shm 1 1 1 1% /"`},
		"a word":                            {"shm 1\nbash: stat: not found\n", 1, Reading{}, `unexpected answer "bash: stat: not found"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseUsage(c.answer, c.paths)
			if fault := text(err); fault != c.fault {
				t.Fatalf("got the error %q; want %q", fault, c.fault)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParseFiles(t *testing.T) {
	got, err := parseFiles("shm 1\nfiles 2 1 1500 16 1500 7200 5 60 session_*\nfiles 1 1 0 0 0 9 9 -1 /\nyounger 60 1 8\nend\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Listing{
		Patterns: []Pattern{
			{Name: "session_*", Files: 2, Empty: 1, Content: 1500, Pages: 8192, Largest: 1500, Oldest: 2 * time.Hour, Newest: 5 * time.Second, Written: time.Minute},
			{Files: 1, Empty: 1, Oldest: 9 * time.Second, Newest: 9 * time.Second, Written: -1},
		},
		Younger: []Younger{{Age: time.Minute, Files: 1, Pages: 4096}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, answer := range map[string]string{
		"nothing":              "",
		"an answer that ended": "shm 1\nfiles 2 1 1500 16 1500 7200 5 60 session_*\n",
		"too many lines":       "shm 1\n" + strings.Repeat("files 1 1 1 1 1 1 1 1 x\n", MaxPatterns+2) + "end\n",
		"too many ages":        "shm 1\n" + strings.Repeat("younger 1 1 1\n", 40) + "end\n",
		"letters":              "shm 1\nfiles a b c d e f g h i\nend\n",
	} {
		if got, err := parseFiles(answer); err == nil {
			t.Errorf("%s: got %+v; want an error", name, got)
		}
	}
}

// What a container prints is its tenant's: it ends in figures of tmpfs or in an error.
func FuzzParse(f *testing.F) {
	f.Add("shm 1\nstat 0 tmpfs 4096 16384 0 1000 500\nmemory 1 max 2\n")
	f.Add("shm 1\nfiles 2 1 1500 16 1500 7200 5 60 session_*\nyounger 60 1 8\nend\n")
	f.Add("shm 1\nstat 0 x 99999999999999999999 99999999999999999999 0 9 9\n")
	f.Fuzz(func(t *testing.T, answer string) {
		if r, err := parseUsage(answer, 1); err == nil && r.Usage[0] != nil {
			if u := r.Usage[0]; u.Size < 0 || u.Used < 0 || u.Inodes < 0 || u.MaxInodes < 0 {
				t.Errorf("%q gives %+v", answer, u)
			}
		}
		l, err := parseFiles(answer)
		if err != nil {
			return
		}
		if len(l.Patterns) > MaxPatterns+1 {
			t.Errorf("%q gives %d patterns", answer, len(l.Patterns))
		}
		for _, p := range l.Patterns {
			if p.Files < 0 || p.Pages < 0 || p.Oldest < 0 || p.Written < -1 || p.Oldest > math.MaxInt64/2 {
				t.Errorf("%q gives %+v", answer, p)
			}
		}
	})
}
