// Package version knows the version of the program that it is linked into.
package version

import "runtime/debug"

// linked is set by the linker for a release:
// -ldflags "-X github.com/shmkeeper/shmkeeper/internal/version.linked=v1.2.3".
var linked string

// Text returns the version of the program.
func Text() string {
	info, _ := debug.ReadBuildInfo()
	if linked == "" {
		return built(info)
	}
	return released(linked, info)
}

// released returns a release's version and the commit that it was built from, if the Go command has written that.
func released(version string, info *debug.BuildInfo) string {
	if revision, _ := commit(info); revision != "" {
		return version + " (commit " + revision + ")"
	}
	return version
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
	revision, modified := commit(info)
	switch {
	case revision == "":
		return "(devel)"
	case modified:
		return "(devel) at commit " + revision + " and changes"
	default:
		return "(devel) at commit " + revision
	}
}

// commit returns the commit that the program was built from, "" if that is not known, and reports whether there were
// changes that are in no commit.
func commit(info *debug.BuildInfo) (revision string, modified bool) {
	if info == nil {
		return "", false
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	return revision, modified
}
