package cluster

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxMark is how much of a name is looked for: contains costs nothing more for a
// text of up to ten bytes.
const maxMark = 10

// markOf is what every text contains that names a path at or under dir: the last
// part of dir, or its beginning. It is empty where that says nothing.
func markOf(dir string) string {
	if dir == "" {
		dir = "/dev/shm" // as the API server fills it in
	}
	mark := dir[strings.LastIndexByte(dir, '/')+1:]
	for len(mark) > maxMark || !utf8.ValidString(mark) {
		mark = mark[:len(mark)-1]
	}
	return mark
}

// settingsTerm holds where the command, an argument or a variable of a container
// contains the mark, and where there are too many of them to look at.
func settingsTerm(mark string) string {
	found := ".contains(" + literal(mark) + ")"
	texts := func(field string) string {
		return fmt.Sprintf(`has(x.%[1]s) && (x.%[1]s.size() > %[2]d || x.%[1]s.exists(a, a%[3]s))`, field, maxSettings, found)
	}
	env := fmt.Sprintf(`has(x.env) && (x.env.size() > %d || x.env.exists(a, has(a.value) && a.value%s))`, maxSettings, found)
	return fmt.Sprintf(`%s.exists(x, %s || %s || %s)`, containersVar, texts("command"), texts("args"), env)
}
