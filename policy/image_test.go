package policy_test

import (
	"path"
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/shmkeeper/shmkeeper/policy"
)

// FuzzRepository holds our reading of image references against the reference
// implementation's. Ours reads what a Pod may hold a hundred times a second, so it
// does without that one's regular expressions; and a host has one spelling.
func FuzzRepository(f *testing.F) {
	for _, image := range []string{
		"nginx", "nginx:1.29", "library/nginx", "docker.io/nginx", "index.docker.io/team/app:1", "docker.io/team/app",
		"localhost/app:1", "localhost:5000/app", "registry.example.org:5000/team/app:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"ghcr.io/goauthentik/proxy:2026.2.2", "GHCR.io:443/goauthentik/proxy", "registry-1.docker.io/nginx", "[2001:db8::1]:5000/app", "Upper/app",
	} {
		f.Add(image)
	}
	f.Fuzz(func(t *testing.T, image string) {
		got := policy.Repository(image)
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			return // not an image that anything could pull
		}
		host := strings.TrimSuffix(strings.ToLower(reference.Domain(named)), ":443")
		if host == "index.docker.io" || host == "registry-1.docker.io" {
			host = "docker.io"
		}
		want := host + "/" + reference.Path(named)
		if host == "docker.io" && !strings.Contains(reference.Path(named), "/") {
			want = host + "/library/" + reference.Path(named)
		}
		if got != want {
			t.Errorf("repository of %q is %q, want %q", image, got, want)
		}
	})
}

func TestPathsInTexts(t *testing.T) {
	for text, want := range map[string]bool{
		"/dev/shm":                           true,
		"/dev/shm/":                          true,
		"/dev//shm/x":                        true,
		"/dev/./shm":                         true,
		"/dev/shm/../shm":                    true,
		"--worker-tmp-dir=/dev/shm":          true,
		"exec app -d '/dev/shm' -v":          true,
		"file:///dev/shm/x":                  true,
		"a:/tmp:/dev/shm":                    true,
		"/tmp /dev/shm":                      true,
		"/dev/shmem":                         false,
		"/dev/shm/../null":                   false,
		"/data/dev/shm":                      false,
		"data/dev/shm":                       false,
		"./dev/shm":                          false,
		"https://example.org/dev/shm":        false,
		"shm":                                false,
		"":                                   false,
		"/":                                  false,
		"/dev/shm.bak /dev/null/shm /devshm": false,
	} {
		if got := policy.Mentions(text, "/dev/shm"); got != want {
			t.Errorf("%q mentions /dev/shm: %t, want %t", text, got, want)
		}
	}
}

// FuzzGlob holds the shortcuts of our globs against path.Match.
func FuzzGlob(f *testing.F) {
	f.Add("*/oracle/database*", "docker.io/oracle/database-ee")
	f.Add("*", "a/b")
	f.Add("[a-c]?x*", "bbx")
	f.Add(`\*`, "*")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		want, err := path.Match(pattern, name)
		got, ok := policy.GlobMatches(pattern, name)
		if ok != (err == nil) && ok {
			t.Fatalf("pattern %q is refused by path.Match: %v", pattern, err)
		}
		if ok && got != want {
			t.Errorf("%q matches %q: %t, want %t", pattern, name, got, want)
		}
	})
}

// A path that goes on from a character of a path is relative, and one behind any other is a path.
func TestMentions_PathCharacters(t *testing.T) {
	const goOn = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.-_+@%~"
	for b := range 256 {
		text := "x" + string([]byte{byte(b)}) + "/dev/shm"
		want := b < 0x80 && !strings.ContainsRune(goOn, rune(b))
		if got := policy.Mentions(text, "/dev/shm"); got != want {
			t.Errorf("%q names /dev/shm: %t, want %t", text, got, want)
		}
	}
}
