package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// bundleType is the type of a signature, of the only version that cosign looks for in a layout.
	bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	// emptyType is the type of a configuration that has nothing to configure, by the OCI image specification.
	emptyType = "application/vnd.oci.empty.v1+json"
)

// referrer is a manifest with the one field of the specification that the library lacks.
type referrer struct {
	v1.Manifest
	ArtifactType string `json:"artifactType"`
}

// attach puts the signature of an image into its layout, as cosign does in a registry: as a manifest whose subject is the image.
// It adds files and changes none: index.json does not list it, and its checksum stays. `cosign verify --local-image` finds it all
// the same, as it reads all manifests.
func attach(folder string, image v1.Hash, bundleFile string) error {
	bundle, err := os.ReadFile(filepath.Clean(bundleFile))
	if err != nil {
		return err
	}
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return err
	}
	inner, err := index.ImageIndex(image)
	if err != nil {
		return err
	}
	size, err := inner.Size()
	if err != nil {
		return err
	}
	path := layout.Path(folder)
	signature, err := writeBlob(path, bundle, bundleType)
	if err != nil {
		return err
	}
	configuration, err := writeBlob(path, []byte("{}"), emptyType)
	if err != nil {
		return err
	}
	text, err := json.Marshal(referrer{ArtifactType: bundleType, Manifest: v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: configuration, Layers: []v1.Descriptor{signature},
		Subject:     &v1.Descriptor{MediaType: types.OCIImageIndex, Digest: image, Size: size},
		Annotations: map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": signPredicate},
	}})
	if err != nil {
		return err
	}
	_, err = writeBlob(path, text, types.OCIManifestSchema1)
	return err
}

// writeBlob adds a file to a layout and returns how a manifest names it.
func writeBlob(path layout.Path, data []byte, mediaType types.MediaType) (v1.Descriptor, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(data))
	if err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, path.WriteBlob(digest, io.NopCloser(bytes.NewReader(data)))
}
