package version

import (
	"regexp"
	"runtime/debug"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

func TestVersion(t *testing.T) {
	got := shm("", "version")
	want := regexp.MustCompile(`^kubectl-shm  \S.*\ngo           go1\.\S+\nAPI          shmkeeper\.dev/v1alpha1\n$`)
	if got.Code != cli.ExitOK || got.ErrOut != "" || !want.MatchString(got.Out) {
		t.Errorf("got %+v", got)
	}
}

func TestBuiltVersion(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}
	for _, test := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, "unknown"},
		{&debug.BuildInfo{}, "(devel)"},
		{&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: commit}, "v1.2.3"},
		{&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: commit}, "(devel) at commit abc and changes"},
		{&debug.BuildInfo{Settings: commit[:1]}, "(devel) at commit abc"},
	} {
		if got := builtVersion(test.info); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
