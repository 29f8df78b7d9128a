package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
)

// patience bounds how long rendering may take: a kustomization may fetch others.
const patience = 2 * time.Minute

// Options represents what a chart is rendered with.
type Options struct {
	Values    []string
	Namespace string
}

// Run returns the manifests that a directory makes, and the file that says how: a kustomization, rendered
// by the kubectl or kustomize on the PATH, or a Helm chart, rendered by the helm on the PATH.
// It fails if the directory has neither, and if the program fails or is not there.
func Run(ctx context.Context, dir string, o Options) (text, file string, err error) {
	commands, file, err := commandsFor(dir, o)
	if err != nil {
		return "", "", err
	}
	for _, command := range commands {
		path, err := exec.LookPath(command[0])
		if err != nil {
			continue
		}
		text, err := runFor(ctx, patience, path, command[1:]...)
		if err != nil {
			return "", "", fmt.Errorf("-k: %s: %s failed: %w", dir, strings.Join(command, " "), err)
		}
		return text, file, nil
	}
	names := make([]string, len(commands))
	for i, command := range commands {
		names[i] = command[0]
	}
	return "", "", fmt.Errorf("-k: %s: %s is not on the PATH: install it, or render elsewhere and review the result with -f -", dir, strings.Join(names, " or "))
}

// runFor runs a program, for so long at most.
func runFor(ctx context.Context, patience time.Duration, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return run(exec.CommandContext(ctx, path, args...))
}

// commandsFor returns the commands that render a directory, the best first, and the file that they begin with.
func commandsFor(dir string, o Options) (commands [][]string, file string, err error) {
	// What begins with a dash would be taken for a flag.
	target := filepath.Clean(dir)
	if strings.HasPrefix(target, "-") {
		target = "." + string(filepath.Separator) + target
	}
	for _, name := range kustomizationNames {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); err != nil {
			continue
		}
		if len(o.Values) > 0 && !exists(filepath.Join(dir, "Chart.yaml")) {
			return nil, "", fmt.Errorf("--values: %s has a kustomization and no Helm chart: leave --values out", dir)
		}
		return [][]string{{"kubectl", "kustomize", target}, {"kustomize", "build", target}}, file, nil
	}
	file = filepath.Join(dir, "Chart.yaml")
	if !exists(file) {
		return nil, "", fmt.Errorf("-k: %s: has neither a %s nor a Chart.yaml: name the directory of a kustomization or of a Helm chart", dir, kustomizationNames[0])
	}
	helm := []string{"helm", "template", releaseOf(dir), target, "--namespace", o.Namespace}
	for _, values := range o.Values {
		helm = append(helm, "--values", values)
	}
	return [][]string{helm}, file, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

var notInName = regexp.MustCompile(`[^a-z0-9-]+`)

// releaseOf returns the name of a release for the chart of a directory.
func releaseOf(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(filepath.Base(dir)), "-"), "-")
	if name == "" {
		return "release"
	}
	return name[:min(len(name), 50)]
}

// run returns what a program writes, as far as a review reads.
func run(cmd *exec.Cmd) (string, error) {
	out, wrong := &bounded{most: manifest.MaxStreamBytes}, &bounded{most: 4 << 10}
	cmd.Stdout, cmd.Stderr = out, wrong
	err := cmd.Run()
	if said := strings.Join(slices.DeleteFunc(strings.Split(wrong.String(), "\n"), func(s string) bool { return strings.TrimSpace(s) == "" }), "; "); err != nil && said != "" {
		return "", errors.New(human.Quote(said, 1000))
	}
	if err != nil {
		return "", err
	}
	if out.full {
		return "", fmt.Errorf("it writes more than %d bytes: render less at a time", manifest.MaxStreamBytes)
	}
	return out.String(), nil
}

// bounded keeps the first bytes that are written to it.
type bounded struct {
	bytes.Buffer
	most int
	full bool
}

// Write takes all of p, and forgets what is too much.
func (b *bounded) Write(p []byte) (int, error) {
	n := len(p)
	if room := b.most - b.Len(); n > room {
		p, b.full = p[:max(room, 0)], true
	}
	b.Buffer.Write(p)
	return n, nil
}
