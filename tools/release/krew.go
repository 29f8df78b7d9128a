package main

import (
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// The manifest of a plugin in krew's index, of which these are the fields that we use; see
// https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/.
type (
	krewPlugin struct {
		APIVersion string       `json:"apiVersion"`
		Kind       string       `json:"kind"`
		Metadata   krewMetadata `json:"metadata"`
		Spec       krewSpec     `json:"spec"`
	}
	krewMetadata struct {
		Name string `json:"name"`
	}
	krewSpec struct {
		Version          string         `json:"version"`
		Homepage         string         `json:"homepage"`
		ShortDescription string         `json:"shortDescription"`
		Description      string         `json:"description"`
		Platforms        []krewPlatform `json:"platforms"`
	}
	krewPlatform struct {
		Selector krewSelector `json:"selector"`
		URI      string       `json:"uri"`
		SHA256   string       `json:"sha256"`
		Bin      string       `json:"bin"`
	}
	krewSelector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	}
)

// writeKrew writes shm.yaml, with which `kubectl krew install --manifest=shm.yaml` installs the plugin.
func (r *Release) writeKrew(files string, archives []archive) error {
	plugin := krewPlugin{
		APIVersion: "krew.googlecontainertools.github.com/v1alpha2", Kind: "Plugin", Metadata: krewMetadata{"shm"},
		Spec: krewSpec{
			Version: r.Version, Homepage: sources,
			ShortDescription: "Size /dev/shm, and see how full it is",
			Description: "Computes how large /dev/shm has to be for a workload, and what that costs in memory;\n" +
				"reviews manifests before they are applied; shows how full every /dev/shm of a cluster is\n" +
				"and when it will be full.\n",
		},
	}
	for _, a := range archives {
		plugin.Spec.Platforms = append(plugin.Spec.Platforms, krewPlatform{
			Selector: krewSelector{map[string]string{"os": a.platform.OS, "arch": a.platform.Arch}},
			URI:      r.Downloads + "/" + r.Version + "/" + a.file, SHA256: a.sha256, Bin: a.program,
		})
	}
	text, err := yaml.Marshal(plugin)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(files, "shm.yaml"), text, 0o644) //nolint:gosec // everybody may read a release
}
