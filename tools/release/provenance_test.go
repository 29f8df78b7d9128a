package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
)

var someImage = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("1", 64)}

func TestProvenance(t *testing.T) {
	r := newRelease(t)
	sums := []checksum{{"checksums.txt", strings.Repeat("2", 64)}, {"image/blobs/sha256/3", strings.Repeat("3", 64)}, {"install.yaml", strings.Repeat("4", 64)}}
	text, err := r.provenance(t.Context(), sums, someImage)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.provenance(t.Context(), sums, someImage); err != nil || !bytes.Equal(text, again) {
		t.Errorf("the second time it is %s, %v", again, err)
	}
	var got struct {
		Type          string `json:"_type"`
		PredicateType string
		Subject       []struct {
			Name   string
			Digest map[string]string
		}
		Predicate struct {
			BuildDefinition struct {
				ExternalParameters   map[string]string
				ResolvedDependencies []struct {
					URI    string
					Digest map[string]string
				}
			}
			RunDetails struct{ Builder struct{ ID string } }
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "https://in-toto.io/Statement/v1" || got.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("it is a %s of %s", got.Type, got.PredicateType)
	}
	var subjects []string
	for _, s := range got.Subject {
		subjects = append(subjects, s.Name+" "+s.Digest["sha256"][:4])
	}
	if want := []string{r.Image + " 1111", "checksums.txt 2222", "install.yaml 4444"}; !slices.Equal(subjects, want) {
		t.Errorf("it is about %q, want %q", subjects, want)
	}
	from := got.Predicate.BuildDefinition.ResolvedDependencies
	if len(from) != 2 || from[0].Digest["gitCommit"] != r.Commit || !strings.HasPrefix(from[1].URI, "pkg:golang/stdlib@1.") {
		t.Errorf("it is built from %+v", from)
	}
	if got.Predicate.RunDetails.Builder.ID != r.Builder || got.Predicate.BuildDefinition.ExternalParameters["version"] != r.Version {
		t.Errorf("it is built by %+v with %+v", got.Predicate.RunDetails, got.Predicate.BuildDefinition.ExternalParameters)
	}
}

// A signature adds files to a layout: its index, which has a checksum, stays.
func TestAttach(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "image")
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Index(10, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendIndex(image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.json")
	if err := os.WriteFile(bundle, []byte(`{"a": "bundle"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	before := filesBelow(t, folder)
	if err := attach(folder, digest, bundle); err != nil {
		t.Fatal(err)
	}
	after := filesBelow(t, folder)
	for name, data := range before {
		if !bytes.Equal(data, after[name]) {
			t.Errorf("%s is another file", name)
		}
	}
	var found []string
	for name, data := range after {
		var m referrer
		if before[name] != nil || json.Unmarshal(data, &m) != nil || m.Subject == nil {
			continue
		}
		if m.Subject.Digest != digest || len(m.Layers) != 1 || !bytes.Equal(after["blobs/sha256/"+m.Layers[0].Digest.Hex], []byte(`{"a": "bundle"}`)) || after["blobs/sha256/"+m.Config.Digest.Hex] == nil {
			t.Errorf("the signature is %s", data)
		}
		found = append(found, name)
	}
	if len(found) != 1 {
		t.Errorf("the layout has the signatures %q, want one", found)
	}
}

func TestNewSigner_NoPassword(t *testing.T) {
	r := newRelease(t)
	r.Key, r.Cosign = filepath.Join(t.TempDir(), "cosign.key"), "/nonexistent/cosign"
	if err := os.WriteFile(r.Key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if password, found := os.LookupEnv(passwordEnv); found {
		t.Setenv(passwordEnv, password) // so that it is set again
		if err := os.Unsetenv(passwordEnv); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.newSigner(t.Context(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "COSIGN_PASSWORD is not set: set it to the password of") {
		t.Errorf("the error is %v", err)
	}
}
