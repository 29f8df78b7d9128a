package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is a program in a file system that has little else but a /tmp that everybody may write to.
type Image struct {
	// Name is what a Pod calls the image, such as "shmkeeper.invalid/shmkeeper:dev". Without a tag it is that of "latest".
	Name string
	// Program is the file of a static Linux program. In the image it lies at the root, under its base name.
	Program string
	// Tools is the file of another static program, such as busybox, which lies in /bin; there is none when
	// empty. Applets are the names by which it can be called there.
	Tools   string
	Applets []string
	// Entrypoint is the command with its first arguments; the program alone when empty.
	Entrypoint []string
	// Env are variables as NAME=value.
	Env []string
	// User is a user and group by number, such as "65532:65532", as there is no /etc/passwd; root when empty.
	User string
}

// build makes the image for this machine's processor. The same input gives the same image: nothing in it has a time.
func (i Image) build() (name.Tag, v1.Image, error) {
	tag, err := name.NewTag(i.Name)
	if err != nil {
		return name.Tag{}, nil, fmt.Errorf("image %q: %w: write a name such as example/program:dev", i.Name, err)
	}
	layer, err := i.layer()
	if err != nil {
		return name.Tag{}, nil, fmt.Errorf("image %q: %w", i.Name, err)
	}
	entrypoint := i.Entrypoint
	if len(entrypoint) == 0 {
		entrypoint = []string{"/" + filepath.Base(i.Program)}
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS:           "linux",
		Architecture: runtime.GOARCH,
		Config:       v1.Config{Entrypoint: entrypoint, Env: i.Env, User: i.User, WorkingDir: "/"},
		RootFS:       v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return name.Tag{}, nil, fmt.Errorf("image %q: %w", i.Name, err)
	}
	img, err = mutate.AppendLayers(img, layer)
	if err != nil {
		return name.Tag{}, nil, fmt.Errorf("image %q: %w", i.Name, err)
	}
	return tag, img, nil
}

// layer is a layer of the programs and /tmp. It is not compressed: it never leaves the machine.
func (i Image) layer() (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}),
		addProgram(w, "", i.Program),
	)
	if err == nil && i.Tools != "" {
		err = i.addTools(w)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return static.NewLayer(b.Bytes(), types.DockerUncompressedLayer), nil
}

// addTools adds the other program and its names.
func (i Image) addTools(w *tar.Writer) error {
	err := errors.Join(w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755}), addProgram(w, "bin/", i.Tools))
	for _, name := range i.Applets {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: filepath.Base(i.Tools), Mode: 0o777}))
	}
	return err
}

// addProgram adds a program that must be static to a folder.
func addProgram(w *tar.Writer, folder, program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := checkStatic(content); err != nil {
		return fmt.Errorf("program %q %w", program, err)
	}
	return addFile(w, folder+filepath.Base(program), 0o755, content)
}

// checkStatic refuses what would fail in the container with a "no such file" that names the program itself.
func checkStatic(program []byte) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("is not a Linux program (%w): build it with GOOS=linux", err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("needs a dynamic loader, and the image has none: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

func addFile(w *tar.Writer, path string, mode int64, content []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: mode, Size: int64(len(content))}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
