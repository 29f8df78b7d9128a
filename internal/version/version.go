// Package version knows the version of the program that it is linked into.
package version

import (
	"cmp"
	"runtime/debug"
)

// linked is set by the linker for a release:
// -ldflags "-X github.com/shmkeeper/shmkeeper/internal/version.linked=v1.2.3".
var linked string

// Text returns the version of the program.
func Text() string {
	info, _ := debug.ReadBuildInfo()
	return cmp.Or(linked, built(info))
}

// built returns what the Go command wrote into the program: the module's version, or the commit that it
// was built from.
func built(info *debug.BuildInfo) string {
	if info == nil {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " and changes"
		}
	}
	if revision == "" {
		return "(devel)"
	}
	return "(devel) at commit " + revision + modified
}
