//go:build chromium

package clitest

import (
	"flag"
	"fmt"
	"html"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

var (
	pictures = flag.String("pictures", "", "the folder to write a picture of each page to; a temporary one if empty")
	looks    = flag.String("looks", "", "the folder to write pictures to of how a page looks on a phone, and dark; none if empty")
)

// deskWidth and phoneWidth are how wide a page is opened, in pixels.
const (
	deskWidth  = 1240
	phoneWidth = 390
)

// frame shows a page in a frame, since Chromium makes no window as narrow as a phone, and says by how many pixels it sticks out.
const frame = `<!doctype html><style>body { margin: 0 }</style><iframe style="border: 0; width: %[1]dpx; height: %[2]dpx" srcdoc="%[3]s"
onload="document.body.dataset.wide = this.contentDocument.scrollingElement.scrollWidth - %[1]d"></iframe>`

// Open opens a page in Chromium, on a desk and on a phone, light and dark, and fails if it sticks out to the right. It
// takes a picture, and returns what happened to the page on a desk after its scripts have run.
func Open(t *testing.T, name, page string, height int) (dom string) {
	t.Helper()
	dir := *pictures
	if dir == "" {
		dir = t.TempDir()
	}
	work := t.TempDir()
	file := filepath.Join(work, name+".html")
	write(t, file, []byte(page))
	picture(t, file, filepath.Join(dir, name+".png"), deskWidth, height)
	for _, look := range []struct {
		name          string
		width, height int
		args          []string
	}{
		{name + "-phone", phoneWidth, 2 * height, nil},
		{name + "-dark", deskWidth, height, []string{"--blink-settings=preferredColorScheme=0"}},
		{name + "-phone-dark", phoneWidth, 2 * height, []string{"--blink-settings=preferredColorScheme=0"}},
	} {
		framed := filepath.Join(work, look.name+".html")
		write(t, framed, fmt.Appendf(nil, frame, look.width, look.height, html.EscapeString(page)))
		out := chromium(t, append(look.args, "--dump-dom", "file://"+framed)...)
		found := regexp.MustCompile(`data-wide="(-?\d+)"`).FindStringSubmatch(out)
		if found == nil {
			t.Fatalf("%s: the page was not opened: %.300s", look.name, out)
		}
		if wide, err := strconv.Atoi(found[1]); err != nil || wide > 0 {
			t.Errorf("%s: %d pixels stick out to the right, %v", look.name, wide, err)
		}
		if *looks != "" {
			picture(t, framed, filepath.Join(*looks, look.name+".png"), max(look.width, 500), look.height, look.args...)
		}
	}
	return chromium(t, "--dump-dom", "file://"+file)
}

// picture takes a picture of a page.
func picture(t *testing.T, file, to string, width, height int, args ...string) {
	t.Helper()
	chromium(t, append(args, "--screenshot="+to, fmt.Sprintf("--window-size=%d,%d", width, height), "file://"+file)...)
	f, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if config, err := png.DecodeConfig(f); err != nil || config.Width != width || config.Height != height {
		t.Errorf("a picture of %d x %d, %v; want one of %d x %d", config.Width, config.Height, err, width, height)
	}
}

// chromium opens a page without a screen, and returns what it prints.
func chromium(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "chromium", append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(), "--virtual-time-budget=2000",
	}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v: install Debian's package chromium", err)
	}
	return string(out)
}
