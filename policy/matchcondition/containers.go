package matchcondition

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The containers of a Pod. One without regular containers is not valid, but webhooks see
// it, with null.
const (
	regularContainers = `(object.spec.containers != null ? object.spec.containers : [])`
	allContainers     = `(has(object.spec.initContainers) ? object.spec.initContainers : []) + ` + regularContainers
)

// imagesText is the images of the regular and sidecar containers, one on each line.
const imagesText = `((has(object.spec.initContainers) ? object.spec.initContainers.filter(x, ` +
	`has(x.restartPolicy) && x.restartPolicy == 'Always') : []) + ` + regularContainers +
	`).map(x, has(x.image) ? x.image : '').join('\n')`

// imageRewrites make one text of all spellings of an image's registry, in order, and leave out Docker
// Hub. Different images may become the same.
var imageRewrites = [][2]string{{":443/", "/"}, {"index.docker.io/", ""}, {"registry-1.docker.io/", ""}, {"docker.io/", ""}}

// namesList is the images of imagesText without tags and digests, each as imageName writes it.
var namesList = func() string {
	e := imagesVar + `.lowerAscii().split('\n').map(x, x.split('@')[0]).map(x, x.lastIndexOf(':') > x.lastIndexOf('/') ? ` +
		`x.substring(0, x.lastIndexOf(':')) : x).map(x, x`
	for _, r := range imageRewrites {
		e += ".replace('" + r[0] + "', '" + r[1] + "')"
	}
	return e + ")"
}()

// imageName returns an image without tag and digest as namesList has it.
func imageName(repository string) string {
	name := strings.ToLower(repository)
	for _, r := range imageRewrites {
		name = strings.ReplaceAll(name, r[0], r[1])
	}
	return name
}

// maxFragment is how much of a name is looked for: contains costs nothing more for a text
// of up to ten bytes.
const maxFragment = 10

// pathFragment returns what every text contains that names a path at or under dir, in any
// spelling: the last part of dir, or its beginning. It is empty if that says nothing.
func pathFragment(dir string) string {
	if dir == "" {
		dir = "/dev/shm" // as the API server fills it in
	}
	fragment := dir[strings.LastIndexByte(dir, '/')+1:]
	for len(fragment) > maxFragment || !utf8.ValidString(fragment) {
		fragment = fragment[:len(fragment)-1]
	}
	return fragment
}

// settingsTerm returns a term that holds if the command, an argument or a variable of a
// container contains the fragment, or if there are too many of them to look at. It is empty without
// a fragment.
func settingsTerm(fragments []string) string {
	if len(fragments) == 0 {
		return ""
	}
	found := ".contains(" + Literal(fragments[0]) + ")"
	texts := func(field string) string {
		return fmt.Sprintf(`has(x.%[1]s) && (x.%[1]s.size() > %[2]d || x.%[1]s.exists(a, a%[3]s))`,
			field, maxSettings, found)
	}
	env := fmt.Sprintf(`has(x.env) && (x.env.size() > %d || `+
		`x.env.exists(a, has(a.value) && a.value%s))`, maxSettings, found)
	return fmt.Sprintf(`%s.exists(x, %s || %s || %s)`,
		containersVar, texts("command"), texts("args"), env)
}

// mountsTerm returns a term that holds if the path of a mount contains one of the
// fragments, or if there are too many mounts, or too long ones, to look at. It is empty without
// fragments.
func mountsTerm(fragments []string) string {
	if len(fragments) == 0 {
		return ""
	}
	path := "a.mountPath"
	either := fmt.Sprintf("%s.size() > %d", path, maxMountPathBytes)
	for _, f := range fragments {
		either += " || " + path + ".contains(" + Literal(f) + ")"
	}
	return fmt.Sprintf(`%s.exists(x, has(x.volumeMounts) && (x.volumeMounts.size() > %d || `+
		`x.volumeMounts.exists(a, has(%s) && (%s))))`, containersVar, maxMounts, path, either)
}
