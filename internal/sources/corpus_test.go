package sources_test

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/sources"
)

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// The fuzzing engine reads the inputs of testdata/fuzz/TARGET for the target of that name in the same package; those of a
// target that was renamed would never be tried again, and nothing would say so.
func TestCorpora_HaveTheirTargets(t *testing.T) {
	targets, corpora := map[string]bool{}, map[string]bool{}
	sources.Each(t, func(file string, content []byte) {
		for _, found := range fuzzTarget.FindAllSubmatch(content, -1) {
			targets[path.Join(path.Dir(file), string(found[1]))] = true
		}
		if pkg, name, ok := strings.Cut(path.Dir(file), "/testdata/fuzz/"); ok {
			corpora[path.Join(pkg, name)] = true
		}
	}, "", ".go")
	if len(corpora) == 0 || len(targets) == 0 {
		t.Fatalf("found %d corpora and %d fuzz targets; want some", len(corpora), len(targets))
	}
	for corpus := range corpora {
		if !targets[corpus] {
			t.Errorf("no fuzz target has the name of the corpus %q: give it the name of its target, or delete it", corpus)
		}
	}
}
