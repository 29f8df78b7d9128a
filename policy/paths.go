package policy

import (
	"path"
	"strings"
)

// mentions reports whether a text has a path at or under dir in it, in any spelling:
// "--worker-tmp-dir=/dev/shm/", "exec app -d '/dev//shm/x'", "file:///dev/shm".
func mentions(text, dir string) bool {
	last := lastPart(dir)
	if !strings.Contains(text, last) {
		return false
	}
	for start := 0; ; {
		slash := strings.IndexByte(text[start:], '/')
		if slash < 0 {
			return false
		}
		start += slash
		end := start
		for end < len(text) && isPathByte(text[end]) {
			end++
		}
		// A path that goes on from a name is relative to it: "a/dev/shm".
		if (start == 0 || !isPathByte(text[start-1])) && strings.Contains(text[start:end], last) &&
			isUnder(path.Clean(text[start:end]), dir) {
			return true
		}
		start = end
	}
}

func isPathByte(b byte) bool {
	return b == '/' || b == '.' || b == '-' || b == '_' || b == '+' || b == '@' || b == '%' || b == '~' ||
		'0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b >= 0x80
}

// isUnder reports whether a cleaned path is dir or lies in it.
func isUnder(p, dir string) bool {
	rest, ok := strings.CutPrefix(p, dir)
	return ok && (rest == "" || rest[0] == '/')
}

// cleanMountPath reads a mount path as the runtime does: a relative one starts at
// the root.
func cleanMountPath(p string) string { return path.Clean("/" + p) }

// place says where a path lies, seen from a directory.
type place uint8

const (
	beside place = iota
	at
	below
)

// placeOf says where a path lies, as it was written, seen from a cleaned directory.
func placeOf(written, dir string) place {
	// No spelling of a path at or below the directory lacks its last part, and few
	// others have it.
	if written == dir {
		return at
	}
	if !strings.Contains(written, lastPart(dir)) {
		return beside
	}
	switch cleaned := cleanMountPath(written); {
	case cleaned == dir:
		return at
	case isUnder(cleaned, dir):
		return below
	default:
		return beside
	}
}

// anyMentions reports whether one of the texts has a path at or under dir in it.
func anyMentions(texts []string, dir string) bool {
	for _, text := range texts {
		if mentions(text, dir) {
			return true
		}
	}
	return false
}

// namesPath reports whether a container's environment, command or arguments name a path at or
// under dir.
func (c *ContainerView) namesPath(dir string) bool {
	if anyMentions(c.Command, dir) || anyMentions(c.Args, dir) {
		return true
	}
	for i := range c.Env {
		if mentions(c.Env[i].Value, dir) {
			return true
		}
	}
	return false
}

// mounts reports whether a container mounts something at dir or below it.
func (c *ContainerView) mounts(dir string) bool {
	for i := range c.VolumeMounts {
		if placeOf(c.VolumeMounts[i].MountPath, dir) != beside {
			return true
		}
	}
	return false
}
