//go:build release

package main

import (
	"encoding/json"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// found is what syft finds in a file or in an image.
type found struct {
	Artifacts []struct{ Name, Version, Type string }
}

// scan has syft look into something.
func scan(t *testing.T, syft, what string) (out found) {
	t.Helper()
	text := mustRun(t, []string{"SYFT_CHECK_FOR_APP_UPDATE=false"}, syft, "scan", "--quiet", "--output", "syft-json", what)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// modules returns Go's modules as name and version, sorted. A module that is built from its sources has no version that others know.
func (f found) modules(t *testing.T) (out []string) {
	t.Helper()
	for _, a := range f.Artifacts {
		if a.Type != "go-module" {
			t.Errorf("there is a %s %s %s: the bill of materials lacks it", a.Type, a.Name, a.Version)
		}
		if a.Name != "github.com/shmkeeper/shmkeeper" {
			out = append(out, strings.ReplaceAll(a.Name, "stdlib", "std")+" "+a.Version)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Another program finds the same in the image and in the plugin as the bills of materials name, and nothing besides.
func TestMaterials_AsSyftFinds(t *testing.T) {
	r := newRelease(t)
	if err := r.build(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	syft := program(t, "syft", "github.com/anchore/syft/cmd/syft")
	files := filesBelow(t, r.Out)
	for program, what := range map[string]string{
		"shmkeeper":   "oci-dir:" + filepath.Join(r.Out, imageFolder),
		"kubectl-shm": "file:" + filepath.Join(r.Out, "kubectl-shm_v1.2.3_linux_"+runtime.GOARCH+".tar.gz"),
	} {
		t.Run(program, func(t *testing.T) {
			var bom struct {
				Components []struct{ Name, Version string }
			}
			if err := json.Unmarshal(files[program+"-linux-"+runtime.GOARCH+".cdx.json"], &bom); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, c := range bom.Components {
				want = append(want, c.Name+" "+c.Version)
			}
			slices.Sort(want)
			if got := scan(t, syft, what).modules(t); !slices.Equal(got, want) || len(want) < 20 {
				t.Errorf("syft finds\n%s\nthe bill has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// Krew's index accepts the manifest, and krew installs the plugin from it.
func TestKrew(t *testing.T) {
	r := newRelease(t)
	if err := r.build(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(r.Out, "shm.yaml")
	mustRun(t, nil, program(t, "krew", "sigs.k8s.io/krew/cmd/validate-krew-manifest"), "-manifest", manifest, "-skip-install")

	krew, root := program(t, "krew", "sigs.k8s.io/krew/cmd/krew"), t.TempDir()
	archive := filepath.Join(r.Out, "kubectl-shm_v1.2.3_linux_"+runtime.GOARCH+".tar.gz")
	install := []string{"install", "--manifest=" + manifest, "--archive=" + archive}
	in := func(root string) []string { return []string{"KREW_ROOT=" + root, "KREW_NO_UPGRADE_CHECK=1"} }
	mustRun(t, in(root), krew, install...)
	if text := mustRun(t, nil, filepath.Join(root, "bin", "kubectl-shm"), "version"); !strings.Contains(text, r.Version) {
		t.Errorf("the installed plugin is %q, want %s", text, r.Version)
	}
	changeByte(t, archive)
	if text, err := runProgram(t, in(t.TempDir()), krew, install...); err == nil {
		t.Errorf("krew installs another archive:\n%s", text)
	}
}
