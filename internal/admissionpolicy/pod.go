package admissionpolicy

import (
	"fmt"
	"strings"

	"github.com/shmkeeper/shmkeeper/policy"
)

const runtimeShm = "/dev/shm"

// Bounds of the Pods that are decided about, so that an expression stays within the cost that an
// API server grants. They are far above ordinary Pods, and below those of the webhook.
const (
	mostContainers = 32
	mostVolumes    = 64
	mostMounts     = 32   // of a container
	mostTexts      = 128  // arguments, or environment variables, of a container
	mostHints      = 32   // texts that may name the mount path
	longestHint    = 4096 // characters
)

// setPod adds what is read of a Pod. Lists are by container: the init containers, then the others.
func (g *generator) setPod() {
	g.set("labels", "has(object.metadata.labels) ? object.metadata.labels : {}")
	g.set("annotations", "has(object.metadata.annotations) ? object.metadata.annotations : {}")
	g.set("namespaceLabels", "has(namespaceObject.metadata.labels) ? namespaceObject.metadata.labels : {}")
	g.set("init", "has(object.spec.initContainers) ? object.spec.initContainers : []")
	g.set("containers", "$init + object.spec.containers")
	g.set("all", "lists.range($containers.size())")
	g.set("volumes", "has(object.spec.volumes) ? object.spec.volumes : []")
	g.set("tooLarge", "$containers.size() > %d || $volumes.size() > %d || $containers.exists(c, "+
		"has(c.volumeMounts) && c.volumeMounts.size() > %d || has(c.command) && c.command.size() > %[4]d || "+
		"has(c.args) && c.args.size() > %[4]d || has(c.env) && c.env.size() > %[4]d)",
		mostContainers, mostVolumes, mostMounts, mostTexts)
	// Regular containers and sidecars go on running; other init containers end.
	g.set("running", "$all.map(i, i >= $init.size() || has($containers[i].restartPolicy) && $containers[i].restartPolicy == 'Always')")
	g.setRepositories()
	g.setTexts()
	g.setMounts()
	g.setMemory()
}

// setRepositories adds the images without tag and digest, in the one spelling that patterns are
// compared with: policy.repository says the same.
func (g *generator) setRepositories() {
	steps := []string{
		"$containers.map(c, has(c.image) ? c.image : '')",
		".map(n, n.split('@')[0])",
		".map(n, n.lastIndexOf(':') > n.lastIndexOf('/') ? n.substring(0, n.lastIndexOf(':')) : n)",
		".map(n, n.contains('/') ? n : 'docker.io/library/' + n)",
		`.map(n, n.matches('^(?:localhost|[^/]*[.:\\p{Lu}\\p{Lt}][^/]*)/') ? n : 'docker.io/' + n)`,
		".map(n, n.substring(0, n.indexOf('/')).lowerAscii() + n.substring(n.indexOf('/')))",
		".map(n, n.matches('^[^/]*:443/') ? n.replace(':443/', '/', 1) : n)",
		".map(n, n.startsWith('index.docker.io/') ? n.substring(6) : n.startsWith('registry-1.docker.io/') ? n.substring(11) : n)",
		".map(n, n.startsWith('docker.io/') && !n.substring(10).contains('/') ? 'docker.io/library/' + n.substring(10) : n)",
	}
	g.set("repositories", strings.Join(steps, ""))
}

// pathByte is a character class, without its brackets, of what package policy takes for a part of
// a path.
const pathByte = `/.\-_+@%~0-9A-Za-z\x{80}-\x{10ffff}`

// setTexts adds which containers name the mount path in their command, arguments or environment.
func (g *generator) setTexts() {
	g.set("texts", "$containers.map(c, (has(c.command) ? c.command : []) + (has(c.args) ? c.args : []) + "+
		"(has(c.env) ? c.env.filter(e, has(e.value)).map(e, e.value) : []))")
	// Few texts have the last part of the path in them, and only these are worth a regular expression.
	g.set("hints", "$texts.map(t, t.filter(x, x.contains(%s)))", literal(g.lastPart()))
	g.set("tooManyHints", "$hints.map(t, t.size()).sum() > %d || $hints.exists(t, t.exists(x, x.size() > %d))", mostHints, longestHint)
	g.set("named", "$hints.map(t, t.exists(x, x.matches(%s)))", literal(g.namesPath()))
	// A spelling of which only package policy can tell whether it names the path.
	g.set("unsure", "$hints.exists(t, t.exists(x, !x.matches(%s)))", literal(g.namesPath()))
}

// namesPath returns a regular expression for texts that name the mount path, or a path below it, in
// a plain spelling.
func (g *generator) namesPath() string {
	first := strings.Replace(pathByte, "/.", "", 1)
	return `(?:^|[^` + pathByte + `])/+` + quoteText(g.mountPath[1:]) +
		`(?:/+[` + first + `][` + strings.Replace(pathByte, "/", "", 1) + `]*)*/*(?:[^` + pathByte + `]|$)`
}

// lastPart returns what every spelling of the mount path has in it.
func (g *generator) lastPart() string { return g.mountPath[strings.LastIndexByte(g.mountPath, '/')+1:] }

// isAt returns a condition: the path of mount m is the mount path.
func (g *generator) isAt() string {
	relative := g.mountPath[1:]
	return "m.mountPath in " + list(g.mountPath, g.mountPath+"/", relative, relative+"/")
}

// isBelow returns a condition: the path of mount m is below the mount path.
func (g *generator) isBelow() string {
	dir := literal(g.mountPath + "/")
	relative := literal(g.mountPath[1:] + "/")
	return fmt.Sprintf("(m.mountPath.startsWith(%[1]s) && m.mountPath != %[1]s || m.mountPath.startsWith(%[2]s) && m.mountPath != %[2]s)", dir, relative)
}

// plainPath matches paths that need no cleaning, but for a slash at either end.
const plainPath = `^/?[^/.][^/]*(?:/[^/.][^/]*)*/?$`

// isOdd returns a condition: the path of mount m is spelled in a way that only package policy can
// resolve.
func (g *generator) isOdd() string {
	return fmt.Sprintf("m.mountPath.contains(%s) && !m.mountPath.matches(%s)", literal(g.lastPart()), literal(plainPath))
}

// setMounts adds what is mounted at the mount path, and the volumes.
func (g *generator) setMounts() {
	g.set("mounts", "$containers.map(c, has(c.volumeMounts) ? c.volumeMounts.filter(m, %s) : [])", g.isAt())
	g.set("oddMounts", "$mounts.exists(s, s.size() > 1) || $containers.exists(c, "+
		"has(c.volumeMounts) && c.volumeMounts.exists(m, %s) || "+
		"has(c.volumeDevices) && c.volumeDevices.exists(d, d.devicePath.contains(%s)))", g.isOdd(), literal(g.lastPart()))
	g.set("own", "$mounts.map(s, s.size() == 0 ? [] : $volumes.filter(v, v.name == s[0].name))")
	g.set("isMemory", "$own.map(o, o.exists(v, has(v.emptyDir) && has(v.emptyDir.medium) && v.emptyDir.medium == 'Memory'))")
	g.set("usable", "$mounts.map(s, s.exists(m, !(has(m.readOnly) && m.readOnly) && "+
		"!(has(m.subPath) && m.subPath != '') && !(has(m.subPathExpr) && m.subPathExpr != '')))")
	g.set("hostPaths", "$all.exists(i, $own[i].exists(v, has(v.hostPath) && "+
		"(v.hostPath.path + (has($mounts[i][0].subPath) ? $mounts[i][0].subPath : '')).contains('shm')))")
	if g.shares() {
		g.set("hostShm", "$mounts.map(s, has(object.spec.hostIPC) && object.spec.hostIPC && s.size() == 0)")
	} else {
		g.set("hostShm", "$mounts.map(s, false)")
	}
	// Sizes are in bytes; 0 stands for none.
	g.set("sizes", "$all.map(i, $isMemory[i] && has($own[i][0].emptyDir.sizeLimit) ? quantity(string($own[i][0].emptyDir.sizeLimit)).asInteger() : 0)")
	g.set("elsewhere", "$own.map(o, o.exists(v, $containers.exists(c, has(c.volumeMounts) && "+
		"c.volumeMounts.exists(m, m.name == v.name && !(%s) && !%s))))", g.isAt(), g.isBelow())
}

// shares reports whether the containers that mount nothing at the mount path have one and the same
// file system there.
func (g *generator) shares() bool { return g.mountPath == runtimeShm }

// memoryOf returns an expression for the memory of container c in bytes, 0 for none; kind is limits
// or requests.
func memoryOf(kind string) string {
	return fmt.Sprintf("(has(c.resources) && has(c.resources.%[1]s) && 'memory' in c.resources.%[1]s ? quantity(string(c.resources.%[1]s['memory'])).asInteger() : 0)", kind)
}

// setMemory adds the memory of the containers.
func (g *generator) setMemory() {
	figures := func(kind string) string {
		return fmt.Sprintf("$containers.filter(c, has(c.resources) && has(c.resources.%[1]s) && 'memory' in c.resources.%[1]s).map(c, string(c.resources.%[1]s['memory']))", kind)
	}
	g.set("figures", figures("limits")+" + "+figures("requests")+
		" + $volumes.filter(v, has(v.emptyDir) && has(v.emptyDir.sizeLimit)).map(v, string(v.emptyDir.sizeLimit))")
	g.set("oddFigures", "$figures.exists(f, !quantity(f).isInteger() || quantity(f).asInteger() < 1 || quantity(f).asInteger() >= %d)", int64(maxQuantity))
	g.set("limits", "$containers.map(c, %s)", memoryOf("limits"))
	g.set("requests", "$containers.map(c, %s)", memoryOf("requests"))
	g.set("guaranteed", "$containers.all(c, has(c.resources) && has(c.resources.limits) && ['cpu', 'memory'].all(r, "+
		"r in c.resources.limits && quantity(string(c.resources.limits[r])).isGreaterThan(quantity('0')) && "+
		"!(has(c.resources.requests) && r in c.resources.requests && "+
		"quantity(string(c.resources.requests[r])).compareTo(quantity(string(c.resources.limits[r]))) != 0)))")
}

// maxQuantity is the largest amount that a policy may name.
const maxQuantity = policy.MaxQuantity
