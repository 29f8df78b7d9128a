//go:build chromium

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// harness opens each page in a frame of a phone's or a desk's width, and writes what it finds.
const harness = `<!doctype html><pre id="result"></pre><script>
const pages = %s, width = %d, out = [];
(async () => {
  for (const page of pages) {
    const frame = document.createElement("iframe");
    frame.style.width = width + "px"; frame.style.height = "900px";
    const loaded = new Promise(done => frame.onload = done);
    frame.src = "/" + page;
    document.body.append(frame);
    await loaded;
    const d = frame.contentDocument, style = frame.contentWindow.getComputedStyle(d.body);
    out.push({
      page, title: d.title, wide: d.scrollingElement.scrollWidth - width, ground: style.backgroundColor, text: style.color,
      broken: [...d.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
      menu: d.querySelector("nav").getBoundingClientRect().left < d.querySelector("main").getBoundingClientRect().left,
    });
    frame.remove();
  }
  document.getElementById("result").textContent = JSON.stringify(out);
})();
</script>`

// seen is what a browser makes of a page.
type seen struct {
	Page, Title, Ground, Text string
	Wide                      int // pixels that stick out to the right
	Broken                    []string
	Menu                      bool // beside the text
}

// open has Chromium open pages in frames, and returns what it makes of them.
func open(t *testing.T, dir string, pages []string, width int, dark bool) []seen {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(dir)))
	mux.HandleFunc("/harness", func(w http.ResponseWriter, _ *http.Request) {
		list, _ := json.Marshal(pages)
		fmt.Fprintf(w, harness, list, width)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(), "--virtual-time-budget=60000",
		"--window-size=1400,1000", "--dump-dom",
	}
	if dark {
		args = append(args, "--blink-settings=preferredColorScheme=0")
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "chromium", append(args, server.URL+"/harness")...)
	cmd.Stderr = &stderr
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v: install Debian's package chromium: %s", err, stderr.String())
	}
	_, rest, _ := strings.Cut(string(dom), `<pre id="result">`)
	text, _, _ := strings.Cut(rest, "</pre>")
	var out []seen
	if err := json.Unmarshal([]byte(html.UnescapeString(text)), &out); err != nil || len(out) != len(pages) {
		t.Fatalf("%d of %d pages were opened, %v: %.300s", len(out), len(pages), err, dom)
	}
	return out
}

// Every page in a real browser, as wide as a phone and as a desk, light and dark: nothing sticks out, every picture is drawn, and the
// menu is beside the text only if there is room.
func TestPages_InABrowser(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if err := run([]string{"-root", "../..", "-out", dir}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, pattern := range []string{"*.html", "*/*.html", "*/*/*.html"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			page, err := filepath.Rel(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, filepath.ToSlash(page))
		}
	}
	slices.Sort(pages)
	if len(pages) < 50 {
		t.Errorf("there are only %d pages", len(pages))
	}
	grounds := map[bool]string{}
	for _, width := range []int{390, 1280} {
		for _, dark := range []bool{false, true} {
			for _, s := range open(t, dir, pages, width, dark) {
				where := fmt.Sprintf("%s at %d pixels, dark %v", s.Page, width, dark)
				if s.Wide > 0 {
					t.Errorf("%s: %d pixels stick out to the right", where, s.Wide)
				}
				if len(s.Broken) > 0 {
					t.Errorf("%s: pictures that are not drawn: %q", where, s.Broken)
				}
				if s.Menu != (width == 1280) {
					t.Errorf("%s: the menu is beside the text: %v", where, s.Menu)
				}
				if s.Ground == s.Text {
					t.Errorf("%s: the text is as the ground: %s", where, s.Text)
				}
				grounds[dark] = s.Ground
			}
		}
	}
	if grounds[true] == grounds[false] {
		t.Errorf("dark and light have the same ground, %s", grounds[true])
	}
}
