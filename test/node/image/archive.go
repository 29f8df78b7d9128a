package image

import (
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Write writes the images to one archive in the form of `docker save`. A file that is there is
// replaced; after an error it may be half written.
func Write(path string, images ...Image) error {
	if len(images) == 0 {
		return errors.New("no image to write: give at least one")
	}
	built := make(map[name.Reference]v1.Image, len(images))
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
	}
	if err := tarball.MultiRefWriteToFile(path, built); err != nil {
		return fmt.Errorf("the archive %q: %w", path, err)
	}
	return nil
}
