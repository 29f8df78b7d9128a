//go:build chromium

package e2e

import (
	"flag"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/envtest"
)

var pictures = flag.String("pictures", "", "the folder to write the pictures to")

// chromium opens a page without a screen, and returns what it prints.
func chromium(t *testing.T, args ...string) string {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "chromium", append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + home, "--virtual-time-budget=2000",
	}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v: install Debian's package chromium", err)
	}
	return string(out)
}

// The page of an audit, in a real browser: the script runs, and rows are shown by their result.
func TestPage_InABrowser(t *testing.T) {
	c := start(t, envtest.Options{WithoutControllerManager: true})
	showcase(t, c)
	got := c.shm("audit", "-A", "-o", "html")
	if got.Code != cli.ExitOK || got.ErrOut != "" {
		t.Fatalf("%+v", got)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "audit.html")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(got.Out, c.Config.Host, "https://kubernetes.example.org")), 0o600); err != nil {
		t.Fatal(err)
	}
	dom := chromium(t, "--dump-dom", "file://"+file)
	shown, hidden := 0, 0
	for _, row := range strings.Split(dom, `<details class="row `)[1:] {
		tag, _, _ := strings.Cut(row, ">")
		isHidden, matters := strings.Contains(tag, " hidden"), strings.HasPrefix(tag, "violating") || strings.HasPrefix(tag, "changed") || strings.HasPrefix(tag, "unmatched")
		if isHidden == matters {
			t.Errorf("hidden: %v, %s", isHidden, tag)
		}
		if isHidden {
			hidden++
		} else {
			shown++
		}
	}
	if shown < 10 || hidden < 5 {
		t.Errorf("%d rows are shown and %d hidden", shown, hidden)
	}
	mustContain(t, dom, "Quotas that are too small for it", "proxy-outpost")
	if *pictures == "" {
		*pictures = dir
	}
	picture := filepath.Join(*pictures, "audit.png")
	chromium(t, "--screenshot="+picture, "--window-size=1240,1560", "file://"+file)
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	config, err := png.DecodeConfig(f)
	if err != nil || config.Width != 1240 || config.Height != 1560 {
		t.Errorf("a picture of %d x %d, %v", config.Width, config.Height, err)
	}
}
