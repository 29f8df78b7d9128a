package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const chartFolder = "charts/shmkeeper"

// writeChart packages the Helm chart as `helm package` does, with the version and the image of this release.
func (r *Release) writeChart(ctx context.Context, files string, digest v1.Hash) error {
	listed, err := r.output(ctx, "git", "ls-files", "-z", "--", chartFolder)
	if err != nil {
		return err
	}
	version := strings.TrimPrefix(r.Version, "v")
	changes := map[string][][2]string{
		"Chart.yaml": {{"\nversion: 0.1.0\n", "\nversion: " + version + "\n"}, {"\nappVersion: dev\n", "\nappVersion: " + r.Version + "\n"}},
		"values.yaml": {
			{"  # Nobody can register a domain below .invalid: set your registry's name here.\n  repository: " + placeholder + "\n", "  repository: " + r.Image + "\n"},
			{"  digest: \"\"\n", "  digest: " + digest.String() + "\n"},
		},
	}
	var entries []entry
	for name := range strings.SplitSeq(strings.TrimSuffix(listed, "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(r.Root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		inChart := strings.TrimPrefix(name, chartFolder+"/")
		for _, change := range changes[inChart] {
			if n := bytes.Count(text, []byte(change[0])); n != 1 {
				return fmt.Errorf("%s has %q %d times, want once: let this program follow the chart", name, change[0], n)
			}
			text = bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		}
		delete(changes, inChart)
		entries = append(entries, entry{path.Join("shmkeeper", inChart), 0o644, text})
	}
	if len(changes) > 0 {
		return fmt.Errorf("%s has no Chart.yaml or no values.yaml", chartFolder)
	}
	f, err := os.Create(filepath.Join(files, "shmkeeper-"+version+".tgz"))
	if err != nil {
		return err
	}
	return errors.Join(writeTarGzip(f, entries, r.Time), f.Close())
}
