package kernels

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// kernel represents a kernel to be booted.
type kernel struct {
	series
	release, suite string
	image          string // path
}

// fetcher fetches kernels from Debian's hosts, each once: they are kept in a folder.
type fetcher struct {
	folder       string
	from         archives
	repositories map[string]opened // by suite
}

type opened struct {
	repository
	err error
}

// newFetcher returns a fetcher that keeps kernels in shmkeeper/kernels of the user's cache folder.
func newFetcher(ctx context.Context) (*fetcher, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("a folder for kernels: %w: set HOME or XDG_CACHE_HOME", err)
	}
	from, err := findArchives(ctx)
	if err != nil {
		return nil, fmt.Errorf("this machine's apt sources: %w: kernels come from Debian's packages: run this on Debian", err)
	}
	return &fetcher{filepath.Join(cache, "shmkeeper", "kernels"), from, map[string]opened{}}, nil
}

// fetch returns the newest kernel of a series that a suite has and can give. Its error says of each
// suite why not.
func (f *fetcher) fetch(ctx context.Context, s series) (kernel, error) {
	var errs []error
	for _, suite := range s.suites {
		r, err := f.open(ctx, suite)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		releases := s.releases(r.packages)
		if len(releases) == 0 {
			errs = append(errs, fmt.Errorf("%s has no linux-image-%s.*-cloud-amd64", suite, s.version))
		}
		// An older one may still be listed when its file has left the archive.
		for _, release := range releases[:min(2, len(releases))] {
			image, err := f.image(ctx, r, release)
			if err == nil {
				return kernel{s, release, suite, image}, nil
			}
			errs = append(errs, err)
		}
	}
	return kernel{}, errors.Join(errs...)
}

func (f *fetcher) open(ctx context.Context, suite string) (repository, error) {
	if r, ok := f.repositories[suite]; ok {
		return r.repository, r.err
	}
	r, err := openRepository(ctx, f.from, suite, filepath.Join(f.folder, "apt", suite))
	f.repositories[suite] = opened{r, err}
	return r, err
}

// image returns the path of a release's image, which it fetches if it is not there yet.
func (f *fetcher) image(ctx context.Context, r repository, release string) (string, error) {
	image := filepath.Join(f.folder, "vmlinuz-"+release)
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	// Newer releases have the image in a package that linux-image depends on.
	name := "linux-binary-" + release
	if !slices.Contains(r.packages, name) {
		name = "linux-image-" + release
	}
	file, err := r.download(ctx, name)
	if err != nil {
		return "", err
	}
	if err := extractImage(ctx, file, release, image); err != nil {
		return "", fmt.Errorf("unpack %s: %w", name, err)
	}
	return image, os.Remove(file)
}

// extractImage writes the kernel's image in a Debian package to a file. Nothing is installed.
func extractImage(ctx context.Context, deb, release, to string) error {
	dpkg := exec.CommandContext(ctx, "dpkg", "--fsys-tarfile", deb)
	files, err := dpkg.StdoutPipe()
	if err != nil {
		return err
	}
	if err := dpkg.Start(); err != nil {
		return err
	}
	err = copyImage(files, release, to)
	// dpkg may complain that nobody reads the rest.
	_, _ = io.Copy(io.Discard, files)
	return errors.Join(err, dpkg.Wait())
}

// copyImage writes the kernel's image in an archive to a file: boot/vmlinuz-<release>, or from
// Linux 7 on usr/lib/modules/<release>/vmlinuz.
func copyImage(archive io.Reader, release, to string) error {
	files := tar.NewReader(archive)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("it has no file vmlinuz")
		}
		if err != nil {
			return err
		}
		name := path.Base(header.Name)
		if header.Typeflag != tar.TypeReg || name != "vmlinuz" && name != "vmlinuz-"+release {
			continue
		}
		part := to + ".part"
		out, err := os.Create(part)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, files)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
		return os.Rename(part, to)
	}
}

// oneLine returns an error of several lines in one.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
