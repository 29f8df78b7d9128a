package simulate

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestSimulate_ShowsHowItFills(t *testing.T) {
	for file, args := range map[string][]string{
		"week.txt":      clitest.Incident("--retention", "168h", "--size", "256Mi", "--size", "512Mi"),
		"week.csv":      clitest.Incident("--retention", "168h", "-o", "csv"),
		"seed.csv":      clitest.Incident("--retention", "168h", "-o", "csv", "--seed", "2"),
		"unbounded.txt": clitest.Incident(),
		"day.txt":       {"-p", "authentik-proxy-outposts", "--days", "1"},
		"hour.txt":      {"--files-per-minute", "600", "--file-size", "64Ki", "--batch", "20", "--retention", "30m"},
		"rare.txt":      {"--files-per-minute", "0.001", "--file-size", "1Mi", "--retention", "720h", "--min", "1Mi"},
	} {
		t.Run(file, func(t *testing.T) {
			got := shm("", append([]string{"simulate"}, args...)...)
			if got.Code != cli.ExitOK || got.ErrOut != "" {
				t.Fatalf("exit status %d, %s", got.Code, got.ErrOut)
			}
			clitest.Golden(t, ""+file, []byte(got.Out))
		})
	}
}

func TestSimulate_WritesPictures(t *testing.T) {
	clitest.InDir(t)
	want := `default 64Mi: ENOSPC first after 15 h 12 min; 328,985 of 361,753 files refused
computed 897Mi: not full in 14 d; peak 181,715 files (709.8 MiB, 79 %% of 897Mi)
written to %s
`
	for sentence, c := range map[string]struct {
		file, magic string
		args        []string
	}{
		"a PNG by -o":                     {"by-flag", "\x89PNG\r\n", []string{"-o", "png"}},
		"a PNG by its name":               {"fill.PNG", "\x89PNG\r\n", nil},
		"a table by its name":             {"fill.txt", "18 files a minute", nil},
		"a table by default":              {"fill", "18 files a minute", nil},
		"an SVG by -o, under an odd name": {"fill.jpg", "<?xml", []string{"-o", "svg"}},
		"an SVG by its name":              {"fill.svg", "<?xml", nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			args := append([]string{"simulate", "-O", c.file}, clitest.Incident("--retention", "168h")...)
			got := shm("", append(args, c.args...)...)
			if diff := cmp.Diff(clitest.Result{Out: fmt.Sprintf(want, c.file)}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			content, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(content, []byte(c.magic)) {
				t.Errorf("%s begins with %q, want %q", c.file, content[:8], c.magic)
			}
		})
	}
	direct := shm("", append([]string{"simulate", "-o", "svg"}, clitest.Incident("--retention", "168h")...)...)
	if !strings.HasPrefix(direct.Out, "<?xml") {
		t.Errorf("without -O the SVG is not on standard output: exit status %d, %s", direct.Code, direct.ErrOut)
	}
}

func TestSimulate_KeepsPicturesOffATerminal(t *testing.T) {
	cmd := &cobra.Command{}
	o := options{model: model.AddFlags(cmd)}
	o.output.AddOutput(cmd, formats...)
	if err := cmd.Flags().Set("output", "png"); err != nil {
		t.Fatal(err)
	}
	_, err := o.format(true)
	want := `--output: "png" is not text for a terminal: name a file with -O, such as -O fill.png`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := o.format(false); err != nil {
		t.Errorf("into a pipe: %v", err)
	}
	o.file = "fill.png"
	if _, err := o.format(true); err != nil {
		t.Errorf("with a file: %v", err)
	}
}

func TestSimulate_AgreesWithSize(t *testing.T) {
	text := shm("", append([]string{"simulate", "-o", "csv", "--step", "5m", "--days", "30"}, clitest.Incident("--retention", "24h")...)...).Out
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := "computed 131Mi files"; rows[0][4] != want {
		t.Fatalf("column %q, want %q", rows[0][4], want)
	}
	most := 0
	for _, row := range rows[1:] {
		files, err := strconv.Atoi(row[4])
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, files)
	}
	// The mean is 26,010 files, the number exceeded once in a million 26,780.
	if most < 26010 || most > 26780 {
		t.Errorf("at most %d files in 30 days, want from 26,010 to 26,780", most)
	}
}

func TestSimulate_SpansAndSteps(t *testing.T) {
	for sentence, c := range map[string]struct {
		args       []string
		span, step time.Duration
	}{
		"a week is played for two":                   {clitest.Incident("--retention", "168h"), 14 * day, day},
		"an hour is played for two":                  {clitest.Incident("--retention", "1h"), 2 * time.Hour, 5 * time.Minute},
		"a month is played for two":                  {clitest.Incident("--retention", "720h"), 60 * day, 7 * day},
		"ten years are not played":                   {[]string{"--files-per-minute", "0.1", "--file-size", "1", "--retention", "87600h"}, 365 * day, 28 * day},
		"so many files are played for a short while": {[]string{"--files-per-minute", "60000000", "--file-size", "1", "--retention", "24h"}, 2 * time.Second, time.Minute},
		"the longest retention overflows nothing":    {[]string{"--files-per-minute", "0.1", "--file-size", "1", "--retention", "999999h999999h"}, 365 * day, 28 * day},
	} {
		t.Run(sentence, func(t *testing.T) {
			cmd := &cobra.Command{}
			flags := model.AddFlags(cmd)
			if err := cmd.Flags().Parse(c.args); err != nil {
				t.Fatal(err)
			}
			m, err := flags.Model(nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := newSimulation(m, &options{model: flags, seed: "1"}, "table")
			if err != nil {
				t.Fatal(err)
			}
			span := got.options.Span
			if c.span < time.Minute {
				span = span.Round(time.Second)
			}
			if span != c.span || got.options.Step != c.step {
				t.Errorf("%v in steps of %v, want %v in steps of %v", span, got.options.Step, c.span, c.step)
			}
			if _, err := simulate.Run(got.model, got.volumes, got.options); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSimulate_SaysWhatDiffers(t *testing.T) {
	clitest.InDir(t)
	const (
		crowded = "120ms are played instead of 83333 d 6 h, twice as long as a file lives: more files would take long to play, and --span takes up to 5 times as many"
		longer  = "365 d are played instead of 1092 d 6 h, half as long again as the computed size lasts: choose another span with --span or --days"
		rounded = `--size "1500" makes a volume of 4Ki: the kernel rounds up to whole pages of 4Ki`
	)
	for sentence, c := range map[string]struct {
		args  []string
		notes []string
	}{
		"more files than can be played":         {[]string{"--files-per-minute", "999999999", "--file-size", "1", "--retention", "999999h"}, []string{crowded}},
		"more years than can be read":           {[]string{"--files-per-minute", "1", "--file-size", "1"}, []string{longer}},
		"a size that is not a whole page":       {clitest.Incident("--retention", "1h", "--size", "1500"), []string{rounded}},
		"a size that is not a whole large page": {clitest.Incident("--retention", "1h", "--size", "68Ki", "--page-size", "64Ki"), []string{`--size "68Ki" makes a volume of 128Ki: the kernel rounds up to whole pages of 64Ki`}},
		"both":                                  {[]string{"--files-per-minute", "1", "--file-size", "1", "--size", "1500"}, []string{rounded, longer}},
		"a span that is given":                  {clitest.Incident("--span", "1h", "--size", "1Mi"), nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			want := ""
			for _, note := range c.notes {
				want += "note: " + note + "\n"
			}
			heading, _, _ := strings.Cut(shm("", append([]string{"simulate"}, c.args...)...).Out, "\n\n")
			_, got, _ := strings.Cut(heading+"\n", "\n")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("heading of the table (-want +got):\n%s", diff)
			}
			for _, more := range [][]string{{"-o", "csv"}, {"-O", "fill.svg"}} {
				if diff := cmp.Diff(want, shm("", append(append([]string{"simulate"}, c.args...), more...)...).ErrOut); diff != "" {
					t.Errorf("standard error with %v (-want +got):\n%s", more, diff)
				}
			}
		})
	}
}

// What costs too much is refused by the flag's name, and what is let pass is
// played.
func TestSimulate_Cost(t *testing.T) {
	m := simulate.Workload{CreatedPerMinute: 10_000_000, Batch: 1, BytesPerFile: 4096}
	volumes := []simulate.Volume{{Name: "default", Bytes: int64(sizing.DefaultShm)}}
	for span, fits := range map[time.Duration]bool{2 * time.Minute: true, 2*time.Minute + time.Second: false} {
		byFlag := checkCost("span", span.String(), m, span, len(volumes))
		_, played := simulate.Run(m, volumes, simulate.Options{Span: span, Step: span, Seed: 1})
		if (byFlag == nil) != fits || (played == nil) != fits {
			t.Errorf("%v fits %t, but the flag says %v and the simulation %v", span, fits, byFlag, played)
		}
	}
}

func TestSimulate_InvalidFlags(t *testing.T) {
	clitest.InDir(t)
	for sentence, c := range map[string]struct {
		args []string
		want string
	}{
		"no flags at all":                  {nil, "there is nothing to compute with: give --files-per-minute and --file-size, --workers and --batch-bytes, --work-mem, or --policy"},
		"a policy by the memory limit":     {[]string{"-p", "ray"}, `--memory-limit: is missing, and policy "ray" takes 40% of it: give it, such as --memory-limit 2Gi`},
		"a size of nothing":                {clitest.Incident("--size", "0"), `--size: "0" holds nothing: write a size such as 512Mi`},
		"an invalid size":                  {clitest.Incident("--size", "much"), `--size: "much" is not a quantity: write a quantity such as 512Mi`},
		"a size beyond all bounds":         {clitest.Incident("--size", "1e400"), `--size: "1e400" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"the same size twice":              {clitest.Incident("--size", "1Gi", "--size", "1024Mi"), `--size: "1024Mi" makes the same volume as "1Gi": leave one of them out`},
		"two sizes in the same pages":      {clitest.Incident("--size", "512Mi", "--size", "1500", "--size", "4Ki"), `--size: "4Ki" makes the same volume as "1500": leave one of them out`},
		"a file of no known kind":          {clitest.Incident("-O", "fill.jpg"), `--output-file: "fill.jpg" does not end in .txt, .csv, .svg or .png: rename it, or say what to write with -o`},
		"more sizes than there is room":    {clitest.Incident("--size=1", "--size=2", "--size=3", "--size=4", "--size=5", "--size=6", "--size=7"), `--size: "7" is one too many, no more than 6 can be told apart: leave some out`},
		"no days":                          {clitest.Incident("--days", "0"), `--days: "0" is not a number of days above 0 and up to 36500: write one such as 14 or 0.5`},
		"days that are not a number":       {clitest.Incident("--days", "NaN"), `--days: "NaN" is not a number of days above 0 and up to 36500: write one such as 14 or 0.5`},
		"days and a span":                  {clitest.Incident("--days", "1", "--span", "2h"), `--span: "2h" cannot be combined with --days "1": leave one of them out`},
		"a negative span":                  {clitest.Incident("--span", "-1h"), `--span: "-1h" is not a duration above 0: write one in h, m or s, such as 336h`},
		"a span of more than a century":    {clitest.Incident("--span", "999999h"), `--span: "999999h" is longer than 100 years: write a shorter one, such as 336h`},
		"a span of too many files":         {[]string{"--files-per-minute", "999999999", "--file-size", "1", "--span", "24h"}, `--span: "24h" is too long to play 999,999,999 files a minute in batches of 1 for 2 volumes: write a shorter one`},
		"an invalid step":                  {clitest.Incident("--step", "daily"), `--step: "daily" is not a duration above 0: write one in h, m or s, such as 1h`},
		"a step that makes too many rows":  {clitest.Incident("--step", "1ms"), `--step: "1ms" makes more than 100,000 rows: write a longer one, or a shorter --span`},
		"a negative seed":                  {clitest.Incident("--seed", "-1"), `--seed: "-1" is not a whole number that fits in 64 bits: write one such as 1`},
		"an unknown format":                {clitest.Incident("-o", "gif"), `invalid argument "gif" for "-o, --output" flag: write table, csv, svg or png: see kubectl shm simulate --help`},
		"a file without a name":            {clitest.Incident("-O", ""), `--output-file: "" is empty: name a file, or leave the flag out`},
		"a directory that is not there":    {clitest.Incident("-O", "missing/fill.png"), `--output-file: "missing/fill.png" cannot be written: no such file or directory: name a file in a directory that is there and that you may write to`},
		"an argument":                      {clitest.Incident("fill.png"), `"fill.png": kubectl shm simulate takes no arguments: remove it`},
		"several flags of its own at once": {clitest.Incident("--size", "0", "--seed", "x"), "--size: \"0\" holds nothing: write a size such as 512Mi\n--seed: \"x\" is not a whole number that fits in 64 bits: write one such as 1"},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := shm("", append([]string{"simulate"}, c.args...)...)
			if diff := cmp.Diff(clitest.Result{Code: cli.ExitUsage, ErrOut: "error: " + c.want + "\n"}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
