// Package version knows the version of the program that it is linked into.
package version

import "runtime/debug"

// linked and linkedCommit are set by the linker for a release:
// -ldflags "-X github.com/shmkeeper/shmkeeper/internal/version.linked=v1.2.3 -X ...version.linkedCommit=abc".
// The Go command's own mark of the commit would differ between a checkout that has the tag and one that does not.
var linked, linkedCommit string

// Text returns the version of the program.
func Text() string {
	info, _ := debug.ReadBuildInfo()
	if linked == "" {
		return built(info)
	}
	revision := linkedCommit
	if revision == "" {
		revision, _ = commit(info)
	}
	return released(linked, revision)
}

// released returns a release's version and the commit that it was built from, if that is known.
func released(version, commit string) string {
	if commit != "" {
		return version + " (commit " + commit + ")"
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
