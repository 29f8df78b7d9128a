// Command release builds everything that a release consists of, into one folder: the server's image for two
// architectures as an OCI layout, the command line for five platforms, the manifests as one file, the Helm
// chart, the plugin's manifest for krew, a bill of materials for each program, and the checksums of all of it.
//
//	release -version v0.1.0 -out out/release
//
// The same commit gives the same bytes, on any machine with the same Go: nothing in them has the time of the build.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/mod/semver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// Release is what is to be built.
type Release struct {
	// Version is that of the release, such as "v0.1.0".
	Version string
	// Commit is the commit that it is made from, in full.
	Commit string
	// Time is that of the commit, which stands wherever a format asks for a time.
	Time time.Time
	// Image is the image's name without a tag.
	Image string
	// Downloads is the URL below which the archives will be found.
	Downloads string
	// Server are the platforms of the image, and Plugin those of the command line.
	Server, Plugin []Platform
	// Key is the private key to sign with, as cosign takes it: a file, or the URI of one that a service keeps. Empty: none.
	Key string
	// Keyless has cosign sign with the identity of the workflow that runs this.
	Keyless bool
	// Cosign is the program that signs; empty if it is to be built.
	Cosign string
	// Builder is the URI of the builder, for the provenance.
	Builder string
	// Root is the folder of the sources, and Out the one that is written.
	Root, Out string
}

func run(ctx context.Context, args []string, progress io.Writer) error {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	r := Release{Server: serverPlatforms, Plugin: pluginPlatforms}
	f.StringVar(&r.Version, "version", "", "the version, such as v0.1.0")
	f.StringVar(&r.Out, "out", "out/release", "the folder to write; what is in it is replaced")
	f.StringVar(&r.Root, "root", ".", "the folder of the sources")
	f.StringVar(&r.Image, "image", "ghcr.io/shmkeeper/shmkeeper", "the name of the image, without a tag")
	f.StringVar(&r.Downloads, "downloads", "https://github.com/shmkeeper/shmkeeper/releases/download", "the URL below which a folder for each version has the files")
	platform := f.String("platform", "", "build for this platform alone, such as linux/amd64, to try it")
	uncommitted := f.Bool("uncommitted", false, "build from a checkout that has changes, to try it: nobody could build this release again")
	f.StringVar(&r.Key, "key", "", "the private key to sign with, as cosign takes it: a file, or the URI of a key that a service keeps")
	f.BoolVar(&r.Keyless, "keyless", false, "sign with the identity of the workflow that runs this, by the public services of Sigstore")
	f.StringVar(&r.Cosign, "cosign", "", "the program cosign to sign with; empty: it is built from the module that tools/release/programs/cosign pins")
	f.StringVar(&r.Builder, "builder", buildType, "the URI of the builder, for the provenance")
	notes := f.Bool("notes", false, "build nothing: print the notes of the release, from CHANGELOG.md")
	if err := f.Parse(args); err != nil {
		return err
	}
	if len(f.Args()) > 0 {
		return fmt.Errorf("unexpected argument %q: write the version as -version v0.1.0", f.Arg(0))
	}
	if !semver.IsValid(r.Version) || semver.Canonical(r.Version) != r.Version || semver.Build(r.Version) != "" {
		return fmt.Errorf("-version: %q is not a version of three numbers: write one such as v0.1.0 or v0.1.0-rc.1", r.Version)
	}
	if *notes {
		text, err := r.notes()
		if err != nil {
			return err
		}
		_, err = io.WriteString(progress, text)
		return err
	}
	if r.Key != "" && r.Keyless {
		return errors.New("-keyless: there is a -key too: leave out one of the two")
	}
	if err := r.only(*platform); err != nil {
		return err
	}
	if err := r.readCommit(ctx, *uncommitted); err != nil {
		return err
	}
	return r.build(ctx, progress)
}

// only leaves out all platforms but one, if one is named.
func (r *Release) only(platform string) error {
	if platform == "" {
		return nil
	}
	other := func(p Platform) bool { return p.String() != platform }
	r.Server, r.Plugin = slices.DeleteFunc(slices.Clone(r.Server), other), slices.DeleteFunc(slices.Clone(r.Plugin), other)
	if len(r.Server) == 0 {
		return fmt.Errorf("-platform: there is no image for %q: name one of %v", platform, serverPlatforms)
	}
	return nil
}

// readCommit finds out which commit the sources are of. Changes that are in no commit are an error, unless they are allowed.
func (r *Release) readCommit(ctx context.Context, uncommitted bool) error {
	text, err := r.output(ctx, "git", "show", "--no-patch", "--format=%H %ct", "HEAD")
	if err != nil {
		return fmt.Errorf("-root: %w: name the folder of a checkout", err)
	}
	commit, seconds, _ := strings.Cut(strings.TrimSpace(text), " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("the time of commit %q: %w", commit, err)
	}
	r.Commit, r.Time = commit, time.Unix(unix, 0).UTC()
	if uncommitted {
		return nil
	}
	changed, err := r.output(ctx, "git", "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		return fmt.Errorf("the checkout has changes that are in no commit, so that nobody could build this release again: commit or remove\n%s", changed)
	}
	return nil
}

// build writes all files. They are built in a folder of their own first, so that a failure leaves the last release as it was.
func (r *Release) build(ctx context.Context, progress io.Writer) error {
	out, err := filepath.Abs(r.Out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(out), ".release-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	files := filepath.Join(work, "files")
	programs := filepath.Join(work, "programs")
	for _, folder := range []string{files, programs} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return err
		}
	}
	signer, err := r.newSigner(ctx, work, progress)
	if err != nil {
		return err
	}
	digest, sums, err := r.write(ctx, programs, files, progress)
	if err != nil {
		return err
	}
	if signer != nil {
		if err := r.sign(ctx, signer, files, sums, digest); err != nil {
			return err
		}
	}
	if err := errors.Join(os.RemoveAll(out), os.Rename(files, out)); err != nil {
		return err
	}
	fmt.Fprintf(progress, "%s of commit %s is in %s\nthe image is %s@%s\n", r.Version, r.Commit, out, r.Image, digest)
	if signer == nil {
		fmt.Fprintf(progress, unsigned, r.Version)
	}
	return nil
}

// write writes all that is the same each time, and returns the digest of the image and the checksums of the files.
func (r *Release) write(ctx context.Context, programs, files string, progress io.Writer) (v1.Hash, []checksum, error) {
	digest, err := r.server(ctx, programs, files, progress)
	if err != nil {
		return v1.Hash{}, nil, err
	}
	archives, err := r.plugin(ctx, programs, files, progress)
	if err != nil {
		return v1.Hash{}, nil, err
	}
	if err := errors.Join(r.writeKrew(files, archives), r.writeInstall(files, digest), r.writeChart(ctx, files, digest)); err != nil {
		return v1.Hash{}, nil, err
	}
	sums, err := writeChecksums(files)
	return digest, sums, err
}
