package envtest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// kubernetesFolder is the folder of the module that pins the release that the tests are written for. Those of
// other releases have the release in their name: kubernetes-1.30.
const kubernetesFolder = "kubernetes"

// kubernetesOf returns the source of a release, such as "1.30", that a module below the folder pins. An empty
// one is the release that the tests are written for.
func kubernetesOf(release, binaries string) (source, error) {
	src := kubernetesSource
	if release == "" {
		return src, nil
	}
	src.folder += "-" + release
	// Up to 1.30 the programs have the volumes and load balancers of clouds in them, whose clients take a third of the build.
	src.tags = "providerless"
	modules, err := filepath.Glob(filepath.Join(binaries, kubernetesFolder+"-*", "go.mod"))
	if err != nil {
		return source{}, fmt.Errorf("the modules that pin Kubernetes: %w", err)
	}
	var pinned []string
	for _, module := range modules {
		pinned = append(pinned, strings.TrimPrefix(filepath.Base(filepath.Dir(module)), kubernetesFolder+"-"))
	}
	if !slices.Contains(pinned, release) {
		return source{}, fmt.Errorf("%s: %q is not a release that a module below envtest/binaries pins: set it to %s, or unset it",
			releaseVariable, release, strings.Join(pinned, " or "))
	}
	return src, nil
}

// Minor returns the minor version of the API server: 30 for Kubernetes 1.30.14.
func (p Programs) Minor(ctx context.Context) (int, error) {
	out, err := output(exec.CommandContext(ctx, p.APIServer, "--version"))
	if err != nil {
		return 0, err
	}
	return minorOf(out)
}

// minorOf returns the minor version in what kube-apiserver prints for --version.
func minorOf(text string) (int, error) {
	rest, found := strings.CutPrefix(text, "Kubernetes v1.")
	digits, _, dot := strings.Cut(rest, ".")
	minor, err := strconv.Atoi(digits)
	if !found || !dot || err != nil {
		return 0, fmt.Errorf("kube-apiserver --version: %q is not \"Kubernetes v1.MINOR.PATCH\": remove the program, so that it is built again", text)
	}
	return minor, nil
}
