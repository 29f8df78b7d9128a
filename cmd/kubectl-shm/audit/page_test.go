package audit

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy"
)

// What tenants write is text in the page, wherever it stands, and the page loads nothing.
func TestPage_HostileTexts(t *testing.T) {
	const hostile = `"><script src=//evil.example/x.js></script><img src=x onerror=alert(1)>` + "'`${7*7}</title></script>"
	r := &report{where: hostile, whose: hostile, host: hostile, pods: 1, notes: []string{hostile}}
	w := &workload{Workload: live.Workload{Kind: hostile, Namespace: hostile, Name: hostile}, running: 1, replicas: 1, example: hostile}
	w.worst = verdict{outcome: policy.Violating, policy: hostile, detail: hostile, reason: policy.Reason(hostile), warnings: []string{hostile}}
	r.workloads = []*workload{w}
	r.sum(live.Namespaces{})
	r.namespaces[0].exceeded = []exceeded{{quota: hostile, resource: hostile}}
	var b bytes.Buffer
	if err := writePage(&b, r, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	scripts, texts := 0, 0
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode:
			texts += strings.Count(n.Data, "evil.example")
		case n.Type != html.ElementNode:
		case n.Data == "img":
			t.Errorf("there is an element of a tenant's: %v", n.Attr)
		case n.Data == "script":
			scripts++
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" {
				t.Errorf("<%s> has the attribute %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	if scripts != 1 || texts < 8 {
		t.Errorf("%d scripts, want 1; the text is there %d times", scripts, texts)
	}
}
