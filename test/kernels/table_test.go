package kernels

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

func TestTable(t *testing.T) {
	m := measured{
		kernel: kernel{release: "6.12.117+deb12-cloud-amd64", suite: "bookworm-security"}, selinux: true,
		results: results{
			costs: []report.Cost{
				{Files: report.Files{Count: 10, Size: 1500, NameLength: 10}, Pages: 40960, Kernel: 11120},
				{Files: report.Files{Count: 10, Size: 1500, NameLength: 60}, Pages: 40960, Kernel: 12160},
			},
			fills: []report.Fill{{Killed: true, Used: 224 * mib}, {Pages: 256 * mib, Kernel: 76 * mib}},
		},
	}
	lines := strings.Split(table([]measured{m}), "\n")
	want := "| 6.12.117+deb12-cloud-amd64 | bookworm-security | yes | 1112 B | 1216 B | 1.00 | 1.000 | 332.0 MiB | with 224 MiB in it |"
	if len(lines) != 5 || lines[2] != want {
		t.Errorf("got  %q\nwant %q in the third of 4 lines", lines, want)
	}
}

func TestWriteTable(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	for before, want := range map[string]string{
		"a\n" + docs.Begin + "old\n" + docs.End + "b\n": "a\n" + docs.Begin + "new\n" + docs.End + "b\n",
		"a\n" + docs.Begin + "old\n":                    "has no lines",
	} {
		if err := os.WriteFile(page, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := docs.Write(page, "new\n"); err != nil {
			got = err.Error()
		} else if text, err := os.ReadFile(page); err == nil {
			got = string(text)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q became %q, want %q", before, got, want)
		}
	}
}

// The page has the lines that `make test-kernels UPDATE=1` looks for.
func TestTable_HasItsPlaceInTheDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "explanation", "sizing.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(text), docs.Begin)
	if !begun || !strings.Contains(rest, docs.End) {
		t.Errorf("docs/explanation/sizing.md has no lines %q and %q", docs.Begin, docs.End)
	}
}
