package certs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRegisterMetrics(t *testing.T) {
	const help = `# HELP shmkeeper_serving_certificate_expiry_timestamp_seconds When the certificate that this replica serves expires, in seconds since 1970; 0 while there is none.
# TYPE shmkeeper_serving_certificate_expiry_timestamp_seconds gauge
shmkeeper_serving_certificate_expiry_timestamp_seconds %s
`
	const helpCA = `# HELP shmkeeper_ca_expiry_timestamp_seconds When the CA that signed the serving certificate expires, in seconds since 1970; absent if it is not known.
# TYPE shmkeeper_ca_expiry_timestamp_seconds gauge
shmkeeper_ca_expiry_timestamp_seconds %s
`
	c := newCluster(t)
	r := c.replica(t)
	registry := prometheus.NewPedanticRegistry()
	if err := RegisterMetrics(registry, r); err != nil {
		t.Fatal(err)
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(help, "0"))); err != nil {
		t.Error(err)
	}
	syncOrFail(t, r)
	// 2026-05-01T03:00:00Z and 2026-05-02T00:00:00Z
	want := fmt.Sprintf(help, "1.7776044e+09") + fmt.Sprintf(helpCA, "1.77768e+09")
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
