package size

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestCompare_Outputs(t *testing.T) {
	for name, args := range map[string][]string{
		"week":      clitest.Incident("--retention", "168h"),
		"unbounded": clitest.Incident(),
		"enough":    clitest.Incident("--retention", "168h", "--current-size", "1Gi"),
		"batches":   {"--files-per-minute", "600", "--file-size", "1Mi", "--batch", "100", "--retention", "24h"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []string{"table", "json"} {
				got := shm("", append([]string{"size", "--compare", "-o", format}, args...)...)
				if got.Code != cli.ExitOK || got.ErrOut != "" {
					t.Fatalf("-o %s: exit status %d, %s", format, got.Code, got.ErrOut)
				}
				clitest.Golden(t, "compare-"+name+map[string]string{"table": ".txt", "json": ".json"}[format], []byte(got.Out))
			}
		})
	}
}

// Each remedy just suffices: the sizing's own arithmetic, asked by the flags of kubectl shm size, gives
// no more than the current size for it, and more for a little less of the remedy.
func TestCompare_EachJustSuffices(t *testing.T) {
	got := shm("", append([]string{"size", "--compare", "-o", "json"}, clitest.Incident("--retention", "168h")...)...)
	var c struct {
		Remedies []struct {
			Remedy              string
			CreatedPerMinute    float64
			RetentionSeconds    *int64
			RestartEverySeconds *int64
		}
	}
	if err := json.Unmarshal([]byte(got.Out), &c); err != nil {
		t.Fatal(err)
	}
	limit := func(rate, retention, sweep string) sizing.Bytes {
		t.Helper()
		got := shm("", "size", "-o", "json", "--files-per-minute", rate, "--file-size", "1500", "--retention", retention, "--sweep-interval", sweep, "--min", "1Mi")
		var r struct{ SizeLimitBytes sizing.Bytes }
		if err := json.Unmarshal([]byte(got.Out), &r); err != nil {
			t.Fatalf("%v: %s", err, got.ErrOut)
		}
		return r.SizeLimitBytes
	}
	check := func(remedy string, enough, less sizing.Bytes) {
		t.Helper()
		if enough > sizing.DefaultShm || less <= sizing.DefaultShm {
			t.Errorf("%s: %s is required with it, and %s with a little less of it; want 64Mi between them", remedy, enough, less)
		}
	}
	tried := 0
	for _, r := range c.Remedies {
		switch r.Remedy {
		case "retention":
			kept := time.Duration(*r.RetentionSeconds) * time.Second
			check(r.Remedy, limit("18", kept.String(), "5m"), limit("18", (kept+time.Minute).String(), "5m"))
		case "rate":
			rate := func(f float64) string { return significantDigits(f, 9) }
			check(r.Remedy, limit(rate(r.CreatedPerMinute), "168h", "5m"), limit(rate(r.CreatedPerMinute+18.0/rateSteps), "168h", "5m"))
		case "restart":
			every := time.Duration(*r.RestartEverySeconds) * time.Second
			check(r.Remedy, limit("18", every.String(), "0s"), limit("18", (every+time.Minute).String(), "0s"))
		default:
			continue
		}
		tried++
	}
	if tried != 3 {
		t.Errorf("%d remedies were tried", tried)
	}
}

func TestCompare_Pictures(t *testing.T) {
	clitest.InDir(t)
	for file, magic := range map[string]string{"c.png": "\x89PNG\r\n", "c.svg": "<?xml"} {
		for _, retention := range [][]string{{"--retention", "168h"}, nil} {
			got := shm("", append([]string{"size", "--compare", "-O", file}, clitest.Incident(retention...)...)...)
			if diff := cmp.Diff(clitest.Result{Out: "written to " + file + "\n"}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			content, err := os.ReadFile(file)
			if err != nil || !bytes.HasPrefix(content, []byte(magic)) {
				t.Errorf("%s begins with %q, %v", file, content[:min(8, len(content))], err)
			}
		}
	}
	svg := shm("", append([]string{"size", "--compare", "-o", "svg"}, clitest.Incident("--retention", "168h")...)...).Out
	for _, title := range titles {
		if !strings.Contains(svg, title) {
			t.Errorf("the picture does not name %q", title)
		}
	}
}

// The picture in the docs is what its command draws.
func TestCompare_PictureOfTheDocs(t *testing.T) {
	got := shm("", "size", "-p", "authentik-proxy-outposts", "--compare", "-o", "svg")
	clitest.Golden(t, "../../../../docs/explanation/remedies.svg", []byte(got.Out))
}

func TestCompare_Errors(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a model without files": {[]string{"--compare", "-p", "authentik-server"}, `--compare: policy "authentik-server" has no files model, so nothing says how /dev/shm fills: name a policy with sizing.files`},
		"a current size of nothing": {
			clitest.Incident("--compare", "--current-size", "0"), `--current-size: "0" holds nothing: write the size that is mounted now, such as 256Mi`,
		},
		"a current size that is not":    {clitest.Incident("--compare", "--current-size", "much"), `--current-size: "much" is not a quantity`},
		"a picture of nothing compared": {clitest.Incident("-o", "png"), `--output: "png" is a picture of a comparison: add --compare, or see kubectl shm simulate for one of how a volume fills`},
		"a flag without --compare":      {clitest.Incident("--current-size", "1Gi"), "--current-size: it counts with --compare only: add that, or leave it out"},
		"a folder that is not":          {clitest.Incident("--compare", "-O", "no/such/folder.png"), "--output-file: open no/such/folder.png: no such file or directory: name a file in a directory that you may write to"},
	} {
		t.Run(name, func(t *testing.T) {
			got := shm("", append([]string{"size"}, c.args...)...)
			if got.Code != cli.ExitUsage || got.Out != "" || !strings.HasPrefix(got.ErrOut, "error: "+c.want) {
				t.Errorf("exit status %d, %q\nwant %q", got.Code, got.ErrOut, c.want)
			}
		})
	}
}
