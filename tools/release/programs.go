package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Platform is an operating system and a processor, in Go's words.
type Platform struct{ OS, Arch string }

func (p Platform) String() string { return p.OS + "/" + p.Arch }

var (
	// serverPlatforms are those of the image.
	serverPlatforms = []Platform{{"linux", "amd64"}, {"linux", "arm64"}}
	// pluginPlatforms are those of the command line.
	pluginPlatforms = []Platform{{"darwin", "amd64"}, {"darwin", "arm64"}, {"linux", "amd64"}, {"linux", "arm64"}, {"windows", "amd64"}}
)

// linkerFlags leave out what only debuggers read, and link the version and the commit, as in the Dockerfile.
const linkerFlags = "-s -w -X github.com/shmkeeper/shmkeeper/internal/version.linked=%s -X github.com/shmkeeper/shmkeeper/internal/version.linkedCommit=%s"

// compile builds a program as the Dockerfile does, and returns its file.
func (r *Release) compile(ctx context.Context, folder, program string, p Platform, progress io.Writer) (string, error) {
	fmt.Fprintf(progress, "building %s for %s\n", program, p)
	file := filepath.Join(folder, strings.Join([]string{program, p.OS, p.Arch}, "-"))
	//nolint:gosec // the program is one of ours, and the file below our own folder
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", fmt.Sprintf(linkerFlags, r.Version, r.Commit), "-o", file, "./cmd/"+program)
	c.Dir = r.Root
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOOS="+p.OS, "GOARCH="+p.Arch)
	if text, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s for %s: %w\n%s", program, p, err, text)
	}
	return file, nil
}

// output runs a program in the folder of the sources and returns what it prints.
func (r *Release) output(ctx context.Context, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = r.Root
	var stderr bytes.Buffer
	c.Stderr = &stderr
	text, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(text), nil
}
