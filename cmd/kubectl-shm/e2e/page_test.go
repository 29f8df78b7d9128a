//go:build chromium

package e2e

import (
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/envtest"
)

// The page of an audit, in a real browser: the script runs, and rows are shown by their result.
func TestPage_InABrowser(t *testing.T) {
	c := start(t, envtest.Options{WithoutControllerManager: true})
	showcase(t, c)
	got := c.shm("audit", "-A", "-o", "html")
	if got.Code != cli.ExitOK || got.ErrOut != "" {
		t.Fatalf("%+v", got)
	}
	dom := clitest.Open(t, "audit", strings.ReplaceAll(got.Out, c.Config.Host, "https://kubernetes.example.org"), 1560)
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
}
