package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// user is whom the Dockerfile names: not root.
	user = "65532:65532"
	// imageFolder is the layout's.
	imageFolder = "image"
)

// server builds the server for all platforms and writes the image, as an OCI layout in the folder "image", and a bill of
// materials of each program. It returns the digest of the index.
func (r *Release) server(ctx context.Context, programs, files string, progress io.Writer) (v1.Hash, error) {
	var images []mutate.IndexAddendum
	for _, p := range r.Server {
		path, err := r.compile(ctx, programs, "shmkeeper", p, progress)
		if err != nil {
			return v1.Hash{}, err
		}
		if err := r.writeMaterials(files, path); err != nil {
			return v1.Hash{}, err
		}
		img, err := r.image(path, p)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("the image for %s: %w", p, err)
		}
		images = append(images, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Arch}}})
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	annotated, ok := mutate.Annotations(mutate.AppendManifests(index, images...), r.annotations()).(v1.ImageIndex)
	if !ok {
		return v1.Hash{}, fmt.Errorf("the index cannot be annotated")
	}
	digest, err := annotated.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	path, err := layout.Write(filepath.Join(files, imageFolder), empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	return digest, path.AppendIndex(annotated, layout.WithAnnotations(map[string]string{
		// The name by which `ctr images import` and others find it in the layout.
		"org.opencontainers.image.ref.name": r.Version,
		// The mark by which `cosign verify --local-image` finds it. Cosign has another for indexes, under which it looks for no bundles.
		"kind": "dev.cosignproject.cosign/image",
	}))
}

// image is the image of one platform: the program, and nothing else.
func (r *Release) image(path string, p Platform) (v1.Image, error) {
	program, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := writeTar(&b, []entry{{"shmkeeper", 0o755, program}}, r.Time); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Arch, Created: v1.Time{Time: r.Time}, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/shmkeeper"}, User: user, Labels: r.annotations()},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: r.Time}, CreatedBy: "tools/release", Comment: "shmkeeper " + r.Version,
	}})
}

// annotations are what registries show of an image, by the names of the OCI image specification.
func (r *Release) annotations() map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":       "shmkeeper",
		prefix + "description": "The admission controller for /dev/shm",
		prefix + "version":     r.Version,
		prefix + "revision":    r.Commit,
		prefix + "created":     r.Time.Format(time.RFC3339),
		prefix + "source":      sources,
		prefix + "licenses":    "Apache-2.0",
	}
}
