package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// source returns a module whose program prints the text.
func source(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for file, content := range map[string]string{
		"go.mod":  "module example\n\ngo 1.26\n",
		"main.go": fmt.Sprintf("package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(%q) }\n", text),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// built returns a static program that prints the text.
func built(t *testing.T, text string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	if err := GoBuild(t.Context(), source(t, text), ".", out); err != nil {
		t.Fatal(err)
	}
	return out
}

// entry is a file of a layer.
type entry struct {
	mode     int64
	uid, gid int
	size     int64
	dated    bool
}

func entriesOf(t *testing.T, img v1.Image) map[string]entry {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, want one; %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	// What the config says of the layer is what a runtime holds against it.
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if digest, _, err := v1.SHA256(bytes.NewReader(content)); err != nil || !reflect.DeepEqual(config.RootFS.DiffIDs, []v1.Hash{digest}) {
		t.Errorf("the layer is %v, and the config says %v; %v", digest, config.RootFS.DiffIDs, err)
	}
	entries := map[string]entry{}
	for files := tar.NewReader(bytes.NewReader(content)); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		entries[h.Name] = entry{mode: h.Mode, uid: h.Uid, gid: h.Gid, size: h.Size, dated: !h.ModTime.Equal(time.Unix(0, 0))}
	}
}

func read(t *testing.T, archive, image string) v1.Image {
	t.Helper()
	tag, err := name.NewTag(image)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(archive, &tag)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestArchive_HoldsItsImages(t *testing.T) {
	program := built(t, "hello")
	size, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "images.tar")
	err = Write(archive,
		Image{Name: "example/plain", Program: program},
		Image{
			Name: "example/full:dev", Program: program, Entrypoint: []string{"/program", "serve"},
			Env: []string{"TMPDIR=/dev/shm/"}, User: "65532:65532",
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]v1.Config{
		"example/plain:latest": {Entrypoint: []string{"/program"}, WorkingDir: "/"},
		"example/full:dev": {
			Entrypoint: []string{"/program", "serve"}, WorkingDir: "/",
			Env: []string{"TMPDIR=/dev/shm/"}, User: "65532:65532",
		},
	} {
		img := read(t, archive, image)
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(config.Config, want) {
			t.Errorf("%s: got %+v, want %+v", image, config.Config, want)
		}
		if config.OS != "linux" || config.Architecture != runtime.GOARCH || !config.Created.IsZero() {
			t.Errorf("%s: is for %s/%s, created %v", image, config.OS, config.Architecture, config.Created)
		}
		wantEntries := map[string]entry{"tmp/": {mode: 0o1777}, "program": {mode: 0o755, size: size.Size()}}
		if got := entriesOf(t, img); !reflect.DeepEqual(got, wantEntries) {
			t.Errorf("%s: got %+v, want %+v", image, got, wantEntries)
		}
	}
}

// A name stays as the Pod has it: the runtime completes both in the same way.
func TestArchive_ImageNames(t *testing.T) {
	program := built(t, "hello")
	archive := filepath.Join(t.TempDir(), "images.tar")
	if err := Write(archive, Image{Name: "b/b:dev", Program: program}, Image{Name: "a", Program: program}); err != nil {
		t.Fatal(err)
	}
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(archive) })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range manifest {
		got = append(got, d.RepoTags...)
	}
	if want := []string{"a:latest", "b/b:dev"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestImage_Reproducible(t *testing.T) {
	program := built(t, "one")
	var digests [2]v1.Hash
	for n := range digests {
		when := time.Now().Add(time.Duration(n) * time.Hour)
		if err := os.Chtimes(program, when, when); err != nil {
			t.Fatal(err)
		}
		_, img, err := Image{Name: "example/one:dev", Program: program, User: "65532:65532"}.build()
		if err != nil {
			t.Fatal(err)
		}
		if digests[n], err = img.Digest(); err != nil {
			t.Fatal(err)
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("the images have the digests %v", digests)
	}
}

func TestImage_Invalid(t *testing.T) {
	program, src := built(t, "hello"), source(t, "hello")
	dynamic := filepath.Join(t.TempDir(), "dynamic")
	pie := exec.CommandContext(t.Context(), "go", "build", "-buildmode=pie", "-o", dynamic, ".")
	pie.Dir = src
	pie.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := pie.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	noProgram := filepath.Join(src, "main.go")
	for name, test := range map[string]struct {
		images []Image
		want   string
	}{
		"none": {
			want: "no image to write: give at least one",
		},
		"an invalid name": {
			images: []Image{{Name: "Example:dev", Program: program}},
			want:   `image "Example:dev": repository can only contain the characters`,
		},
		"one name twice": {
			images: []Image{{Name: "a", Program: program}, {Name: "a:latest", Program: program}},
			want:   `two images are named "a:latest": give each a name of its own`,
		},
		"a program that is not there": {
			images: []Image{{Name: "a", Program: program + ".not"}},
			want:   `image "a": open ` + program + ".not: no such file or directory",
		},
		"a file that is not a program": {
			images: []Image{{Name: "a", Program: noProgram}},
			want:   fmt.Sprintf(`image "a": program %q is not a Linux program (`, noProgram),
		},
		"a program that is not static": {
			images: []Image{{Name: "a", Program: dynamic}},
			want: fmt.Sprintf(`image "a": program %q needs a dynamic loader, and the image has none: build it with CGO_ENABLED=0`,
				dynamic),
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			archive := filepath.Join(dir, "images.tar")
			if err := os.WriteFile(archive, []byte("before"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := Write(archive, test.images...)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			entries, errDir := os.ReadDir(dir)
			content, errFile := os.ReadFile(archive)
			if len(entries) != 1 || string(content) != "before" {
				t.Errorf("left are %v and %q; %v", entries, content, errors.Join(errDir, errFile))
			}
		})
	}
}

func TestGoBuild_Runs(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), built(t, "hello")).Output()
	if err != nil || string(out) != "hello" {
		t.Errorf("got %q %v", out, err)
	}
}

func TestGoBuild_CompilerError(t *testing.T) {
	dir := source(t, "hello")
	err := GoBuild(t.Context(), dir, "./nothing", filepath.Join(t.TempDir(), "out"))
	if err == nil || !strings.HasPrefix(err.Error(), "go build of ./nothing in "+dir+": exit status 1\n") ||
		!strings.Contains(err.Error(), "directory not found") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := GoBuild(ctx, dir, ".", filepath.Join(t.TempDir(), "out")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
