package kernels

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestParseArchives(t *testing.T) {
	const debian = "'http://mirror.example/debian/dists/"
	for name, c := range map[string]struct {
		uris string
		want archives
	}{
		"nothing": {},
		"both": {
			debian + "bookworm/InRelease' mirror_InRelease 0 \n" + debian + "bookworm-updates/InRelease' a 0 \n" +
				"'https://security.example/debian-security/dists/bookworm-security/InRelease' b 0 \n" +
				debian + "bookworm/main/binary-amd64/Packages.xz' c 0 \n",
			archives{"http://mirror.example/debian", "https://security.example/debian-security"},
		},
		"the first of two": {
			debian + "trixie/InRelease' a 0\n'http://other.example/debian/dists/sid/InRelease' b 0\n",
			archives{main: "http://mirror.example/debian"},
		},
		"by the suite's other name": {debian + "oldstable/InRelease' a 0\n", archives{main: "http://mirror.example/debian"}},
		"not Debian's": {
			"'http://mirror.example/ubuntu/dists/noble/InRelease' a 0\n'http://mirror.example/x/dists/nodistro/InRelease' b 0\n", archives{},
		},
		"no folder dists": {"'http://mirror.example/flat/./InRelease' a 0\nReading package lists...\n", archives{}},
	} {
		if got := parseArchives(c.uris); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestOpenRepository_WithoutAHost(t *testing.T) {
	_, err := openRepository(t.Context(), archives{main: "http://mirror.example/debian"}, "trixie-security", t.TempDir())
	want := "this machine's apt sources name no host for trixie-security: add Debian's to /etc/apt/sources.list.d"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A series says of each suite why it is not there.
func TestFetch_Missing(t *testing.T) {
	f := fetcher{folder: t.TempDir(), repositories: map[string]opened{
		"sid":   {err: errors.New("the lists of sid: not found")},
		"forky": {repository: repository{suite: "forky", packages: []string{"linux-image-7.4.1-cloud-amd64"}}},
	}}
	_, err := f.fetch(t.Context(), series{version: "7.3", suites: []string{"sid", "forky", "trixie-security"}})
	want := "the lists of sid: not found; forky has no linux-image-7.3.*-cloud-amd64; " +
		"this machine's apt sources name no host for trixie-security: add Debian's to /etc/apt/sources.list.d"
	if err == nil || oneLine(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A kernel that was fetched before is not fetched again.
func TestFetch_Cached(t *testing.T) {
	f := fetcher{folder: t.TempDir(), repositories: map[string]opened{
		"sid": {repository: repository{suite: "sid", packages: []string{"linux-image-7.3.4+deb14-cloud-amd64"}}},
	}}
	image := filepath.Join(f.folder, "vmlinuz-7.3.4+deb14-cloud-amd64")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := f.fetch(t.Context(), series{version: "7.3", suites: []string{"sid"}})
	if err != nil || k.image != image || k.release != "7.3.4+deb14-cloud-amd64" || k.suite != "sid" {
		t.Errorf("got %+v, %v", k, err)
	}
}

func TestCopyImage(t *testing.T) {
	for name, c := range map[string]struct{ path, want string }{
		"where it was":    {"./boot/vmlinuz-6.1.0-56-cloud-amd64", "image"},
		"from Linux 7 on": {"./usr/lib/modules/6.1.0-56-cloud-amd64/vmlinuz", "image"},
		"nowhere":         {"./boot/System.map-6.1.0-56-cloud-amd64", "it has no file vmlinuz"},
	} {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		for _, f := range []struct{ name, content string }{{"./boot/config-6.1.0-56-cloud-amd64", "config"}, {c.path, "image"}} {
			if err := w.WriteHeader(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.content))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(f.content)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "vmlinuz")
		got := ""
		if err := copyImage(&archive, "6.1.0-56-cloud-amd64", to); err != nil {
			got = err.Error()
		} else if content, err := os.ReadFile(to); err == nil {
			got = string(content)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
