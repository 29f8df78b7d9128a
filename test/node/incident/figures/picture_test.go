package figures

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The picture of the page is drawn from the figures that are kept. It needs no node to draw it again.
func TestDraw_PictureOfTheDocs(t *testing.T) {
	const docs = "../../../../docs/explanation"
	run, err := Read(docs, 1)
	if err != nil {
		t.Fatal(err)
	}
	want, err := run.Draw()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(docs, "incident.svg")
	if os.Getenv("UPDATE") == "1" {
		if err := run.writePicture(docs); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/explanation/incident.svg is not what docs/explanation/incident.v1.json has: write it with `cd test/node && UPDATE=1 go test ./incident/figures` (-want +got):\n%s", diff)
	}
}

func TestPoints_RoundTrip(t *testing.T) {
	const text = `{"scenario":1,"name":"a","detail":"b","sizeMiB":64,"points":"0.00 0.00, 15.10 64.00"}`
	var c Curve
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Points{{0, 0}, {15.1, 64}}, c.Points); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	if again, err := json.Marshal(c); err != nil || string(again) != text {
		t.Errorf("got %s, %v, want %s", again, err, text)
	}
	if err := json.Unmarshal([]byte(`{"points":"1"}`), &c); err == nil || !strings.Contains(err.Error(), `point "1" is not hours and MiB`) {
		t.Errorf("half a point: %v", err)
	}
}

func TestDraw_NeedsAllCurves(t *testing.T) {
	if _, err := one.Draw(); err == nil || err.Error() != "0 scenarios have curves instead of 4: write them with `make test-node UPDATE=1`" {
		t.Errorf("got %v", err)
	}
}
