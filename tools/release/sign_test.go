//go:build release

package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// program builds one of the programs that programs/ pins.
func program(t *testing.T, module, path string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := newRelease(t).buildProgram(t.Context(), module, path, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// runProgram returns what a program prints.
func runProgram(t *testing.T, env []string, program string, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Env = append(os.Environ(), env...)
	text, err := c.CombinedOutput()
	return string(text), err
}

// mustRun is runProgram for a program that must not fail.
func mustRun(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	text, err := runProgram(t, env, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, text)
	}
	return text
}

// newKey has cosign make a pair of keys and returns their files.
func newKey(t *testing.T, cosign string) (private, public string) {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "cosign")
	mustRun(t, nil, cosign, "generate-key-pair", "--output-key-prefix", prefix)
	return prefix + ".key", prefix + ".pub"
}

// signedRelease is a release that was built once without a key and once with one.
type signedRelease struct {
	cosign, key, public string
	unsigned, signed    *Release
}

func newSignedRelease(t *testing.T) signedRelease {
	t.Helper()
	t.Setenv(passwordEnv, "correct horse battery staple")
	s := signedRelease{cosign: program(t, "cosign", cosignProgram), unsigned: newRelease(t), signed: newRelease(t)}
	s.key, s.public = newKey(t, s.cosign)
	s.signed.Cosign, s.signed.Key = s.cosign, s.key
	for _, r := range []*Release{s.unsigned, s.signed} {
		if err := r.build(t.Context(), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// verifications are the commands in docs/how-to/release.md that need a key, by their names, without the program.
func verifications(t *testing.T, public string) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/how-to/release.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if args := strings.Fields(line); strings.HasPrefix(line, "    cosign verify") && strings.Contains(line, " --key cosign.pub ") {
			out[args[1]] = strings.Fields(strings.ReplaceAll(strings.Join(args[1:], " "), "cosign.pub", public))
		}
	}
	if len(out) != 3 {
		t.Fatalf("the page has the commands %q, want one for the checksums, the provenance and the image", out)
	}
	return out
}

// verify runs cosign in a folder.
func (s signedRelease) verify(ctx context.Context, folder string, args []string) (string, error) {
	c := exec.CommandContext(ctx, s.cosign, args...)
	c.Dir = folder
	text, err := c.CombinedOutput()
	return string(text), err
}

func TestSign(t *testing.T) {
	s := newSignedRelease(t)
	_, stranger := newKey(t, s.cosign)
	t.Run("changes nothing", func(t *testing.T) {
		signed := filesBelow(t, s.signed.Out)
		for name, data := range filesBelow(t, s.unsigned.Out) {
			if !bytes.Equal(data, signed[name]) {
				t.Errorf("%s is another file in the signed release", name)
			}
		}
	})
	for name, args := range verifications(t, s.public) {
		t.Run(name, func(t *testing.T) {
			if text, err := s.verify(t.Context(), s.signed.Out, args); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
		t.Run(name+" by another key", func(t *testing.T) {
			if text, err := s.verify(t.Context(), s.signed.Out, verifications(t, stranger)[name]); err == nil {
				t.Errorf("it is accepted:\n%s", text)
			}
		})
	}
	for _, test := range []struct{ verification, file string }{
		{"verify-blob", "checksums.txt"},
		{"verify-blob", "checksums.txt.sigstore.json"},
		{"verify-blob-attestation", "install.yaml"},
		{"verify-blob-attestation", "provenance.sigstore.json"},
	} {
		t.Run("a changed byte of "+test.file, func(t *testing.T) {
			folder := s.copied(t)
			changeByte(t, filepath.Join(folder, test.file))
			if text, err := s.verify(t.Context(), folder, verifications(t, s.public)[test.verification]); err == nil {
				t.Errorf("it is accepted:\n%s", text)
			}
		})
	}
	t.Run("another image", func(t *testing.T) { s.refusesAnotherImage(t) })
	t.Run("in a registry", func(t *testing.T) { s.signsInRegistry(t) })
}

// copied returns a copy of the signed release.
func (s signedRelease) copied(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(folder, os.DirFS(s.signed.Out)); err != nil {
		t.Fatal(err)
	}
	return folder
}

// changeByte changes a byte in the middle of a file to another letter or digit.
func changeByte(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file) //nolint:gosec // a file of this test
	if err != nil {
		t.Fatal(err)
	}
	for i := len(data) / 2; ; i++ {
		if c := data[i]; c >= 'a' && c < 'f' || c >= '0' && c < '9' {
			data[i]++
			break
		}
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// refusesAnotherImage names another image in the layout, with the signature of the first beside it.
func (s signedRelease) refusesAnotherImage(t *testing.T) {
	folder := filepath.Join(s.copied(t), imageFolder)
	digest, index := s.image(t, folder)
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "index.json")
	text, err := os.ReadFile(file) //nolint:gosec // a file of this test
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(digest.Hex), []byte(manifest.Manifests[0].Digest.Hex), 1)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := s.verify(t.Context(), filepath.Dir(folder), verifications(t, s.public)["verify"]); err == nil {
		t.Errorf("it is accepted:\n%s", text)
	}
}

// image returns the one image of a layout.
func (s signedRelease) image(t *testing.T, folder string) (v1.Hash, v1.ImageIndex) {
	t.Helper()
	outer, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := outer.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	digest := manifest.Manifests[0].Digest
	index, err := outer.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	return digest, index
}

// signsInRegistry pushes the image and signs it there, as the workflow does.
func (s signedRelease) signsInRegistry(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	digest, index := s.image(t, filepath.Join(s.signed.Out, imageFolder))
	ref, err := name.NewDigest(strings.TrimPrefix(server.URL, "http://")+"/shmkeeper@"+digest.String(), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index); err != nil {
		t.Fatal(err)
	}
	verify := []string{"verify", "--key", s.public, "--insecure-ignore-tlog", "--allow-http-registry", ref.String()}
	if text, err := runProgram(t, nil, s.cosign, verify...); err == nil {
		t.Errorf("it is accepted before it is signed:\n%s", text)
	}
	mustRun(t, nil, s.cosign, "sign", "--yes", "--key", s.key, "--use-signing-config=false", "--tlog-upload=false", "--allow-http-registry", ref.String())
	mustRun(t, nil, s.cosign, verify...)
}

// What is wrong with a key is said before anything is built.
func TestSign_KeyErrors(t *testing.T) {
	cosign := program(t, "cosign", cosignProgram)
	t.Setenv(passwordEnv, "right")
	key, _ := newKey(t, cosign)
	for _, test := range []struct {
		name, key, password string
		want                string
	}{
		{"no such file", "none.key", "right", "none.key"},
		{"wrong password", key, "wrong", "set COSIGN_PASSWORD to its password"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(passwordEnv, test.password)
			r := newRelease(t)
			r.Cosign, r.Key = cosign, test.key
			r.Server, r.Plugin = nil, nil
			if err := r.build(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v; want %q", err, test.want)
			}
		})
	}
}
