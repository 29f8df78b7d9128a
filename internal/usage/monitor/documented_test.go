package monitor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// docs/reference/server.md names every metric, with its labels in their order, and no other.
func TestMetrics_Documented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/reference/server.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(shmkeeper_(?:usage|volume)_[a-z_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		want = append(want, row[1]+"{"+strings.NewReplacer("`", "", " ", "").Replace(row[2])+"}")
	}
	descriptions := make(chan *prometheus.Desc, 100)
	new(Metrics).Describe(descriptions)
	close(descriptions)
	var got []string
	for d := range descriptions {
		found := regexp.MustCompile(`fqName: "([^"]*)".* variableLabels: {([^}]*)}`).FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("%s has no name", d)
		}
		got = append(got, found[1]+"{"+found[2]+"}")
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 10 {
		t.Errorf("metrics (-docs/server.md +described):\n%s", diff)
	}
}
