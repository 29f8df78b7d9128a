package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Write writes the images to one archive in the form of `docker save`. The same images give the same bytes. A file
// that is there is replaced; after an error it is as it was.
func Write(path string, images ...Image) error {
	if len(images) == 0 {
		return errors.New("no image to write: give at least one")
	}
	built := make(map[name.Reference]v1.Image, len(images))
	var inOrder []v1.Image
	for _, i := range images {
		tag, img, err := i.build()
		if err != nil {
			return err
		}
		for other := range built {
			if other.Name() == tag.Name() {
				return fmt.Errorf("two images are named %q: give each a name of its own", i.Name)
			}
		}
		built[tag] = img
		inOrder = append(inOrder, img)
	}
	manifest, err := tarball.ComputeManifest(built)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(writeArchive(f, manifest, inOrder), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// writeArchive does what tarball.MultiRefWrite does, which writes several images in an order that differs each time.
func writeArchive(to io.Writer, manifest tarball.Manifest, images []v1.Image) error {
	index, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	w := tar.NewWriter(to)
	written := map[string]bool{}
	add := func(path string, content []byte) error {
		if written[path] {
			return nil
		}
		written[path] = true
		return addFile(w, path, 0o644, content)
	}
	for _, img := range images {
		if err := addImage(img, add); err != nil {
			return err
		}
	}
	if err := add("manifest.json", index); err != nil {
		return err
	}
	return w.Close()
}

// addImage adds the files of the image, under the names that tarball.ComputeManifest gives them.
func addImage(img v1.Image, add func(path string, content []byte) error) error {
	configName, err := img.ConfigName()
	if err != nil {
		return err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	if err := add(configName.String(), config); err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		r, err := layer.Uncompressed()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		if err := add(digest.Hex+".tar", content); err != nil {
			return err
		}
	}
	return nil
}
