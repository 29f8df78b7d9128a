package audit

import (
	"bytes"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/policy"
)

// What tenants write is text in the page, wherever it stands, and the page loads nothing.
func TestPage_HostileTexts(t *testing.T) {
	const hostile = clitest.Hostile
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
	if n := clitest.ParsePage(t, b.String(), 1).Count("evil.example"); n < 8 {
		t.Errorf("the text is there %d times, want it at least 8 times", n)
	}
}
