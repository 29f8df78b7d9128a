package policy

import "strings"

const (
	dockerHub        = "docker.io"
	dockerHubLibrary = "docker.io/library/"
)

// repository returns an image reference without tag and digest, in the one spelling that
// it is compared in: with the registry and path that Docker Hub's short names stand for
// ("nginx:1" is docker.io/library/nginx), the registry in lower case, without the port that
// is the default, and Docker Hub by its first name. It allocates nothing for a name that is
// spelled so.
func repository(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	host, rest, found := strings.Cut(name, "/")
	if !found {
		return dockerHubLibrary + name
	}
	if !isHost(host) {
		return dockerHub + "/" + name
	}
	canonical := canonicalHost(host)
	switch {
	case canonical == dockerHub && !strings.Contains(rest, "/"):
		return dockerHubLibrary + rest
	case canonical == host:
		return name
	default:
		return canonical + "/" + rest
	}
}

// canonicalHost returns the one spelling of a registry's host.
func canonicalHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	if host == "index."+dockerHub || host == "registry-1."+dockerHub {
		return dockerHub
	}
	return host
}

// isHost reports whether the first part of a name is a registry, by the rule of the
// reference grammar: everything else is Docker Hub's.
func isHost(part string) bool {
	return strings.ContainsAny(part, ".:") || part == "localhost" || strings.ToLower(part) != part
}

// lastPart returns the part of a repository, or of a path, after the last slash.
func lastPart(repo string) string { return repo[strings.LastIndexByte(repo, '/')+1:] }
