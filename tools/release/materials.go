package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// writeMaterials writes the bill of materials of a program, in CycloneDX's JSON: what the Go command has written
// into the program of its modules, which is what is linked and nothing else.
func (r *Release) writeMaterials(files, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	main := cyclonedx.Component{
		BOMRef: modulePURL(info.Main.Path, r.Version), Type: cyclonedx.ComponentTypeApplication, Name: filepath.Base(program),
		Version: r.Version, PackageURL: modulePURL(info.Main.Path, r.Version),
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.Time.Format(time.RFC3339), Component: &main}
	components := []cyclonedx.Component{{
		BOMRef: modulePURL("std", info.GoVersion), Type: cyclonedx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion,
		PackageURL: modulePURL("std", strings.TrimPrefix(info.GoVersion, "go")),
	}}
	direct := []string{components[0].BOMRef}
	for _, m := range info.Deps {
		c, err := component(m)
		if err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
		components, direct = append(components, c), append(direct, c.BOMRef)
	}
	bom.Components, bom.Dependencies = &components, &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &direct}}
	f, err := os.Create(filepath.Join(files, filepath.Base(program)+".cdx.json"))
	if err != nil {
		return err
	}
	encoder := cyclonedx.NewBOMEncoder(f, cyclonedx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.Encode(bom); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// component returns a module, the one that was linked in its place if there is one.
func component(m *debug.Module) (cyclonedx.Component, error) {
	if m.Replace != nil {
		m = m.Replace
	}
	sum, found := strings.CutPrefix(m.Sum, "h1:")
	hash, err := base64.StdEncoding.DecodeString(sum)
	if !found || err != nil {
		return cyclonedx.Component{}, fmt.Errorf("module %s has the sum %q: build from modules that go.sum has", m.Path, m.Sum)
	}
	return cyclonedx.Component{
		BOMRef: modulePURL(m.Path, m.Version), Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version,
		PackageURL: modulePURL(m.Path, m.Version), Scope: cyclonedx.ScopeRequired,
		Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(hash)}},
	}, nil
}

// modulePURL returns a package URL, by the type "golang" of the purl specification.
func modulePURL(path, version string) string {
	return "pkg:golang/" + strings.ToLower(path) + "@" + strings.ReplaceAll(version, "+", "%2B")
}
