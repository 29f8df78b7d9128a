package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// placeholder is the image's name in the manifests.
const placeholder = "shmkeeper.invalid/shmkeeper"

// writeInstall writes two files for kubectl apply -f: install.yaml, which is manifests/default with the image of this
// release, by its digest, and policies.yaml, the library.
func (r *Release) writeInstall(files string, digest v1.Hash) error {
	root, err := filepath.Abs(r.Root)
	if err != nil {
		return err
	}
	images := []types.Image{{Name: placeholder, NewName: r.Image, NewTag: r.Version, Digest: digest.String()}}
	for name, overlay := range map[string]types.Kustomization{
		"install.yaml":  {Resources: []string{"../manifests/default"}, Images: images},
		"policies.yaml": {Resources: []string{"../manifests/policies"}},
	} {
		text, err := kustomize(root, overlay)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if bytes.Contains(text, []byte(placeholder)) {
			return fmt.Errorf("%s: the manifests name the image %q where kustomize does not replace it: name it as the image of a container", name, placeholder)
		}
		header := fmt.Sprintf("# shmkeeper %s: kubectl apply --server-side -f %s\n", r.Version, name)
		if err := os.WriteFile(filepath.Join(files, name), append([]byte(header), text...), 0o644); err != nil { //nolint:gosec // everybody may read a release
			return err
		}
	}
	return nil
}

// kustomize builds an overlay that lies in a folder beside the manifests, by the code that kubectl has.
func kustomize(root string, overlay types.Kustomization) ([]byte, error) {
	overlay.TypeMeta = types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}
	text, err := yaml.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(root, ".overlay-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), text, 0o600); err != nil {
		return nil, err
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	return built.AsYaml()
}
