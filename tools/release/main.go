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
	"strconv"
	"strings"
	"syscall"
	"time"

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
	// Stamp has the Go command write the commit into the programs.
	Stamp bool
	// Root is the folder of the sources, and Out the one that is written.
	Root, Out string
}

func run(ctx context.Context, args []string, progress io.Writer) error {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	r := Release{Server: serverPlatforms, Plugin: pluginPlatforms, Stamp: true}
	f.StringVar(&r.Version, "version", "", "the version, such as v0.1.0")
	f.StringVar(&r.Out, "out", "out/release", "the folder to write; what is in it is replaced")
	f.StringVar(&r.Root, "root", ".", "the folder of the sources")
	f.StringVar(&r.Image, "image", "ghcr.io/shmkeeper/shmkeeper", "the name of the image, without a tag")
	f.StringVar(&r.Downloads, "downloads", "https://github.com/shmkeeper/shmkeeper/releases/download", "the URL below which a folder for each version has the files")
	if err := f.Parse(args); err != nil {
		return err
	}
	if len(f.Args()) > 0 {
		return fmt.Errorf("unexpected argument %q: write the version as -version v0.1.0", f.Arg(0))
	}
	if !semver.IsValid(r.Version) || semver.Canonical(r.Version) != r.Version || semver.Build(r.Version) != "" {
		return fmt.Errorf("-version: %q is not a version of three numbers: write one such as v0.1.0 or v0.1.0-rc.1", r.Version)
	}
	if err := r.readCommit(ctx); err != nil {
		return err
	}
	return r.build(ctx, progress)
}

// readCommit finds out which commit the sources are of.
func (r *Release) readCommit(ctx context.Context) error {
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
	digest, err := r.server(ctx, programs, files, progress)
	if err != nil {
		return err
	}
	archives, err := r.plugin(ctx, programs, files, progress)
	if err != nil {
		return err
	}
	if err := errors.Join(r.writeKrew(files, archives), r.writeInstall(files, digest), r.writeChart(ctx, files, digest)); err != nil {
		return err
	}
	if err := writeChecksums(files); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(out), os.Rename(files, out)); err != nil {
		return err
	}
	fmt.Fprintf(progress, "%s of commit %s is in %s\nthe image is %s@%s\n", r.Version, r.Commit, out, r.Image, digest)
	return nil
}
