package version

import (
	"runtime/debug"
	"testing"
)

func TestBuilt(t *testing.T) {
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
		if got := built(test.info); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestReleased(t *testing.T) {
	for commit, want := range map[string]string{"": "v1.2.3", "abc": "v1.2.3 (commit abc)"} {
		if got := released("v1.2.3", commit); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
