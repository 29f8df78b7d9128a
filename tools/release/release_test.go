package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"sigs.k8s.io/yaml"
)

// newRelease returns one of this machine's platform alone, so that the test does not compile everything for others.
func newRelease(t *testing.T) *Release {
	t.Helper()
	here := []Platform{{"linux", runtime.GOARCH}}
	return &Release{
		Version: "v1.2.3", Commit: strings.Repeat("a", 40), Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Image: "registry.example.com/shm/keeper", Downloads: "https://example.com/files",
		Builder: "https://example.com/builder",
		Server:  here, Plugin: here, Root: "../..", Out: filepath.Join(t.TempDir(), "out"),
	}
}

// filesBelow returns the content of all files, by their names.
func filesBelow(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	if err := fs.WalkDir(os.DirFS(folder), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[name], err = os.ReadFile(filepath.Join(folder, name))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBuild(t *testing.T) {
	first, second := newRelease(t), newRelease(t)
	for _, r := range []*Release{first, second} {
		var progress bytes.Buffer
		if err := r.build(t.Context(), &progress); err != nil {
			t.Fatal(err)
		}
		if want := "COSIGN_PASSWORD=... make release VERSION=v1.2.3 KEY=cosign.key\n"; !strings.Contains(progress.String(), "nothing was signed") || !strings.HasSuffix(progress.String(), want) {
			t.Errorf("it does not end in %q, with the reason:\n%s", want, &progress)
		}
	}
	files := filesBelow(t, first.Out)
	t.Run("is the same again", func(t *testing.T) {
		again := filesBelow(t, second.Out)
		if len(files) != len(again) {
			t.Errorf("%d files, and %d the second time", len(files), len(again))
		}
		for name, data := range files {
			if !bytes.Equal(data, again[name]) {
				t.Errorf("%s differs the second time", name)
			}
		}
	})
	t.Run("checksums", func(t *testing.T) { checkChecksums(t, first, files) })
	t.Run("image", func(t *testing.T) { checkImage(t, first, files) })
	t.Run("chart", func(t *testing.T) { checkChart(t, first, files["shmkeeper-1.2.3.tgz"], string(files["install.yaml"])) })
	t.Run("plugin", func(t *testing.T) { checkPlugin(t, first, files) })
	t.Run("bill of materials", func(t *testing.T) {
		for _, program := range []string{"shmkeeper", "kubectl-shm"} {
			checkMaterials(t, first, files[program+"-linux-"+runtime.GOARCH+".cdx.json"], program)
		}
	})
	t.Run("policies", func(t *testing.T) {
		if n := strings.Count(string(files["policies.yaml"]), "kind: SharedMemoryPolicy\n"); n < 20 {
			t.Errorf("policies.yaml has %d policies", n)
		}
	})
}

// checkChecksums has sha256sum check them, as a user would.
func checkChecksums(t *testing.T, r *Release, files map[string][]byte) {
	if n := strings.Count(string(files["checksums.txt"]), "\n"); n != len(files)-1 {
		t.Errorf("%d checksums of %d files", n, len(files)-1)
	}
	c := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "checksums.txt")
	c.Dir = r.Out
	if text, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func checkImage(t *testing.T, r *Release, files map[string][]byte) {
	index, err := layout.ImageIndexFromPath(filepath.Join(r.Out, "image"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	digest := manifest.Manifests[0].Digest
	if want := "image: " + r.Image + ":" + r.Version + "@" + digest.String(); !strings.Contains(string(files["install.yaml"]), want) {
		t.Errorf("install.yaml does not have %q", want)
	}
	inner, err := index.ImageIndex(digest)
	if err != nil {
		t.Fatal(err)
	}
	platforms, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range platforms.Manifests {
		img, err := inner.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != d.Platform.Architecture || config.Config.User != "65532:65532" ||
			!slices.Equal(config.Config.Entrypoint, []string{"/shmkeeper"}) || config.Config.Labels["org.opencontainers.image.revision"] != r.Commit {
			t.Errorf("the image for %s has the configuration %+v", d.Platform, config)
		}
		layers, err := img.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("%d layers, %v", len(layers), err)
		}
		content, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(t.TempDir(), "shmkeeper")
		extract(t, content, "shmkeeper", program)
		wantVersion(t, r, program, "--version")
	}
}

// extract writes a file of a tar to a path, for everybody to run.
func extract(t *testing.T, r io.Reader, name, path string) {
	t.Helper()
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			t.Fatalf("the archive has no %s", name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Name != name {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if header.Mode != 0o755 || header.Uid != 0 {
			t.Errorf("%s has the mode %o and belongs to %d", name, header.Mode, header.Uid)
		}
		if err := os.WriteFile(path, data, 0o700); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
		return
	}
}

// wantVersion runs a program and checks what it says it is.
func wantVersion(t *testing.T, r *Release, program string, args ...string) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if want := r.Version + " (commit " + r.Commit + ")"; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("%s %s prints %q, %v; want %s", filepath.Base(program), strings.Join(args, " "), text, err, want)
	}
}

// checkChart compares the chart's image with that of install.yaml.
func checkChart(t *testing.T, r *Release, archive []byte, install string) {
	read := func(name string, into any) {
		t.Helper()
		z, err := gzip.NewReader(bytes.NewReader(archive))
		if err != nil {
			t.Fatal(err)
		}
		for files := tar.NewReader(z); ; {
			header, err := files.Next()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if header.Name != name {
				continue
			}
			text, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	var chart struct{ Version, AppVersion string }
	read("shmkeeper/Chart.yaml", &chart)
	if chart.Version != "1.2.3" || chart.AppVersion != r.Version {
		t.Errorf("the chart is %+v", chart)
	}
	var values struct {
		Image struct{ Repository, Digest string }
	}
	read("shmkeeper/values.yaml", &values)
	if want := "image: " + r.Image + ":" + r.Version + "@" + values.Image.Digest + "\n"; values.Image.Repository != r.Image || !strings.Contains(install, want) {
		t.Errorf("the chart has the image %+v; install.yaml does not have %q", values.Image, want)
	}
}

func checkPlugin(t *testing.T, r *Release, files map[string][]byte) {
	var plugin krewPlugin
	if err := yaml.UnmarshalStrict(files["shm.yaml"], &plugin); err != nil {
		t.Fatal(err)
	}
	if len(plugin.Spec.Platforms) != 1 {
		t.Fatalf("krew's manifest has %+v", plugin.Spec)
	}
	p := plugin.Spec.Platforms[0]
	name := "kubectl-shm_v1.2.3_linux_" + runtime.GOARCH + ".tar.gz"
	if p.URI != "https://example.com/files/v1.2.3/"+name {
		t.Errorf("the URI is %q", p.URI)
	}
	if sum := sha256.Sum256(files[name]); p.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the checksum is %q; want that of %s", p.SHA256, name)
	}
	folder := t.TempDir()
	for _, program := range []string{p.Bin, "kubectl_complete-shm"} {
		z, err := gzip.NewReader(bytes.NewReader(files[name]))
		if err != nil {
			t.Fatal(err)
		}
		extract(t, z, program, filepath.Join(folder, program))
	}
	wantVersion(t, r, filepath.Join(folder, p.Bin), "version")
	complete := exec.CommandContext(t.Context(), filepath.Join(folder, "kubectl_complete-shm"), "rev")
	complete.Env = append(os.Environ(), "PATH="+folder)
	if text, err := complete.Output(); err != nil || !strings.HasPrefix(string(text), "review\t") {
		t.Errorf("the arguments are completed by %q, %v", text, err)
	}
}

// checkMaterials compares a bill of materials with what the Go command says of a program that it builds now.
func checkMaterials(t *testing.T, r *Release, text []byte, program string) {
	var bom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct{ Name, Version, Purl string }
	}
	if err := json.Unmarshal(text, &bom); err != nil || bom.BOMFormat != "CycloneDX" {
		t.Fatalf("%q, %v", bom.BOMFormat, err)
	}
	path, err := r.compile(t.Context(), t.TempDir(), program, r.Plugin[0], io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"std " + info.GoVersion}
	for _, m := range info.Deps {
		want = append(want, m.Path+" "+m.Version)
	}
	var got []string
	for _, c := range bom.Components {
		got = append(got, c.Name+" "+c.Version)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(want) < 20 {
		t.Errorf("the bill of %s has\n%s\nwant\n%s", program, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWriteZip(t *testing.T) {
	var b bytes.Buffer
	if err := writeZip(&b, []entry{{"a.exe", 0o755, []byte("program")}}, time.Unix(1e9, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(z.File) != 1 {
		t.Fatal(err)
	}
	if f := z.File[0]; f.Name != "a.exe" || f.Mode() != 0o755 || f.Modified.Unix() != 1e9 {
		t.Errorf("%s has mode %s and the time %s", f.Name, f.Mode(), f.Modified)
	}
}

func TestRun_Errors(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, `-version: "" is not a version of three numbers: write one such as v0.1.0`},
		{[]string{"-version", "0.1.0"}, `-version: "0.1.0" is not a version`},
		{[]string{"-version", "v1"}, `-version: "v1" is not a version`},
		{[]string{"-version", "v1.0.0+build"}, `-version: "v1.0.0+build" is not a version`},
		{[]string{"-version", "v1.0.0", "more"}, `unexpected argument "more"`},
		{[]string{"-version", "v1.0.0", "-root", t.TempDir()}, "name the folder of a checkout"},
		{[]string{"-version", "v1.0.0", "-key", "cosign.key", "-keyless"}, "leave out one of the two"},
		{[]string{"-version", "v1.0.0", "-platform", "darwin/arm64"}, `no image for "darwin/arm64": name one of [linux/amd64 linux/arm64]`},
	} {
		t.Run(fmt.Sprint(test.args), func(t *testing.T) {
			if err := run(t.Context(), test.args, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v; want %q", err, test.want)
			}
		})
	}
}

// A checkout with changes is refused, as nobody could build the release again.
func TestRun_ChangedCheckout(t *testing.T) {
	root := t.TempDir()
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--allow-empty", "--message", "first"},
	} {
		c := exec.CommandContext(t.Context(), "git", args...)
		c.Dir = root
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), []string{"-version", "v1.0.0", "-root", root}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "new") || !strings.Contains(err.Error(), "commit or remove") {
		t.Errorf("the error is %v", err)
	}
}
