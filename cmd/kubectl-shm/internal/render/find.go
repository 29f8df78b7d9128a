// Package render knows what has to be rendered before it is manifests: kustomizations, Helm charts.
package render

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// NoObject is what a document is counted as that is not an API object.
const NoObject = "document without kind and apiVersion"

// kustomizationNames are what kustomize looks for in a directory.
var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// Finder finds among the files of directories those that are not manifests by themselves: parts of
// kustomizations and of Helm charts, values, and what is not an API object at all.
type Finder struct {
	rendered                               []string // directories that are rendered
	kustomizations, charts, values, others []string

	charted map[string]bool            // by directory, whether it has a Chart.yaml
	used    map[string]map[string]bool // by directory, the files that its kustomization uses as something else than manifests
}

// NewFinder returns a Finder that has found nothing. Nothing has to be said about the directories that
// are rendered.
func NewFinder(rendered []string) *Finder {
	clean := make([]string, len(rendered))
	for i, dir := range rendered {
		clean[i] = filepath.Clean(dir)
	}
	return &Finder{rendered: clean, charted: map[string]bool{}, used: map[string]map[string]bool{}}
}

// Leave returns the files that are to be read as manifests. It is the Leave of a manifest.Reader.
func (f *Finder) Leave(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		clean := filepath.Clean(file)
		return file != "-" && (f.isOfChart(clean) || f.isOfKustomization(clean))
	})
}

// isOfChart reports whether a file is part of a Helm chart.
func (f *Finder) isOfChart(file string) bool {
	chart := ""
	for dir := range ancestors(file) {
		if f.hasChart(dir) {
			chart = dir // the outermost: a chart within another is rendered with it
		}
	}
	if chart == "" {
		return false
	}
	within, err := filepath.Rel(chart, file)
	if err != nil {
		return false
	}
	first, _, nested := strings.Cut(filepath.ToSlash(within), "/")
	isPart := nested && slices.Contains([]string{"templates", "charts", "ci"}, first) ||
		!nested && (strings.HasPrefix(first, "Chart.") || strings.HasPrefix(first, "requirements.") || isValues(first))
	if isPart {
		f.add(&f.charts, chart)
	}
	return isPart
}

func (f *Finder) hasChart(dir string) bool {
	found, known := f.charted[dir]
	if !known {
		info, err := os.Stat(filepath.Join(dir, "Chart.yaml"))
		found = err == nil && info.Mode().IsRegular()
		f.charted[dir] = found
	}
	return found
}

// isOfKustomization reports whether a file is a kustomization, or is one's patch, settings or data.
func (f *Finder) isOfKustomization(file string) bool {
	for dir := range ancestors(file) {
		used := f.usedBy(dir)
		if used == nil {
			continue
		}
		if filepath.Dir(file) == dir && slices.Contains(kustomizationNames, filepath.Base(file)) {
			f.add(&f.kustomizations, dir)
			return true
		}
		if used[file] {
			f.add(&f.kustomizations, dir)
			return true
		}
	}
	return false
}

// kustomization has the fields of a kustomization that name files, and no manifests.
type kustomization struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Patches    []struct {
		Path string `json:"path"`
	} `json:"patches"`
	PatchesJSON6902 []struct {
		Path string `json:"path"`
	} `json:"patchesJson6902"`
	Replacements []struct {
		Path string `json:"path"`
	} `json:"replacements"`
	PatchesStrategicMerge []string    `json:"patchesStrategicMerge"`
	Configurations        []string    `json:"configurations"`
	ConfigMapGenerator    []generator `json:"configMapGenerator"`
	SecretGenerator       []generator `json:"secretGenerator"`
	HelmCharts            []struct {
		ValuesFile            string   `json:"valuesFile"`
		AdditionalValuesFiles []string `json:"additionalValuesFiles"`
	} `json:"helmCharts"`
	OpenAPI struct {
		Path string `json:"path"`
	} `json:"openapi"`
}

type generator struct {
	Files []string `json:"files"`
	Envs  []string `json:"envs"`
}

// usedBy returns the files that the kustomization of a directory uses as something else than manifests;
// nil if there is none, or if it cannot be read.
func (f *Finder) usedBy(dir string) map[string]bool {
	if used, known := f.used[dir]; known {
		return used
	}
	f.used[dir] = nil
	for _, name := range kustomizationNames {
		text, err := os.ReadFile(filepath.Join(dir, name))
		var k kustomization
		if err != nil || yaml.Unmarshal(text, &k) != nil {
			continue
		}
		if k.APIVersion != "" && !strings.HasPrefix(k.APIVersion, "kustomize.config.k8s.io/") {
			continue // Flux has objects of this kind too
		}
		f.used[dir] = k.files(dir)
		break
	}
	return f.used[dir]
}

// files returns the files that a kustomization in a directory names.
func (k *kustomization) files(dir string) map[string]bool {
	names := slices.Concat(k.PatchesStrategicMerge, k.Configurations, []string{k.OpenAPI.Path})
	for _, list := range [...][]struct {
		Path string `json:"path"`
	}{k.Patches, k.PatchesJSON6902, k.Replacements} {
		for _, item := range list {
			names = append(names, item.Path)
		}
	}
	for _, g := range slices.Concat(k.ConfigMapGenerator, k.SecretGenerator) {
		names = append(names, g.Envs...)
		for _, file := range g.Files {
			if _, path, found := strings.Cut(file, "="); found {
				file = path
			}
			names = append(names, file)
		}
	}
	for _, chart := range k.HelmCharts {
		names = append(append(names, chart.ValuesFile), chart.AdditionalValuesFiles...)
	}
	files := map[string]bool{}
	for _, name := range names {
		if name != "" {
			files[filepath.Join(dir, name)] = true
		}
	}
	return files
}

// IsOther reports whether a file that holds a document which is not an API object is skipped for that, and
// remembers it. A file that is named, and is not called values, is meant to be a manifest.
func (f *Finder) IsOther(file string, named bool) bool {
	switch {
	case isValues(filepath.Base(file)):
		f.add(&f.values, file)
	case named || file == "stdin":
		return false
	default:
		f.add(&f.others, file)
	}
	return true
}

// isValues reports whether a file is called as values of Helm charts are.
func isValues(name string) bool {
	base, ext := strings.CutSuffix(name, ".yaml")
	if !ext {
		base, ext = strings.CutSuffix(name, ".yml")
	}
	base = strings.ToLower(base)
	return ext && (strings.HasPrefix(base, "values") || strings.HasSuffix(base, "values"))
}

// Notes returns what has to be rendered first, and how.
func (f *Finder) Notes() []string {
	var notes []string
	note := func(what, which string, names []string, how string) {
		if len(names) == 0 {
			return
		}
		which, verb := names[0]+" "+which, "is"
		if len(names) > 1 {
			which, verb = fmt.Sprintf("%d %s (%s)", len(names), what, some(names)), "are"
		}
		notes = append(notes, fmt.Sprintf("%s %s %s", which, verb, how))
	}
	dir := func(names []string) string {
		if len(names) == 1 {
			return names[0]
		}
		return "DIR"
	}
	note("kustomizations", "has a kustomization, which", f.kustomizations, "not rendered: review what it makes with -k "+dir(f.kustomizations))
	note("Helm charts", "has a Helm chart, which", f.charts, "not rendered: review what it makes with -k "+dir(f.charts)+" and --values FILE, for which helm has to be on the PATH")
	note("files with values for Helm charts", "has values for a Helm chart and", f.values, "not reviewed: review the chart with -k DIR --values "+fileOf(f.values))
	note("files without an API object", "has no API object and", f.others, "skipped: add kind and apiVersion to what is to be reviewed")
	return notes
}

func fileOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return "FILE"
}

// some lists names, the first few of many.
func some(names []string) string {
	const most = 5
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(", and %d more", more)
	}
	return strings.Join(names, ", ")
}

// add adds a name that is not there yet.
func (f *Finder) add(names *[]string, name string) {
	if !slices.Contains(*names, name) && !slices.Contains(f.rendered, name) {
		*names = append(*names, name)
	}
}

// ancestors returns the directories around a file, the nearest first, as far as its path names them.
func ancestors(file string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for dir := filepath.Dir(file); yield(dir); dir = filepath.Dir(dir) {
			if filepath.Base(dir) == ".." || filepath.Dir(dir) == dir {
				return
			}
		}
	}
}
