package kernels

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// archives represents the hosts of Debian's packages that this machine is configured for.
type archives struct {
	main, security string // where dists and pool are; empty if there is none
}

// findArchives returns the hosts in this machine's apt sources, whatever their format.
func findArchives(ctx context.Context) (archives, error) {
	out, err := run(ctx, nil, "apt-get", "update", "--print-uris")
	if err != nil {
		return archives{}, err
	}
	return parseArchives(out), nil
}

// parseArchives reads what `apt-get update --print-uris` prints: an address in quotes in each line.
func parseArchives(uris string) archives {
	var a archives
	for line := range strings.Lines(uris) {
		address, _, _ := strings.Cut(strings.TrimPrefix(line, "'"), "'")
		base, rest, ok := strings.Cut(address, "/dists/")
		suite, file, _ := strings.Cut(rest, "/")
		switch {
		case !ok || file != "InRelease" || !isDebian(suite):
		case strings.HasSuffix(suite, "-security"):
			a.security = first(a.security, base)
		default:
			a.main = first(a.main, base)
		}
	}
	return a
}

// isDebian reports whether a suite is one of Debian: its sources may name others too.
func isDebian(suite string) bool {
	name, _, _ := strings.Cut(suite, "-")
	switch name {
	case "bullseye", "bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable":
		return true
	}
	return false
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// repository represents a suite with an apt configuration of its own, in a folder: nothing of the
// machine's is changed.
type repository struct {
	suite, folder string
	packages      []string // names
}

// keyring is where Debian's package of that name has the keys of all suites.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// openRepository fetches the lists of a suite into a folder.
func openRepository(ctx context.Context, from archives, suite, folder string) (repository, error) {
	base := from.main
	if strings.HasSuffix(suite, "-security") {
		base = from.security
	}
	r := repository{suite: suite, folder: folder}
	if base == "" {
		return r, fmt.Errorf("this machine's apt sources name no host for %s: add Debian's to /etc/apt/sources.list.d", suite)
	}
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "parts", "download"} {
		if err := os.MkdirAll(filepath.Join(folder, dir), 0o755); err != nil {
			return r, err
		}
	}
	for name, text := range map[string]string{
		"status":       "",
		"sources.list": fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, base, suite),
		"apt.conf": fmt.Sprintf(`Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "%[1]s/parts";
Dir::State::lists "%[1]s/lists";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "2";
`, folder),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return r, err
		}
	}
	if _, err := r.apt(ctx, "apt-get", "update", "--error-on=any"); err != nil {
		return r, fmt.Errorf("the lists of %s: %w", suite, err)
	}
	names, err := r.apt(ctx, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return r, fmt.Errorf("the packages of %s: %w", suite, err)
	}
	r.packages = strings.Fields(names)
	return r, nil
}

// download fetches a package and returns the path of its file.
func (r repository) download(ctx context.Context, name string) (string, error) {
	folder := filepath.Join(r.folder, "download")
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", err
	}
	if _, err := r.apt(ctx, "sh", "-c", `cd "$1" && exec apt-get download "$2"`, "sh", folder, name); err != nil {
		return "", fmt.Errorf("download %s of %s: %w", name, r.suite, err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.deb"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("download %s of %s: apt-get left %d packages in %q", name, r.suite, len(files), folder)
	}
	return files[0], nil
}

// apt runs a program of apt with the configuration of the repository.
func (r repository) apt(ctx context.Context, name string, arguments ...string) (string, error) {
	return run(ctx, []string{"APT_CONFIG=" + filepath.Join(r.folder, "apt.conf")}, name, arguments...)
}

// run runs a program and returns what it prints. Its last words are in the error.
func run(ctx context.Context, environment []string, name string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, name, arguments...)
	command.Env = append(append(os.Environ(), "LC_ALL=C"), environment...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		words := strings.Fields(stderr.String())
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.Join(words[max(0, len(words)-40):], " "))
	}
	return string(out), nil
}
