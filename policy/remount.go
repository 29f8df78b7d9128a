package policy

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// remounter returns a container that shares the runtime's /dev/shm and makes it larger itself
// when it starts, by remounting it, which it is allowed to; -1 if there is none. On a volume the
// same remount has the kubelet evict the Pod as soon as it uses more than the sizeLimit.
func (v *view) remounter() int {
	return slices.IndexFunc(v.containers, func(c container) bool {
		return c.shares() && c.remounts
	})
}

// remounts reports whether a container's command, arguments or postStart hook remount a path,
// and whether it can: only a privileged one, or one with CAP_SYS_ADMIN.
func (c *ContainerView) remounts(dir string) bool {
	if !c.mayMount() {
		return false
	}
	for _, list := range [...][]string{c.Command, c.Args, c.postStart()} {
		if isRemount(list, dir) {
			return true
		}
	}
	return false
}

// isRemount reports whether a command, in one text or several, has mount, remount and the path
// in it.
func isRemount(words []string, dir string) bool {
	var mount, remount, path bool
	for _, text := range words {
		remount = remount || strings.Contains(text, "remount")
		mount = mount || strings.Contains(strings.ReplaceAll(text, "remount", ""), "mount")
		path = path || mentions(text, dir)
	}
	return mount && remount && path
}

func (c *ContainerView) mayMount() bool {
	s := c.SecurityContext
	if s == nil {
		return false
	}
	if s.Privileged != nil && *s.Privileged {
		return true
	}
	return s.Capabilities != nil && slices.ContainsFunc(s.Capabilities.Add, func(c corev1.Capability) bool {
		return c == "SYS_ADMIN" || c == "CAP_SYS_ADMIN" || c == "ALL"
	})
}

// remountText returns the word of a remount that says what to, such as
// "remount,size=1024M"; empty if there is none.
func (c *container) remountText() string {
	for _, list := range [...][]string{c.source.Command, c.source.Args, c.source.postStart()} {
		for _, text := range list {
			if i := strings.Index(text, "remount"); i >= 0 {
				word, _, _ := strings.Cut(text[i:min(len(text), i+64)], " ")
				return word
			}
		}
	}
	return ""
}
