package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	checksumsFile  = "checksums.txt"
	provenanceFile = "provenance.sigstore.json"
	passwordEnv    = "COSIGN_PASSWORD"
	cosignProgram  = "github.com/sigstore/cosign/v3/cmd/cosign"
)

// unsigned says that nothing was signed, and what to do about it.
const unsigned = `nothing was signed, as there is no key. To sign the image, the checksums and where they are from:
  cosign generate-key-pair
  COSIGN_PASSWORD=... make release VERSION=%s KEY=cosign.key
`

// signer signs by cosign.
type signer struct {
	program string   // the file of cosign
	flags   []string // what it signs with
	// publicKey is the file of the key that verifies, empty if a short-lived certificate does.
	publicKey string
	work      string // a folder for files that nobody keeps
}

// newSigner returns nil if nothing is to be signed. A key that cannot be used is an error now, and not after everything was built.
func (r *Release) newSigner(ctx context.Context, work string, progress io.Writer) (*signer, error) {
	if r.Key == "" && !r.Keyless {
		return nil, nil //nolint:nilnil // there is none
	}
	if err := r.checkKey(); err != nil {
		return nil, err
	}
	s := &signer{program: r.Cosign, work: work, flags: []string{"--yes"}}
	if s.program == "" {
		s.program = filepath.Join(work, "cosign")
		fmt.Fprintln(progress, "building cosign, which takes minutes the first time")
		if err := r.buildProgram(ctx, "cosign", cosignProgram, s.program); err != nil {
			return nil, err
		}
	}
	if r.Keyless {
		return s, nil
	}
	s.publicKey = filepath.Join(work, "cosign.pub")
	if err := s.cosign(ctx, "public-key", "--key", r.Key, "--outfile", s.publicKey); err != nil {
		return nil, fmt.Errorf("-key: %w: name a key that `cosign generate-key-pair` has written, and set %s to its password", err, passwordEnv)
	}
	// The list of services is empty, so cosign asks neither a transparency log nor a timestamp authority.
	services := filepath.Join(work, "services.json")
	if err := os.WriteFile(services, []byte(`{"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}`), 0o600); err != nil {
		return nil, err
	}
	s.flags = append(s.flags, "--key", r.Key, "--signing-config", services)
	return s, nil
}

// checkKey returns an error if the key is a file that is not there, or whose password is not known. It needs no cosign,
// which may take minutes to build.
func (r *Release) checkKey() error {
	if r.Keyless || strings.Contains(r.Key, ":") { // the URI of a key that a service keeps
		return nil
	}
	if _, err := os.Stat(r.Key); err != nil {
		return fmt.Errorf("-key: %w: name a key that `cosign generate-key-pair` has written, or the URI of one that a service keeps", err)
	}
	if _, found := os.LookupEnv(passwordEnv); !found {
		return fmt.Errorf("-key: %s is not set: set it to the password of %q, empty if it has none", passwordEnv, r.Key)
	}
	return nil
}

// buildProgram builds a program that a module below programs/ pins.
func (r *Release) buildProgram(ctx context.Context, module, program, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", file, program) //nolint:gosec // the programs are named in this package
	c.Dir = filepath.Join(r.Root, "tools", "release", "programs", module)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS=", "GOARCH=")
	if text, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", program, err, text)
	}
	return nil
}

// cosign runs cosign. What it prints is in the error.
func (s *signer) cosign(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, s.program, args...) //nolint:gosec // the program is the one that we have built, or that a flag names
	if text, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cosign %s: %w: %s", args[0], err, bytes.TrimSpace(text))
	}
	return nil
}

// sign signs the checksums and the image, and says and signs where all of it is from. Nothing that is there changes: the files are
// the same, no matter who signs them.
func (r *Release) sign(ctx context.Context, s *signer, files string, sums []checksum, image v1.Hash) error {
	checksums := filepath.Join(files, checksumsFile)
	sum, err := sumOf(files, checksums)
	if err != nil {
		return err
	}
	if err := s.cosign(ctx, s.args("sign-blob", "--bundle", checksums+".sigstore.json", checksums)...); err != nil {
		return err
	}
	from, err := r.provenance(ctx, append([]checksum{sum}, sums...), image)
	if err != nil {
		return err
	}
	if err := s.attest(ctx, from, filepath.Join(files, provenanceFile)); err != nil {
		return err
	}
	text, err := imageStatement(image)
	if err != nil {
		return err
	}
	bundle := filepath.Join(s.work, "image.sigstore.json")
	if err := s.attest(ctx, text, bundle); err != nil {
		return err
	}
	folder := filepath.Join(files, imageFolder)
	if err := attach(folder, image, bundle); err != nil {
		return err
	}
	for _, file := range []string{checksums + ".sigstore.json", filepath.Join(files, provenanceFile)} {
		if err := os.Chmod(file, 0o644); err != nil { //nolint:gosec // everybody may read a release
			return err
		}
	}
	return s.verify(ctx, files)
}

// args puts the flags that all signing has after the name of the command.
func (s *signer) args(command string, args ...string) []string {
	return append(append([]string{command}, s.flags...), args...)
}

// attest signs an in-toto statement into a bundle.
func (s *signer) attest(ctx context.Context, statement []byte, bundle string) error {
	file := filepath.Join(s.work, "statement.json")
	return errors.Join(os.WriteFile(file, statement, 0o600),
		s.cosign(ctx, s.args("attest-blob", "--statement", file, "--bundle", bundle)...))
}

// verify checks what was signed with a key, before anybody else can. The identity in a certificate is for others to judge.
func (s *signer) verify(ctx context.Context, files string) error {
	if s.publicKey == "" {
		return nil
	}
	checksums := filepath.Join(files, checksumsFile)
	flags := []string{"--key", s.publicKey, "--insecure-ignore-tlog"}
	for _, args := range [][]string{
		{"verify-blob", "--bundle", checksums + ".sigstore.json", checksums},
		{"verify-blob-attestation", "--type", slsaPredicate, "--bundle", filepath.Join(files, provenanceFile), checksums},
		{"verify", "--local-image", filepath.Join(files, imageFolder)},
	} {
		if err := s.cosign(ctx, append(args, flags...)...); err != nil {
			return err
		}
	}
	return nil
}
