package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// files says what a reader takes of the files of a release, by what it is for. %[1]s is the version,
// %[2]s is the same without the "v", %[3]s is the image, and %[4]s the repository.
const files = `
## Files

| for | take |
|---|---|
| the server, with kubectl | ` + "`install.yaml`, and `policies.yaml` when the server answers" + ` |
| the server, with Helm | ` + "`shmkeeper-%[2]s.tgz`" + ` |
| the command line | ` + "`kubectl-shm_%[1]s_OS_ARCH.tar.gz`, or `.zip` for Windows; `shm.yaml` is for krew" + ` |
| man pages | ` + "`kubectl-shm_%[1]s_man.tar.gz`" + ` |
| verifying | ` + "`checksums.txt` and `*.sigstore.json`: [how](%[4]s/blob/%[1]s/docs/how-to/release.md#verify-it)" + ` |
| what is linked into each program | ` + "`*.cdx.json`" + ` |

The image is ` + "`%[3]s:%[1]s`" + `. [Install](%[4]s/blob/%[1]s/docs/how-to/install.md) and
[upgrade](%[4]s/blob/%[1]s/docs/how-to/upgrade.md) say how to go on.
`

// link is a link in Markdown.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// notes returns the notes of a release: the section of its version in CHANGELOG.md, and its files.
// Links to files of the repository become links to this version of them.
func (r *Release) notes() (string, error) {
	text, err := os.ReadFile(filepath.Join(r.Root, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	var section strings.Builder
	within := false
	for line := range strings.Lines(string(text)) {
		if heading, found := strings.CutPrefix(line, "## "); found {
			version, _, _ := strings.Cut(strings.TrimSpace(heading), " ")
			within = version == r.Version
			continue
		}
		if within {
			section.WriteString(line)
		}
	}
	changes := strings.TrimSpace(section.String())
	if changes == "" {
		return "", fmt.Errorf("CHANGELOG.md says nothing about %[1]s: rename the section \"## Unreleased\" to \"## %[1]s\"", r.Version)
	}
	changes = link.ReplaceAllStringFunc(changes, func(found string) string {
		target := link.FindStringSubmatch(found)[1]
		if strings.Contains(target, "://") {
			return found
		}
		return fmt.Sprintf("](%s/blob/%s/%s)", sources, r.Version, target)
	})
	return changes + "\n" + fmt.Sprintf(files, r.Version, strings.TrimPrefix(r.Version, "v"), r.Image, sources), nil
}
